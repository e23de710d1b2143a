#!/usr/bin/python3
"""Measures what bf16 and int8 cost in accuracy, every head on the whole validation parts, and writes the tables of
docs/SPEED.md. Takes five to ten minutes a file on an idle core; only that depends on what else the machine does.

    scripts/backends.py DATA                                 the default, the full and the small weights
    scripts/backends.py DATA weights/default.safetensors     that file's table alone
    scripts/backends.py --keep FIGURES.json DATA ...         goes on where it was interrupted

DATA holds the corpora as docs/DATA.md describes them (pop909/valid.tsv and so on). MIDIBERT names another program than
build/midibert."""
import argparse
import datetime
import json
import os
import subprocess
import sys

import card
import weights_file
from corpora import ROOT, sha256
from page import put, table

REFERENCE, *OTHERS = BACKENDS = ("openblas", "bf16", "int8")
ALLOWED = 0.2  # points


def figures_of(what, corpus, key, answers):
    """Rows of a table, what of how many in percent by backend; and how far the others are from the reference."""
    parts = [answer[key] if key else answer for answer in answers]
    unit = {"window": "windows", "piece": "pieces"}.get(key, "notes")
    values = [100 * part["accuracy"] for part in parts]
    apart = [abs(value - values[0]) for value in values[1:]]
    rows = [[what.split(",")[0] if not key else what, corpus, f"{parts[0]['count']} {unit}", f"{values[0]:.3f}",
             *(f"{value:.3f} ({value - values[0]:+.3f})" for value in values[1:])]]
    if "mae" in answers[0]:
        errors = [answer["mae"] for answer in answers]
        rows.append(["its mean absolute error", "", "", f"{errors[0]:.4f}", *(f"{error:.4f} ({error - errors[0]:+.4f})" for error in errors[1:])])
    return rows, apart


def figures(answer):
    """What the tables need of an answer of eval."""
    parts = {key: {"accuracy": answer[key]["accuracy"], "count": answer[key]["count"]} for key in ("window", "piece") if key in answer}
    return parts | {key: answer[key] for key in ("accuracy", "count", "mae") if key in answer}


class Kept:
    """Answers, in a file if there is to be one."""

    def __init__(self, path):
        self.path, self.answers = path, {}
        if path and os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                self.answers = json.load(file)

    def get(self, identity, measure):
        if identity not in self.answers:
            print(identity, file=sys.stderr, flush=True)
            self.answers[identity] = figures(measure())
            if self.path:
                with open(self.path, "w", encoding="utf-8") as file:
                    json.dump(self.answers, file, indent=1)
        return self.answers[identity]


def measure(kept, data, weights, digest):
    metadata, rows, worst = weights_file.read(weights)[0], [], []
    for what, head, corpora, arguments, key in card.ROWS:
        if head not in metadata["heads"].split(","):
            continue
        labels = metadata[f"head.{arguments[1]}.labels"].split(",") if key else []
        for corpus in corpora.split():
            answers = [kept.get(" ".join([digest[:12], backend, corpus, *arguments]),
                                lambda b=backend, c=corpus: card.evaluate(data, c, [*arguments, "--backend", b], weights, "valid", labels))
                       for backend in BACKENDS]
            lines, apart = figures_of(what, corpus, key, answers)
            rows += lines
            worst += [(points, f"{lines[0][0]}, {corpus}, {backend}") for points, backend in zip(apart, OTHERS)]
    return rows, sorted(worst, reverse=True)


def tell(weights, digest, rows, worst, commit):
    over = [f"{name} by {points:.2f}" for points, name in worst if points > ALLOWED]
    return (f"{os.path.basename(weights)}, sha256 {digest[:12]}..., commit {commit}, {datetime.date.today().isoformat()}. "
            f"Farthest from {REFERENCE}: {worst[0][1]}, by {worst[0][0]:.3f} points. "
            + ("More than the allowed " + str(ALLOWED) + ": " + "; ".join(over) + "." if over else f"None is {ALLOWED} points away.")
            + "\n\n" + table(["head", "corpus", "of", REFERENCE + ", %", *OTHERS], rows))


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--keep")
    parser.add_argument("data")
    parser.add_argument("weights", nargs="*", default=[f"{ROOT}/weights/{name}.safetensors" for name in ("default", "full", "small")])
    arguments = parser.parse_args()
    kept = Kept(arguments.keep)
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    for weights in arguments.weights:
        digest = sha256(weights)
        text = tell(weights, digest, *measure(kept, arguments.data, weights, digest), commit)
        put(f"{ROOT}/docs/SPEED.md", "backends-" + os.path.basename(weights).removesuffix(".safetensors"), text)


if __name__ == "__main__":
    main()
