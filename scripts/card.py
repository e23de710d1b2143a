#!/usr/bin/env python3
"""Writes the card of a weights file: its recipe, its hash, and what `midibert eval` says of it on the validation parts.

    scripts/card.py DATA weights/default.safetensors > weights/default.card.md
    scripts/card.py DATA weights/default.safetensors style_pianist8 emotion > new.card.md

With names of heads only their rows are measured again; the others are those of the card that is there.

DATA holds the corpora as docs/DATA.md describes them (pop909/valid.tsv and so on). The recipe (what it was trained on, by
which commands) is text beside the weights: default.recipe.md."""
import os
import sys

import corpora
import weights_file

TRAIN_PIECES = 86  # about as many as are validated on

VELOCITY = ["--task", "velocity", "--setting"]
ROWS = [
    # what, the head that it needs, corpora, arguments, which part of the answer
    ("melody, 3 classes", "melody", "pop909 pop909_aligned", ["--task", "melody"], None),
    ("velocity hidden, 6 classes", "velocity_hidden", "pop909 pop909_aligned pianist8", VELOCITY + ["hidden"], None),
    ("velocity causal, 6 classes", "velocity_causal", "pop909 pop909_aligned pianist8", VELOCITY + ["causal"], None),
    ("velocity hidden, 6 classes", "style_asap", "asap", VELOCITY + ["hidden"], None),
    ("velocity causal, 6 classes", "style_asap", "asap", VELOCITY + ["causal"], None),
    ("style, 8 pianists, by window", "style_pianist8", "pianist8", ["--task", "style_pianist8"], "window"),
    ("style, 8 pianists, by piece", "style_pianist8", "pianist8", ["--task", "style_pianist8"], "piece"),
    ("style, 10 composers, by window", "style_asap", "asap", ["--task", "style_asap"], "window"),
    ("style, 10 composers, by piece", "style_asap", "asap", ["--task", "style_asap"], "piece"),
    ("emotion, 4 quadrants, by clip", "emotion", "emopia", ["--task", "emotion"], "piece"),
]


def percent(value):
    return f"{100 * value:.1f}"


def evaluate(data, corpus, arguments, weights, part, labels):
    """labels: of a sequence head, those it knows; pieces of others are left out."""
    pieces = [line for line in corpora.pieces(data, corpus, part) if not labels or line.split("\t")[1] in labels]
    # of the training part every n-th piece will do: it is there to show how much was learnt by heart
    step = max(1, len(pieces) // TRAIN_PIECES) if part == "train" else 1
    return corpora.evaluate([pieces[::step]], [*arguments, "--train", f"{data}/{corpus}/train.tsv", "--model", weights])


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


def calibration(figures):
    """Few answers look wrongly calibrated by chance: sequence heads have few."""
    chance = f" (by chance {percent(figures['ece_chance'])}, up to {percent(figures['ece_chance_95'])})"
    return percent(figures["ece_adaptive"] if figures["count"] < 10000 else figures["ece"]) + (chance if figures["count"] < 10000 else "")


def of_card(card, what, corpus):
    """The row and the confusion of a card that is there."""
    row = next(line for line in card.splitlines() if line.startswith(f"| {what} | {corpus} |"))
    title = f"### {what.split(',')[0]}, {corpus}\n"
    return row, title + card.split(title)[1].split("###")[0].rstrip()


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    data, weights, *measured = sys.argv[1:]
    card = ""
    if measured:
        with open(weights.replace(".safetensors", ".card.md"), encoding="utf-8") as file:
            card = file.read()
    digest = corpora.sha256(weights)
    with open(weights.replace(".safetensors", ".recipe.md"), encoding="utf-8") as file:
        recipe = file.read().rstrip()
    metadata = weights_file.read(weights)[0]
    answers, table, tables = {}, [], []
    for what, head, corpus, arguments, key in [(*row[:2], corpus, *row[3:]) for row in ROWS for corpus in row[2].split()]:
        if head not in metadata["heads"].split(","):
            continue
        identity = (corpus, *arguments)
        if measured and (head not in measured or not key):
            row, confused = of_card(card, what, corpus)
            table.append(row)
            tables += [] if confused in tables else [confused]
            continue
        labels = metadata[f"head.{arguments[1]}.labels"].split(",") if key else []
        if identity not in answers:
            answers[identity] = (evaluate(data, corpus, arguments, weights, "valid", labels),
                                 evaluate(data, corpus, arguments, weights, "train", labels))
            tables.append(f"### {what.split(',')[0]}, {corpus}\n\n{confusion(answers[identity][0])}")
        answer, train = answers[identity]
        figures, train_figures = (answer[key], train[key]) if key else (answer, train)
        low, high = figures["interval"]
        extra = f", mean error {answer['mae']:.1f}" if "mae" in answer else ""
        table.append(f"| {what} | {corpus} | {percent(figures['accuracy'])} ({percent(low)}-{percent(high)}) | "
                     f"{percent(figures['macro_f1'])} | {calibration(figures)} | {percent(train_figures['accuracy'])} | "
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
