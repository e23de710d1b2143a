#!/usr/bin/env python3
"""Copies a corpus with MELODY, BRIDGE and PIANO in tracks of their own, each a tick behind the one before it: notes of one
onset then lie in the order of their tracks, as MidiBERT's data have them, and the order tells the label (docs/MODEL.md,
where it levels off). For that measurement alone: weights that learnt from such a copy know nothing of music that is played.

    scripts/track_order.py DATA/pop909_aligned DATA/pop909_track_order
"""
import os
import sys

TRACKS = ("MELODY", "BRIDGE", "PIANO")


def read_length(data, at):
    value = 0
    while True:
        value = value << 7 | data[at] & 0x7F
        at += 1
        if data[at - 1] < 0x80:
            return value, at


def write_length(value):
    parts = [value & 0x7F]
    while value > 0x7F:
        value >>= 7
        parts.append(value & 0x7F | 0x80)
    return bytes(reversed(parts))


def delayed(track):
    """One track's bytes, its first event as many ticks later as its name says."""
    for ticks, name in enumerate(TRACKS):
        text = name.encode()
        if b"\xff\x03" + bytes([len(text)]) + text in track:
            delta, at = read_length(track, 0)
            return write_length(delta + ticks) + track[at:]
    return track


def reordered(data):
    copy, at = data[:14], 14
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4:at + 8], "big")
        track = data[at + 8:at + 8 + size]
        if data[at:at + 4] == b"MTrk":
            track = delayed(track)
        copy += data[at:at + 4] + len(track).to_bytes(4, "big") + track
        at += 8 + size
    return copy


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    source, copy = sys.argv[1:]
    for manifest in ("train.tsv", "valid.tsv"):
        with open(os.path.join(source, manifest), encoding="utf-8") as file:
            lines = file.read().splitlines()
        for line in lines:
            path = os.path.join(copy, line.split("\t")[0])
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(os.path.join(source, line.split("\t")[0]), "rb") as file:
                data = file.read()
            with open(path, "wb") as file:
                file.write(reordered(data))
        with open(os.path.join(copy, manifest), "w", encoding="utf-8") as file:
            file.writelines(line + "\n" for line in lines)


main()
