#!/usr/bin/python3
"""Compares `midibert tokenize` with a second reading of the same files: python3-mido, and the token rules of docs/MODEL.md
written anew, position by position, so that the two share no idea.

    tests/golden/compare_mido.py [--midibert PROGRAM] [--jobs N] MANIFEST.tsv | FOLDER | FILE.mid ...

Every file must give the same tokens in the same order and cuts. Ends with one line of totals; exit status 1 on a difference.
"""
import argparse
import math
import multiprocessing
import os
import subprocess
import sys
from fractions import Fraction

import mido


def signature(numerator, denominator):
    while denominator > 64 and numerator % 2 == 0:
        numerator, denominator = numerator // 2, denominator // 2
    denominator = min(denominator, 64)
    while numerator > 2 * denominator:
        numerator //= next(d for d in range(2, numerator + 1) if numerator % d == 0)
    return numerator, denominator


def signature_id(numerator, denominator):
    return sum(2 * 2 ** k for k in range(denominator.bit_length() - 1)) + numerator - 1


def duration_id(length):
    if length >= 4080:
        return 127
    octave = int(math.log2(length / 16 + 1))
    return 16 * octave + (length - 16 * (2 ** octave - 1)) // 2 ** octave


def read(path):
    """Notes (start, end, pitch, velocity) and the maps by position, as mido reads them."""
    file = mido.MidiFile(path)

    def position(tick):
        return round(Fraction(tick * 16, file.ticks_per_beat))

    notes, signatures, tempos = [], [], []
    for track in file.tracks:
        tick, open_notes, track_notes = 0, {}, []
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity > 0:
                note = [tick, None, message.note, message.velocity]
                if message.channel != 9:
                    track_notes.append(note)
                open_notes.setdefault((message.channel, message.note), []).append(note)
            elif message.type in ("note_on", "note_off"):
                waiting = open_notes.get((message.channel, message.note))
                if waiting:
                    waiting.pop(0)[1] = tick
            elif message.type == "time_signature":
                signatures.append((tick, signature(message.numerator, message.denominator)))
            elif message.type == "set_tempo":
                tempos.append((tick, message.tempo))
        notes += [(position(a), position(tick if b is None else b), p, v) for a, b, p, v in track_notes]
    by_tick = lambda pair: pair[0]
    return (notes, {position(t): s for t, s in sorted(signatures, key=by_tick)},
            {position(t): s for t, s in sorted(tempos, key=by_tick)})


def tokens_of(path):
    notes, signatures, tempos = read(path)
    starts, lines = {}, []
    for note in notes:
        starts.setdefault(note[0], []).append(note)
    now, tempo, bar, in_bar, length = (4, 4), 35, 0, 0, 0
    for position in range(max(starts) + 1 if starts else 0):
        now = signatures.get(position, now)
        if position in tempos:
            bpm = min(max(6e7 / max(tempos[position], 1), 16), 256)
            tempo = round(12 * math.log2(bpm / 16))
        if position == 0 or in_bar == length:
            bar, in_bar, length = bar + (position > 0), 0, now[0] * 64 // now[1]
        for start, end, pitch, velocity in starts.get(position, []):
            lines.append((bar // 256, bar % 256, in_bar, 0, pitch, duration_id(end - start), velocity // 4, signature_id(*now), tempo))
        in_bar += 1
    return sorted(lines)


def compare(job):
    program, path = job
    run = subprocess.run([program, "tokenize", path], capture_output=True, text=True)
    if run.returncode:
        return 0, 0, "%s: exit status %d: %s" % (path, run.returncode, run.stderr.strip())
    ours, cut = [], 0
    for line in run.stdout.splitlines():
        if line:
            ours.append((cut,) + tuple(map(int, line.split())))
        else:
            cut += 1
    theirs = tokens_of(path)
    cuts = {number: i for i, number in enumerate(sorted({token[0] for token in theirs}))}
    theirs = [(cuts[token[0]],) + token[1:] for token in theirs]
    if len(ours) != len(theirs):
        return len(ours), len(theirs), "%s: %d notes, mido has %d" % (path, len(ours), len(theirs))
    for i, (a, b) in enumerate(zip(ours, theirs)):
        if a != b:
            return len(ours), len(theirs), "%s: token %d is %s, mido's reading gives %s" % (path, i, a, b)
    return len(ours), len(theirs), None


def files_of(argument):
    if os.path.isdir(argument):
        for folder, _, names in sorted(os.walk(argument)):
            yield from (os.path.join(folder, name) for name in sorted(names) if name.lower().endswith((".mid", ".midi")))
    elif argument.endswith(".tsv"):
        with open(argument, encoding="utf-8-sig", newline="") as manifest:
            for line in manifest.read().split("\n"):
                path = line.rstrip("\r").split("\t")[0]
                if path.strip():
                    yield os.path.join(os.path.dirname(argument), path)
    else:
        yield argument


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--midibert", default="build/midibert")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("where", nargs="+")
    options = parser.parse_args()
    jobs = [(options.midibert, path) for argument in options.where for path in files_of(argument)]
    ours = theirs = different = 0
    with multiprocessing.Pool(options.jobs) as pool:
        for our_count, their_count, problem in pool.imap(compare, jobs, chunksize=4):
            ours, theirs = ours + our_count, theirs + their_count
            if problem:
                different += 1
                print(problem)
    print("%d files, %d notes by midibert, %d by mido, %d files differ" % (len(jobs), ours, theirs, different))
    return 1 if different or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
