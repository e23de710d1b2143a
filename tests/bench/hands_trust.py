#!/usr/bin/python3
"""How often midibert report's guess of the hands is right, and whether its confidence can be believed, on MIDI files whose tracks
are known to be played by one hand.

    tests/bench/hands_trust.py BUILD LEFT RIGHT FILE.mid...     LEFT, RIGHT: names of the tracks; - for none

Tracks lose their names before the guess. With one hand given, only its notes are judged.
"""
import json
import os
import subprocess
import sys
import tempfile

import mido


def main():
    build, left, right, *files = sys.argv[1:]
    bins, known, right_ones, notes = [[0, 0, 0.0] for _ in range(5)], 0, 0, 0
    for path in files:
        source, truth = mido.MidiFile(path), {}
        for track in source.tracks:
            hand = {left: "left", right: "right"}.get(track.name.strip())
            tick = 0
            for message in track:
                tick += message.time
                if hand and message.type == "note_on" and message.velocity:
                    truth.setdefault((tick, message.note), set()).add(hand)
            track[:] = [m for m in track if m.type != "track_name"]
        with tempfile.TemporaryDirectory() as folder:
            bare = os.path.join(folder, "bare.mid")
            mido.MidiFile(type=0, ticks_per_beat=source.ticks_per_beat,
                          tracks=[mido.merge_tracks(source.tracks)]).save(bare)
            said = subprocess.run([os.path.join(build, "midibert"), "report", bare, "--json"], check=True, capture_output=True)
            told = json.loads(said.stdout)["notes"]
        # Both lists are in order of time, then pitch: they are paired by rank, since times were rounded.
        ticks, now = [], 0
        for message in mido.merge_tracks(source.tracks):
            now += message.time
            if message.type == "note_on" and message.velocity and message.channel != 9:
                ticks.append((now, message.note))
        for (tick, pitch), note in zip(sorted(ticks), sorted(told, key=lambda n: (n["onset_ms"], n["pitch"]))):
            hands = truth.get((tick, pitch), set())
            if len(hands) != 1 or pitch != note["pitch"]:
                continue
            notes += 1
            if note["hand"] is None:
                continue
            known += 1
            good = note["hand"] in hands
            right_ones += good
            cell = bins[min(4, int((note["hand_confidence"] - 0.8) * 25))]
            cell[0] += 1
            cell[1] += good
            cell[2] += note["hand_confidence"]
    print("%d notes with a known hand; %.1f %% are told apart, of these %.1f %% rightly" %
          (notes, 100 * known / notes, 100 * right_ones / known))
    for low, (count, good, confidence) in zip((0.80, 0.84, 0.88, 0.92, 0.96), bins):
        if count:
            print("  confidence from %.2f: %6d notes, mean confidence %.3f, right %.3f" %
                  (low, count, confidence / count, good / count))


main()
