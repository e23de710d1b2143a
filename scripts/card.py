#!/usr/bin/env python3
"""Writes the card of a weights file: its recipe, its hash, and what `midibert eval` says of it on the validation parts.

    scripts/card.py DATA weights/default.safetensors > weights/default.card.md

DATA holds the corpora as docs/DATA.md describes them (pop909/valid.tsv and so on). The recipe (what it was trained on, by
which commands) is text beside the weights: default.recipe.md."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

TRAIN_PIECES = 86  # about as many as are validated on

ROWS = [
    # what, corpus, arguments, which part of the answer
    ("melody, 3 classes", "pop909", ["--task", "melody"], None),
    ("melody, 3 classes", "pop909_aligned", ["--task", "melody"], None),
    ("velocity hidden, 6 classes", "pop909", ["--task", "velocity", "--setting", "hidden"], None),
    ("velocity hidden, 6 classes", "pop909_aligned", ["--task", "velocity", "--setting", "hidden"], None),
    ("velocity hidden, 6 classes", "pianist8", ["--task", "velocity", "--setting", "hidden"], None),
    ("style, 8 pianists, by window", "pianist8", ["--task", "style"], "window"),
    ("style, 8 pianists, by piece", "pianist8", ["--task", "style"], "piece"),
]


def percent(value):
    return f"{100 * value:.1f}"


def evaluate(midibert, data, corpus, arguments, weights, part):
    folder = os.path.abspath(f"{data}/{corpus}")
    with tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8") as manifest:
        with open(f"{folder}/{part}.tsv", encoding="utf-8") as lines:
            pieces = lines.read().splitlines()
        # of the training part every n-th piece will do: it is there to show how much was learnt by heart
        step = max(1, len(pieces) // TRAIN_PIECES) if part == "train" else 1
        manifest.write("".join(f"{folder}/{piece}\n" for piece in pieces[::step]))
        manifest.flush()
        command = [midibert, "eval", *arguments, "--manifest", manifest.name, "--train", f"{folder}/train.tsv", "--model",
                   weights, "--json"]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def baselines(answer, key):
    if key == "window":  # the tool's baselines are by piece
        return ""
    return ", ".join(f"{name.replace('_', ' ')} {percent(figures['accuracy'])}" for name, figures in answer["baselines"].items())


def confusion(answer):
    labels = answer["labels"]
    lines = ["| true \\ said | " + " | ".join(labels) + " |", "|---" * (len(labels) + 1) + "|"]
    for label, row in zip(labels, answer["confusion"]):
        lines.append(f"| {label} | " + " | ".join(str(count) for count in row) + " |")
    return "\n".join(lines)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    data, weights = sys.argv[1:]
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    midibert = os.environ.get("MIDIBERT", f"{here}/build/midibert")
    with open(weights, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    with open(weights.replace(".safetensors", ".recipe.md"), encoding="utf-8") as file:
        recipe = file.read().rstrip()
    answers, table, tables = {}, [], []
    for what, corpus, arguments, key in ROWS:
        identity = (corpus, arguments[1])
        if identity not in answers:
            answers[identity] = (evaluate(midibert, data, corpus, arguments, weights, "valid"),
                                 evaluate(midibert, data, corpus, arguments, weights, "train"))
            tables.append(f"### {what.split(',')[0]}, {corpus}\n\n{confusion(answers[identity][0])}")
        answer, train = answers[identity]
        figures, train_figures = (answer[key], train[key]) if key else (answer, train)
        low, high = figures["interval"]
        extra = f", mean error {answer['mae']:.1f}" if "mae" in answer else ""
        table.append(f"| {what} | {corpus} | {percent(figures['accuracy'])} ({percent(low)}-{percent(high)}) | "
                     f"{percent(figures['macro_f1'])} | {percent(answer['ece'])} | {percent(train_figures['accuracy'])} | "
                     f"{baselines(answer, key)}{extra} |")
    print(recipe)
    print(f"\nsha256 of {os.path.basename(weights)}: `{digest}`\n")
    print("## Figures\n\nAccuracy in percent on the validation parts, with 95 % bootstrap intervals by piece, by")
    print(f"`scripts/card.py DATA {weights}`, which calls `midibert eval`.\n")
    print("<!-- numbers:begin -->")
    print("| Task | Corpus | Accuracy (interval) | Macro-F1 | Calibration error | On training part | Beside it |")
    print("|---|---|---|---|---|---|---|")
    print("\n".join(table))
    print("<!-- numbers:end -->\n")
    print("## Confusion, validation parts\n\n" + "\n\n".join(tables))


if __name__ == "__main__":
    main()
