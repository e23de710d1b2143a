#!/usr/bin/python3
"""How much of what they were not trained on the weights call unknown: `midibert eval --task unknown`, into docs/MODEL.md.

    scripts/unknown.py DATA [--write docs/MODEL.md] [WEIGHTS...]

DATA holds the corpora as docs/DATA.md describes them (pop909/valid.tsv and so on). Without WEIGHTS all three that are shipped.
One run has the corpora that are familiar to one head or another, and odd inputs; one more each of the corpora says what is made of it
by the heads to which it is other music. Of a corpus every N-th piece is played. $MIDIBERT: the program (build/midibert).
"""
import argparse
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import corpora
from corpora import ROOT
from page import put, table

EVERY = {"pop909": 2, "pianist8": 1, "asap": 5, "emopia": 6, "pop1k7": 4}
NAMES = {"pop909": "POP909", "pianist8": "Pianist8", "asap": "ASAP", "emopia": "EMOPIA", "pop1k7": "Pop1K7"}
TAUGHT = {"melody": "pop909", "style_pianist8": "pianist8", "emotion": "emopia"}
KINDS = ["drums", "random", "repeated", "chromatic", "cat", "sparse"]


def evaluate(data, weights, heard):
    """The heads' figures on some corpora together and on odd inputs."""
    manifests = [corpora.pieces(data, corpus)[::EVERY[corpus]] for corpus in heard]
    return corpora.evaluate(manifests, ["--task", "unknown", "--model", weights])["heads"]


def row(head, heard, figures):
    cells = [head, heard, str(figures["passages"]), f"{100 * figures['unknown']:.1f}", f"{100 * figures['confidence']:.1f}"]
    cells += [f"{figures[key]:.3f}" if figures.get(key) is not None else "" for key in ("auroc", "auroc_confidence")]
    return cells


def figures(pool, data, weights):
    alone = {corpus: pool.submit(evaluate, data, weights, [corpus]) for corpus in EVERY}
    together = pool.submit(evaluate, data, weights, list(TAUGHT.values())).result()
    rows = []
    for head, found in together.items():
        rows.append(row(head, "familiar", found["familiar"]))
        for corpus, run in alone.items():
            if corpus != TAUGHT[head]:
                rows.append(row(head, NAMES[corpus], run.result()[head]["other"]))
        rows += [row(head, kind, found[kind]) for kind in KINDS]
    head = ["Head", "Heard", "Passages", "% unknown", "Confidence", "AUROC", "AUROC of confidence"]
    return f"{os.path.basename(weights)}, sha256 {corpora.sha256(weights)[:12]}...:\n\n" + table(head, rows)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("weights", nargs="*")
    parser.add_argument("--write")
    options = parser.parse_args()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for weights in options.weights or [f"{ROOT}/weights/{name}.safetensors" for name in ("default", "full", "small")]:
            text = figures(pool, options.data, weights)
            print(text + "\n", flush=True)
            if options.write:
                put(options.write, "unknown-" + os.path.basename(weights).split(".")[0], text)


if __name__ == "__main__":
    sys.exit(main())
