#!/usr/bin/python3
"""Draws the logs of `midibert pretrain` (OUT.log) as one SVG: accuracy by attribute on valid, then what the masker does.

    scripts/plot-log.py RUN.safetensors.log [MORE.log...] >curves.svg
"""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import chart  # noqa: E402

ATTRIBUTES = ("bar", "position", "instrument", "pitch", "duration", "velocity", "timesig", "tempo")
WIDTH, HEIGHT, LEFT, TOP, ACROSS = 230, 130, 60, 50, 4


def read(path):
    """The reports of a log; of steps that a resumed run reported again, the last."""
    steps = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            if line.strip():
                report = json.loads(line)
                steps[report["step"]] = report
    return [steps[step] for step in sorted(steps)]


def panels(logs):
    """(title, [(colour, points)]) for each panel."""
    for name in ATTRIBUTES:
        yield name + ", valid", [(i, [(r["step"], r["valid"][name]["accuracy"]) for r in log if "valid" in r])
                                 for i, log in enumerate(logs)]
    for name in ("pitch", "velocity"):
        yield name + ", of what is masked", [(i, [(r["step"], r["train"][name]["accuracy"]) for r in log])
                                             for i, log in enumerate(logs)]
    yield "masker, right of its targets", [(i, [(r["step"], r["train"]["masker"]["accuracy"]) for r in log
                                               if "masker" in r["train"]]) for i, log in enumerate(logs)]
    yield "share frozen", [(i, [(r["step"], r["frozen"]) for r in log]) for i, log in enumerate(logs)]


def main():
    paths = sys.argv[1:]
    if not paths or paths[0].startswith("-"):
        sys.exit(__doc__)
    logs = [read(path) for path in paths]
    parts = [chart.text(LEFT + 250 * i, 18, os.path.basename(path), 12, colour=chart.COLOURS[i % len(chart.COLOURS)])
             for i, path in enumerate(paths)]
    count = 0
    for count, (title, series) in enumerate(panels(logs), 1):
        column, row = (count - 1) % ACROSS, (count - 1) // ACROSS
        parts += chart.lines(LEFT + column * (WIDTH + LEFT), TOP + row * (HEIGHT + 45), WIDTH, HEIGHT, title, series)
    rows = (count + ACROSS - 1) // ACROSS
    sys.stdout.write(chart.page(ACROSS * (WIDTH + LEFT) + 20, TOP + rows * (HEIGHT + 45), parts))


main()
