#!/usr/bin/python3
"""Trains and compares what fine-tuning may know of a stream (docs/MODEL.md, the stream): each hardship of live playing left out
in turn, judged by `midibert eval --live` on valid as it is and on a rough copy of it.

    scripts/ablation_live.py --work FOLDER --pop909 FOLDER --pianist8 FOLDER [OPTION]...

The rough copy is made here, by a fixed seed: onsets moved by up to 20 ms, one note in fifty missing, one in fifty struck
twice, another keyboard's velocities. Otherwise as ablation.py, whose options it has; it needs python3-mido, too.
"""
import json
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import ablation  # noqa: E402
import mido  # noqa: E402

# Option of finetune: its value with everything on, and what it means.
HARDSHIPS = {
    "live": ("0.5", "what the stream does not know"),
    "disorder": ("0.5", "chords out of order"),
    "regrid": ("0.25", "a grid without the beat"),
    "stretch": ("0.1", "other tempos"),
    "jitter": ("15", "onsets moved"),
    "missing": ("0.02", "notes missing"),
    "doubled": ("0.02", "notes doubled"),
    "curves": ("0.3", "other keyboards"),
}


def options_of(names):
    settings = ["--lookahead", "4", "--mask", "0.05"]
    for name, (value, _) in HARDSHIPS.items():
        settings += ["--" + name, value if name in names else "0"]
    return settings


VARIANTS = {"files": ("finished files alone", None, options_of(())), "all": ("every hardship", None, options_of(HARDSHIPS))}
for left_out, (_, meaning) in HARDSHIPS.items():
    VARIANTS["no-" + left_out] = ("all but: " + meaning, None, options_of([name for name in HARDSHIPS if name != left_out]))


def roughen(source, target, chance):
    """A copy of a MIDI file as a hurried player on another keyboard would leave it."""
    midi = mido.MidiFile(source)
    second = midi.ticks_per_beat * 2  # near enough: 120 bpm
    bend = chance.uniform(0.7, 1.4)
    for track in midi.tracks:
        events, now, sounding = [], 0, {}
        for order, message in enumerate(track):
            now += message.time
            is_on = message.type == "note_on" and message.velocity > 0
            is_off = message.type == "note_off" or (message.type == "note_on" and not is_on)
            if not is_on and not is_off:
                events.append((now, order, message))
                continue
            key = (message.channel, message.note)
            if is_on:
                moved = max(0, now + round(second * chance.uniform(-0.02, 0.02)))
                kept = chance.random() >= 0.02
                sounding.setdefault(key, []).append((moved, kept))
                if kept:
                    velocity = min(127, max(1, round(127 * (message.velocity / 127) ** bend)))
                    events.append((moved, order, message.copy(velocity=velocity)))
                    if chance.random() < 0.02:
                        again = moved + round(second * 0.03)
                        events.append((again, order, mido.Message("note_off", channel=message.channel, note=message.note)))
                        events.append((again, order + 0.5, message.copy(velocity=velocity)))
            elif sounding.get(key):
                start, kept = sounding[key].pop(0)
                if kept:
                    events.append((max(now, start + round(second * 0.04)), order, message))
        events.sort(key=lambda event: (event[2].type == "end_of_track", event[0], event[1]))
        now = 0
        del track[:]
        for when, _, message in events:
            track.append(message.copy(time=max(0, when - now)))
            now = max(now, when)
    midi.save(target)


class LiveLab(ablation.Lab):
    variants = VARIANTS
    figures = ("melody at the note", "melody 8 notes later", "melody at the note, rough", "melody 8 notes later, rough",
               "velocity causal", "velocity causal, rough")

    def __init__(self, options):
        super().__init__(options)
        with open(self.path("pop909.valid.tsv"), encoding="utf-8") as file:
            lines = file.read().splitlines()
        chance, rough = random.Random(1), []
        for number, line in enumerate(lines):
            target = self.path("rough%d.mid" % number)
            roughen(line.split("\t")[0], target, chance)
            rough.append(os.path.abspath(target) + "\n")
        with open(self.path("rough.valid.tsv"), "w", encoding="utf-8") as file:
            file.write("".join(rough))

    def heads(self):
        return ["--manifest", "melody,velocity_causal=" + self.path("pop909.train.tsv"),
                "--manifest", "velocity_causal=" + self.path("pianist8.train.tsv"),
                "--valid", "melody,velocity_causal=" + self.path("pop909.valid.tsv"), "--mix", "melody=2,velocity_causal=1"]

    def hear(self, model, task, corpus):
        call = [self.options.midibert, "eval", "--live", "--task", task, "--manifest", self.path(corpus + ".valid.tsv"),
                "--model", model, "--json"] + (["--setting", "causal"] if task == "velocity" else [])
        return json.loads(subprocess.run(call, stdout=subprocess.PIPE, check=True).stdout)

    def evaluate(self, model):
        found = {}
        for corpus, suffix in (("pop909", ""), ("rough", ", rough")):
            melody = self.hear(model, "melody", corpus)["by_lookahead"]
            found["melody at the note" + suffix] = melody["0"]
            found["melody 8 notes later" + suffix] = melody["8"]
            found["velocity causal" + suffix] = self.hear(model, "velocity", corpus)["accuracy"]
        return found


def main():
    options = ablation.arguments(__doc__).parse_args()
    ablation.work(options, LiveLab(options))


main()
