#!/usr/bin/python3
"""What the heads know in the stream, and what the beat is worth to them: `midibert eval --live` on every grid, into docs/BEAT.md.

    scripts/live.py DATA --state FILE [--every N] [--kept] [--write docs/BEAT.md]

DATA holds the corpora as docs/DATA.md describes them (pop909/valid.tsv and so on). Of a validation part every N-th piece is
played, by default the share beside each row below; --every 1: all of them. Figures are kept in FILE, so that what was ended goes
on, and are measured anew where the weights, the beat tracker's or the share are others; --kept: only those are shown that are
there. $MIDIBERT: the program (build/midibert).
"""
import argparse
import json
import os
import sys

import corpora
from corpora import ROOT
from page import put

GRIDS = [("fixed", "steady 120 bpm"), ("tracker", "heard in the notes"), ("file", "the file's own")]
CAUSAL = ["--task", "velocity", "--setting", "causal"]
ROWS = [
    # what, weights, corpus, every, arguments, baseline
    ("velocity causal", "full", "asap", 10, CAUSAL, "causal_blend"),
    ("style", "default", "pianist8", 2, ["--task", "style_pianist8"], "naive_bayes"),
    ("velocity causal", "default", "pianist8", 4, CAUSAL, "causal_blend"),
    ("melody", "default", "pop909", 5, ["--task", "melody"], "skyline"),
    ("velocity causal", "default", "pop909", 5, CAUSAL, "causal_blend"),
]


def percent(value):
    return f"{100 * value:.1f}"


def evaluate(data, corpus, every, weights, grid, arguments):
    answer = corpora.evaluate([corpora.pieces(data, corpus)[::every]], ["--live", "--grid", grid, *arguments, "--train",
                                                                        f"{data}/{corpus}/train.tsv", "--model", weights])
    answer.pop("confusion", None)
    return answer


def cells(answer, baseline):
    """At the note, eight notes later, in the end with its interval, the baseline, how much it was asked."""
    low, high = answer["interval"]
    final = f"{percent(answer['accuracy'])} ({percent(low)}-{percent(high)})"
    rival = answer["baselines"].get(baseline)
    rival = f"{baseline.replace('_', ' ')} {percent(rival['accuracy'])}" if rival else ""
    if "by_lookahead" not in answer:
        piece = answer["piece"]
        final = f"{percent(piece['accuracy'])} ({percent(piece['interval'][0])}-{percent(piece['interval'][1])})"
        answers = f"{percent(answer['window']['accuracy'])} of {answer['window']['count']} answers"
        return ["", "", f"{final}, {answers}", rival, f"{answer['files']} pieces"]
    ahead = answer["by_lookahead"]
    asked = f"{answer['files']} pieces, {answer['count']} notes"
    if "mae" in answer:  # a causal label is final at once
        return ["", "", f"{final}, mean error {answer['mae']:.2f}", rival, asked]
    return [percent(ahead["0"]), percent(ahead["8"]), final, rival, asked]


def page(figures):
    lines = ["| | Grid | at the note | 8 notes later | final | baseline | valid |", "|---|---|---|---|---|---|---|"]
    for index, (what, weights, corpus, _, _, baseline) in enumerate(ROWS):
        for grid, meaning in GRIDS:
            answer = figures.get((index, grid))
            if answer:
                lines.append("| " + " | ".join([f"{what}, {corpus} ({weights})", f"{meaning} (`{grid}`)", *cells(answer, baseline)]) + " |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--state", required=True)
    parser.add_argument("--every", type=int)
    parser.add_argument("--kept", action="store_true")
    parser.add_argument("--write")
    options = parser.parse_args()
    state, figures = {}, {}
    if os.path.exists(options.state):
        with open(options.state, encoding="utf-8") as file:
            state = json.load(file)
    for index, (what, name, corpus, every, arguments, _) in enumerate(ROWS):
        weights, every = f"{ROOT}/weights/{name}.safetensors", options.every or every
        hashes = corpora.sha256(weights)[:16], corpora.sha256(weights.replace(".safetensors", ".beat.safetensors"))[:16]
        for grid, _ in GRIDS:
            key = " ".join([corpus, *arguments, grid, f"1/{every}", hashes[0], *([hashes[1]] if grid == "tracker" else [])])
            if options.kept and key not in state:
                continue
            if key not in state:
                print(f"{what}, {corpus}, {grid}", file=sys.stderr, flush=True)
                state[key] = evaluate(options.data, corpus, every, weights, grid, arguments)
                with open(options.state + ".new", "w", encoding="utf-8") as file:
                    json.dump(state, file, indent=1)
                os.replace(options.state + ".new", options.state)
            figures[index, grid] = state[key]
            if options.write:
                put(options.write, "live", page(figures))
    print(page(figures))


main()
