#!/usr/bin/python3
"""Measures what bf16 and int8 cost in accuracy, every head on the whole validation parts, and writes the tables of
docs/SPEED.md. Takes five to ten minutes a file; nothing else depends on how busy the machine is.

    scripts/backends.py DATA                                 the default, the full and the small weights
    scripts/backends.py DATA weights/default.safetensors     that file's table alone

DATA holds the corpora as docs/DATA.md describes them (pop909/valid.tsv and so on)."""
import datetime
import hashlib
import os
import subprocess
import sys

import card
import weights_file
from page import put, table

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
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


def measure(midibert, data, weights):
    metadata, answers, rows, worst = weights_file.read(weights)[0], {}, [], []
    for what, head, corpora, arguments, key in card.ROWS:
        if head not in metadata["heads"].split(","):
            continue
        labels = metadata[f"head.{arguments[1]}.labels"].split(",") if key else []
        for corpus in corpora.split():
            identity = (corpus, *arguments)
            if identity not in answers:
                print(os.path.basename(weights), *identity, file=sys.stderr, flush=True)
                answers[identity] = [card.evaluate(midibert, data, corpus, [*arguments, "--backend", backend], weights, "valid", labels)
                                     for backend in BACKENDS]
            lines, apart = figures_of(what, corpus, key, answers[identity])
            rows += lines
            worst += [(points, f"{lines[0][0]}, {corpus}, {backend}") for points, backend in zip(apart, OTHERS)]
    return rows, sorted(worst, reverse=True)


def tell(weights, rows, worst, commit):
    with open(weights, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    over = [f"{name} by {points:.2f}" for points, name in worst if points > ALLOWED]
    return (f"{os.path.basename(weights)}, sha256 {digest[:12]}..., commit {commit}, {datetime.date.today().isoformat()}. "
            f"Farthest from {REFERENCE}: {worst[0][1]}, by {worst[0][0]:.3f} points. "
            + ("More than the allowed " + str(ALLOWED) + ": " + "; ".join(over) + "." if over else f"None is {ALLOWED} points away.")
            + "\n\n" + table(["head", "corpus", "of", REFERENCE + ", %", *OTHERS], rows))


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    data, *files = sys.argv[1:]
    midibert = os.environ.get("MIDIBERT", f"{ROOT}/build/midibert")
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout.strip()
    for weights in files or [f"{ROOT}/weights/{name}.safetensors" for name in ("default", "full", "small")]:
        name = os.path.basename(weights).removesuffix(".safetensors")
        text = tell(weights, *measure(midibert, data, weights), commit)
        put(f"{ROOT}/docs/SPEED.md", f"backends-{name}", text)


if __name__ == "__main__":
    main()
