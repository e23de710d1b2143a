#!/usr/bin/python3
"""Published PyTorch checkpoints of Adversarial-MidiBERT to weights files of midibert, and back.

Reads and writes state dictionaries (.pt, .pth, .ckpt) of the bare encoder, or of a fine-tuned network whose encoder is prefixed
with "midibert." and which has one note head (classifier) or sequence head (attention.ws1, attention.ws2, classifier). What
neither program uses is dropped and named on standard error. Needs python3-torch; nothing in the file is run."""
import argparse
import os
import pickle
import re
import sys

try:
    import numpy
    import torch
except ImportError as error:
    sys.exit("midibert convert: %s; Debian's python3-torch has what is needed" % error)

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import weights_file  # noqa: E402

UNUSED = (("bert.embeddings.word_embeddings.", "notes have their own eight tables"),
          ("bert.embeddings.position_embeddings.", "positions are relative"), ("bert.embeddings.position_ids", "counts positions"),
          ("bert.pooler.", "heads read hidden states"), ("attention_linear.", "the published code does not call it"))
PRETRAINING = (("mask_lm.", "fills in masked notes while pre-training"), ("linear.", "the masker's head of pre-training"))
LAYER = re.compile(r"bert\.encoder\.layer\.(\d+)\.")
SEQUENCE = ("attention.ws1.weight", "attention.ws2.weight", "classifier.0.weight", "classifier.0.bias", "classifier.2.weight",
            "classifier.2.bias")
VOCABULARY = (262, 134, 135, 262, 134, 38, 260, 55)


class Refused(Exception):
    pass


def load(path):
    """The state dictionary: name -> tensor. Wrappings that training scripts put around it are taken off."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise Refused("%s: not a file of tensors alone (save the state_dict() by itself): %s" % (path, error)) from error
    for key in ("state_dict", "model_state_dict"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not state or not all(isinstance(values, torch.Tensor) for values in state.values()):
        raise Refused("%s: not a state dictionary" % path)
    return {re.sub(r"^module\.", "", name): values for name, values in state.items()}


def encoder_names(layers):
    """Names of the tensors that the encoder uses, in the order of a weights file."""
    names = ["word_emb.%d.lut.weight" % i for i in range(len(VOCABULARY))]
    names += ["in_linear.weight", "in_linear.bias", "bert.embeddings.token_type_embeddings.weight",
              "bert.embeddings.LayerNorm.weight", "bert.embeddings.LayerNorm.bias"]
    for layer in range(layers):
        start = "bert.encoder.layer.%d." % layer
        names += [start + "attention.self.%s.%s" % (part, kind) for kind in ("weight", "bias")
                  for part in ("query", "key", "value")]
        names.append(start + "attention.self.distance_embedding.weight")
        for part in ("attention.output.dense", "attention.output.LayerNorm", "intermediate.dense", "output.dense",
                     "output.LayerNorm"):
            names += [start + part + ".weight", start + part + ".bias"]
    return names


def take(state, path, name):
    if name not in state:
        raise Refused("%s: tensor %s is missing" % (path, name))
    return state.pop(name).to(torch.float32).numpy()


def take_head(state, path, options, width, tensors, metadata):
    """The head's tensors, in our names."""
    found = "sequence" if "attention.ws1.weight" in state else "note" if "classifier.1.weight" in state else None
    if not options.head:
        if found:
            raise Refused("%s: has a %s head: say --head, --level and --labels" % (path, found))
        return
    if found != options.level:
        raise Refused("%s: has %s, not a head of level %s" % (path, "a head of level " + found if found else "no head", options.level))
    # With a dropout before the last layer that is number 4, without one number 3.
    last = "classifier.2" if found == "sequence" else "classifier.4" if "classifier.4.weight" in state else "classifier.3"
    names = SEQUENCE if found == "sequence" else ("classifier.1.weight", "classifier.1.bias", last + ".weight", last + ".bias")
    labels = options.labels.split(",")
    for name in names:
        numbers = take(state, path, name)
        if name.startswith(last):
            rows = options.rows if options.rows is not None else list(range(len(numbers)))
            if len(rows) != len(labels) or max(rows) >= len(numbers):
                raise Refused("%s: %s has %d classes; %d labels were given%s" % (path, name, len(numbers), len(labels), "" if (
                    options.rows is None) else " for rows %s" % ",".join(map(str, rows))))
            if name.endswith("weight") and len(rows) < len(numbers):
                print("dropped: %s, classes %s (not among --rows)" % (last, ",".join(
                    str(row) for row in range(len(numbers)) if row not in rows)), file=sys.stderr)
            numbers = numbers[rows]
        tensors[options.head + "." + name.replace("classifier.3", "classifier.4")] = numbers
    metadata.update({"heads": options.head, "head.%s.level" % options.head: found,
                     "head.%s.setting" % options.head: options.setting, "head.%s.labels" % options.head: options.labels,
                     "head.%s.temperature" % options.head: "1", "head.%s.unknown_below" % options.head: "0",
                     "head.%s.published_last" % options.head: last})


def drop(state, path, prefix):
    """What is left is known to be of no use, or refused."""
    reasons = {}
    for name in state:
        bare = name[len(prefix):] if name.startswith(prefix) else None
        reason = next((why for start, why in UNUSED if bare is not None and bare.startswith(start)), None)
        reason = reason or next((why for start, why in PRETRAINING if name.startswith(start)), None)
        if not reason:
            raise Refused("%s: tensor %s belongs to no network that is known here" % (path, name))
        reasons.setdefault(reason, []).append(name)
    for reason, names in reasons.items():
        print("dropped: %s (%s)" % (", ".join(names), reason), file=sys.stderr)


def to_weights(options):
    path, state = options.source, load(options.source)
    prefix = "midibert." if "midibert.in_linear.weight" in state else ""
    layers = 1 + max((int(found.group(1)) for found in map(LAYER.search, state) if found), default=-1)
    if layers < 1:
        raise Refused("%s: no tensor is called %sbert.encoder.layer.0...: is this the encoder?" % (path, prefix))
    tensors, metadata = {}, {"format_version": "1", "heads": ""}
    for name in encoder_names(layers):
        tensors["midibert." + name] = take(state, path, prefix + name)
    start = "midibert.bert.encoder.layer.0."
    distance = tensors[start + "attention.self.distance_embedding.weight"]
    inner, width = tensors[start + "intermediate.dense.weight"].shape
    sizes = tuple(len(tensors["midibert.word_emb.%d.lut.weight" % i]) for i in range(len(VOCABULARY)))
    if sizes != VOCABULARY:
        raise Refused("%s: vocabularies of %s; Octuple's here are %s" % (path, sizes, VOCABULARY))
    if width % distance.shape[1] or len(distance) % 2 == 0:
        raise Refused("%s: a distance table of %d x %d does not fit a width of %d" % (path, *distance.shape, width))
    take_head(state, path, options, width, tensors, metadata)
    drop(state, path, prefix)
    metadata.update({"layers": str(layers), "width": str(width), "inner": str(inner),
                     "attention_heads": str(width // distance.shape[1]), "span": str((len(distance) + 1) // 2),
                     "lookahead": "unlimited", "freeze": "0", "order": "sorted",
                     "recipe": "converted from the PyTorch checkpoint " + os.path.basename(path), "licence": options.licence})
    weights_file.write(options.out, metadata, tensors, "BF16" if options.bf16 else "F32")
    print("%s: %d layers of %d, span %d, %d numbers" % (options.out, layers, width, (len(distance) + 1) // 2,
                                                       sum(numbers.size for numbers in tensors.values())), file=sys.stderr)


def to_pytorch(options):
    path = options.source
    try:
        metadata, tensors = weights_file.read(path)
    except ValueError as error:
        raise Refused(str(error)) from error
    heads = [name for name in metadata.get("heads", "").split(",") if name]
    if options.head and options.head not in heads:
        raise Refused("%s: has no head %s, but: %s" % (path, options.head, ", ".join(heads) or "none"))
    if metadata.get("lookahead") != "unlimited" or metadata.get("order") != "sorted":
        print("note: look-ahead %s and order %s; the published code looks at everything, in sorted order" % (
            metadata.get("lookahead"), metadata.get("order")), file=sys.stderr)
    if "head.%s.texture" % options.head in metadata:
        print("dropped: texture of %s (no published network reads it): answers are the network's alone" % options.head,
              file=sys.stderr)
    state, last = {}, metadata.get("head.%s.published_last" % options.head, "classifier.4")
    for name, numbers in tensors.items():
        owner, rest = name.split(".", 1)
        if owner == "midibert":
            state[name if options.head else rest] = torch.from_numpy(numpy.array(numbers))
        elif owner == options.head and not rest.startswith(("familiar.", "texture.")):
            state[rest.replace("classifier.4", last)] = torch.from_numpy(numpy.array(numbers))
    torch.save(state, options.out)
    print("%s: %d tensors; what the published code has and never uses is not among them: load_state_dict(..., strict=False)" % (
        options.out, len(state)), file=sys.stderr)


def row_list(text):
    rows = [int(word) for word in text.split(",")]
    if min(rows) < 0 or len(set(rows)) < len(rows):
        raise ValueError
    return rows


def main():
    parser = argparse.ArgumentParser(prog="midibert convert", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ways = parser.add_subparsers(dest="way", required=True)
    there = ways.add_parser("to-weights", help="from a state dictionary to a weights file",
                            description="Look-ahead unlimited, order sorted, freeze 0, as published networks expect; sizes are read "
                            "off the tensors. Without --head the encoder alone is taken.")
    there.add_argument("source", metavar="CHECKPOINT")
    there.add_argument("out", metavar="OUT.safetensors")
    there.add_argument("--head", metavar="NAME", help="what the head is called: melody, velocity_hidden, style_NAME, emotion ...")
    there.add_argument("--level", choices=("note", "sequence"), help="what the head judges")
    there.add_argument("--labels", metavar="A,B,...", help="names of its classes")
    there.add_argument("--rows", metavar="I,J,...", type=row_list, help="the outputs these labels name, counted from 0 (all); "
                       "published note heads have outputs for padding")
    there.add_argument("--setting", choices=("played", "hidden"), default="played",
                       help="hidden: it must not see velocities (played)")
    there.add_argument("--licence", metavar="TEXT", default="unknown: ask where the checkpoint was published")
    there.add_argument("--bf16", action="store_true", help="store half as many bytes, rounded")
    back = ways.add_parser("to-pytorch", help="from a weights file to a state dictionary")
    back.add_argument("source", metavar="WEIGHTS.safetensors")
    back.add_argument("out", metavar="OUT.pt")
    back.add_argument("--head", metavar="NAME", help="write a fine-tuned network with this head; without: the bare encoder")
    options = parser.parse_args()
    if options.way == "to-weights":
        if options.head and not (options.level and options.labels):
            parser.error("--head wants --level and --labels")
        if not options.head and (options.level or options.labels or options.rows):
            parser.error("--level, --labels and --rows want --head")
        if options.head and not re.fullmatch("[a-z0-9_]{1,31}", options.head):
            parser.error("--head: a name is of a-z, 0-9 and _")
    try:
        (to_weights if options.way == "to-weights" else to_pytorch)(options)
    except (Refused, OSError) as error:
        print("midibert convert: %s" % error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
