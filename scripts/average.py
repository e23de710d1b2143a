#!/usr/bin/env python3
"""Averages the numbers of weights files of one shape: of checkpoints of one training, a slightly better network than either.

    scripts/average.py A.safetensors B.safetensors... OUT.safetensors

Metadata (calibration, recipe) is that of the first file. Stored as bf16. Needs python3-numpy."""
import sys

import weights_file


def main():
    if len(sys.argv) < 4 or sys.argv[1].startswith("-"):
        sys.exit(__doc__)
    *names, out = sys.argv[1:]
    files = [weights_file.read(name) for name in names]
    metadata, first = files[0]
    for name, (_, tensors) in zip(names, files):
        if {key: value.shape for key, value in tensors.items()} != {key: value.shape for key, value in first.items()}:
            sys.exit(f"{name}: not the tensors of {names[0]}")
    average = {key: sum(tensors[key] for _, tensors in files) / len(files) for key in first}
    metadata = dict(metadata, recipe=metadata.get("recipe", "") + f", averaged with {len(files) - 1} later")
    weights_file.write(out, metadata, average, "BF16")


if __name__ == "__main__":
    try:
        main()
    except (OSError, ValueError) as error:
        sys.exit(str(error))
