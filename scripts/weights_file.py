"""Weights files (safetensors, docs/MODEL.md) for Python: read and write with numpy alone."""
import json
import os
import struct

import numpy

NUMBERS = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}


def read(path):
    """Returns (metadata, {name: float32 array}). ValueError says what is wrong with the file."""
    with open(path, "rb") as file:
        data = file.read()
    if len(data) < 8 or struct.unpack("<Q", data[:8])[0] > len(data) - 8:
        raise ValueError("%s: byte 0: the header's length does not fit the file" % path)
    end = 8 + struct.unpack("<Q", data[:8])[0]
    try:
        header = json.loads(data[8:end])
        metadata = header.pop("__metadata__", {})
        tensors = {}
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            numbers = numpy.frombuffer(data[end + first:end + last], NUMBERS[entry["dtype"]])
            if entry["dtype"] == "BF16":
                numbers = (numbers.astype("<u4") << 16).view("<f4")
            tensors[name] = numbers.astype("<f4").reshape(entry["shape"])
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError("%s: not a weights file: %s" % (path, error)) from error
    return metadata, tensors


def rounded(numbers):
    """The upper halves of float32 numbers, rounded to nearest, ties to even: bf16."""
    bits = numpy.ascontiguousarray(numbers, "<f4").view("<u4")
    return ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype("<u2")


def write(path, metadata, tensors, dtype="F32"):
    """Writes beside and renames. dtype: F32 or BF16."""
    header, at = {"__metadata__": metadata}, 0
    for name, numbers in tensors.items():
        size = numbers.size * (4 if dtype == "F32" else 2)
        header[name] = {"dtype": dtype, "shape": list(numbers.shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path + ".part", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for numbers in tensors.values():
            file.write(rounded(numbers).tobytes() if dtype == "BF16" else numpy.ascontiguousarray(numbers, "<f4").tobytes())
    os.replace(path + ".part", path)
