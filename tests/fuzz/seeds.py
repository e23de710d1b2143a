#!/usr/bin/python3
"""Writes the seeds of fuzz_smf, fuzz_live and fuzz_manifest below tests/fuzz/corpus; run it after a change and commit both."""
import glob
import os
import sys

os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../.."))
sys.path.insert(0, "tests/support")
import midi  # noqa: E402

LIVE = {
    "notes": "90 3c 40 3e 41 3c 00 80 3e 40 c0 05 d0 10 e0 00 40 b0 40 7f a0 3c 01",
    "real_time": "90 f8 3c fe 40 fa fc ff 3e f8 41",
    "sysex": "90 3c 40 f0 43 10 f8 4c 00 f7 3c 40 f0 01 02 90 3c 40",
    "system": "f1 10 f2 01 02 f3 05 f6 f4 f5 f7 f9 fd 01 02 90 3c 91 3c 40",
}
MANIFEST = {
    "plain": b"a.mid\nb/c.mid\n",
    "labels": b"\xef\xbb\xbfa.mid\tQ1\r\n\r\nit\xe2\x80\x99s.mid\tQ2\r\n",
    "note_labels": b"\xef\xbb\xbf1\ta\r\n\n20\tb\n7\ta",
    "bad": b"\tx\na\tb\tc\n\0\n/abs.mid\t\n   \nlast",
}


def write(name, seed, data):
    folder = os.path.join("tests/fuzz/corpus", name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, seed), "wb") as file:
        file.write(data)


for case in glob.glob("tests/golden/tokens/*.txt"):
    with open(case) as file:
        lines = file.read().split("\ntokens")[0].splitlines()
    write("smf", os.path.splitext(os.path.basename(case))[0], midi.midi_file(lines))
write("smf", "odd", midi.midi_file([
    "format 1", "division 0xe364", "track", "0 name MELODY", "0 raw ff 7f 02 00 00", "0 raw f7 02 01 02", "5 pedal 127", "9 raw c0 05",
    "9 signature 255 32768", "9 signature 0 1", "track", "0 on 60 64", "5 on 60 65", "9 off 60"]))
for name, text in LIVE.items():
    write("live", name, bytes.fromhex(text))
for name, data in MANIFEST.items():
    write("manifest", name, data)
