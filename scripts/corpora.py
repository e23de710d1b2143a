"""Pieces of the corpora (docs/DATA.md), and `midibert eval` over some of them. $MIDIBERT: the program (build/midibert)."""
import contextlib
import hashlib
import json
import os
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def sha256(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def pieces(data, corpus, part="valid"):
    """The lines of a part's manifest, with whole paths."""
    folder = os.path.abspath(f"{data}/{corpus}")
    with open(f"{folder}/{part}.tsv", encoding="utf-8") as file:
        return [f"{folder}/{line}" for line in file.read().splitlines()]


def evaluate(manifests, arguments):
    """What `midibert eval --json` says of lists of pieces, a manifest each."""
    command = [os.environ.get("MIDIBERT", f"{ROOT}/build/midibert"), "eval", *arguments, "--json"]
    with contextlib.ExitStack() as stack:
        for lines in manifests:
            manifest = stack.enter_context(tempfile.NamedTemporaryFile("w", suffix=".tsv", encoding="utf-8"))
            manifest.write("".join(f"{line}\n" for line in lines))
            manifest.flush()
            command += ["--manifest", manifest.name]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
