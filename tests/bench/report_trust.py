#!/usr/bin/python3
"""How often midibert report finds what was planted into real takes, and how often it says the same of the untouched take.

    tests/bench/report_trust.py BUILD MANIFEST [TAKES [MODEL]]

Each take gets one fault at a time, at a place drawn by its name; a fault is found if a finding of a fitting kind meets the
place, two seconds more or less, among the ten. "before" counts the same in the take as it was: what is found there anyway (for what is left
out: of the take beside itself).
"""
import json
import os
import random
import subprocess
import sys
import tempfile

import mido

SPAN_S = 4.0


def notes_of(path):
    """All notes of a file as [onset_s, end_s, pitch, velocity]."""
    found, held, now = [], {}, 0.0
    for message in mido.MidiFile(path):
        now += message.time
        if message.type == "note_on" and message.velocity > 0 and message.channel != 9:
            held.setdefault(message.note, []).append([now, now, message.note, message.velocity])
            found.append(held[message.note][-1])
        elif message.type in ("note_off", "note_on") and held.get(message.note):
            held[message.note].pop(0)[1] = now
    return found


def write(path, notes):
    """At 120 bpm, 480 ticks a quarter: no beat is known, so both files of a pair are given in seconds."""
    events = []
    for onset, end, pitch, velocity in notes:
        events += [(onset, 1, pitch, max(1, min(127, round(velocity)))), (max(end, onset + 0.02), 0, pitch, 0)]
    track, last = mido.MidiTrack(), 0
    for at, on, pitch, velocity in sorted(events):
        tick = round(at * 960)
        track.append(mido.Message("note_on", note=pitch, velocity=velocity, time=tick - last))
        last = tick
    mido.MidiFile(type=0, ticks_per_beat=480, tracks=[track]).save(path)


def report(build, model, *paths):
    command = [os.path.join(build, "midibert"), "report", *paths, "--json", "--by", "second"]
    return json.loads(subprocess.run(command + (["--model", model] if model else []), check=True, capture_output=True).stdout)


def meets(found, kinds, start, end):
    units = found["units"]
    for finding in found["findings"]:
        first = units[finding["first_unit"] - 1]["start_ms"] / 1e3
        last = units[finding["last_unit"] - 1]["end_ms"] / 1e3
        if finding["kind"] in kinds and not finding["throughout"] and first <= end + 2 and last >= start - 2:
            return True
    return False


def within(note, start):
    return start <= note[0] < start + SPAN_S


FAULTS = {
    "4 s louder by 25": (("loud",), lambda n, s: [[a, b, p, v + 25 * within([a], s)] for a, b, p, v in n]),
    "4 s softer by 25": (("soft",), lambda n, s: [[a, b, p, v - 25 * within([a], s)] for a, b, p, v in n]),
    "left hand (below C4) louder by 25 for 4 s": (
        ("hands", "covered", "loud"), lambda n, s: [[a, b, p, v + 25 * (within([a], s) and p < 60)] for a, b, p, v in n]),
}


def main():
    build, manifest = sys.argv[1:3]
    takes, model = int(sys.argv[3]) if len(sys.argv) > 3 else 20, sys.argv[4] if len(sys.argv) > 4 else None
    with open(manifest) as file:
        names = [line.split("\t")[0].strip() for line in file if line.strip()]
    random.Random(7).shuffle(names)
    score, findings = {}, 0
    with tempfile.TemporaryDirectory() as folder:
        plain, changed = os.path.join(folder, "plain.mid"), os.path.join(folder, "changed.mid")
        for name in names[:takes]:
            notes = notes_of(os.path.join(os.path.dirname(manifest), name))
            dice = random.Random(name)
            start = dice.uniform(notes[0][0] + 5, max(note[0] for note in notes) - 10)
            write(plain, notes)
            before = report(build, model, plain)
            findings += len(before["findings"])
            for fault, (kinds, plant) in FAULTS.items():
                write(changed, plant(notes, start))
                count = score.setdefault(fault, [0, 0])
                count[0] += meets(report(build, model, changed), kinds, start, start + SPAN_S)
                count[1] += meets(before, kinds, start, start + SPAN_S)
            kept = [[a if a < start else a - SPAN_S, b if a < start else b - SPAN_S, p, v] for a, b, p, v in notes
                    if not within([a], start)]
            write(changed, [[a * 1.15, b * 1.15, p, v] for a, b, p, v in kept])
            beside = report(build, model, changed, plain)
            count = score.setdefault("4 s left out, the rest 15 % slower", [0, 0])
            count[0] += meets(beside, ("left_out",), start * 1.15, start * 1.15)
            count[1] += bool(report(build, model, plain, plain)["gaps"])
    for fault, (found, before) in score.items():
        print("%-45s found in %d of %d takes, before in %d" % (fault, found, takes, before))
    print("findings in untouched takes: %.1f a take" % (findings / takes))


main()
