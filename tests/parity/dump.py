"""What tests/support/parity_dump.c reads and writes, from Python: sequences as text, states and gradients as tensors."""
import os
import subprocess
import sys

import torch

import reference

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "scripts"))
import weights_file  # noqa: E402


class Sequence:
    """tokens [T][8], limit [T], weights [heads], classes [heads] of sequence heads, labels [T][heads] of note heads; -1: not
    asked. predictors [T / 2][12] of a causal sequence, whose labels are those of the first half; else None."""

    def __init__(self, tokens, limit, weights, classes, labels, predictors=None):
        self.tokens, self.limit, self.weights, self.classes, self.labels = tokens, limit, weights, classes, labels
        self.predictors = predictors

    def text(self):
        rows = torch.cat([self.tokens, self.limit[:, None], self.labels], dim=1).tolist()
        more = [] if self.predictors is None else self.predictors.tolist()
        first = [len(rows), len(more)] + ["%.9g" % weight for weight in self.weights] + self.classes.tolist()
        more = [["%.9g" % number for number in row] for row in more]
        return "\n".join(" ".join(map(str, row)) for row in [first] + rows + more) + "\n"


def parse(text, heads):
    """The sequences of a text."""
    lines, found, at = [line.split() for line in text.splitlines()], [], 0
    while at < len(lines):
        first, count, more = lines[at], int(lines[at][0]), int(lines[at][1])
        end = at + 1 + count
        predictors = torch.tensor([[float(word) for word in line] for line in lines[end:end + more]]) if more else None
        rows = torch.tensor([[int(word) for word in line] for line in lines[at + 1:at + 1 + count]])
        found.append(Sequence(rows[:, :8], rows[:, 8], [float(word) for word in first[2:2 + heads]],
                              torch.tensor([int(word) for word in first[2 + heads:]]), rows[:, 9:], predictors))
        at = end + more
    return found


def draw(metadata, count, generator, cuts=(), causal=False):
    """A sequence of random ids, special ones included, and random labels for every head. Rows up to a cut do not see past it.
    causal: of count / 2 notes."""
    def integers(low, high, *shape):
        return torch.randint(low, high, shape, generator=generator)

    bound, last = metadata["lookahead"], torch.arange(count)
    limit = torch.full((count,), count - 1) if bound == "unlimited" else (last + int(bound)).clamp(max=count - 1)
    for cut in cuts:
        limit = torch.where((last <= cut) & (limit > cut), torch.tensor(cut), limit)
    classes, labels, weights = [], [], []
    for name in metadata["heads"].split(","):
        size = len(metadata["head.%s.labels" % name].split(","))
        note = metadata["head.%s.level" % name] == "note"
        labels.append(integers(-1, size, count, 1) if note else torch.full((count, 1), -1))
        classes.append(torch.tensor([-1]) if note else integers(0, size, 1))
        weights.append(1 / count if note else 0.7)
    tokens = torch.cat([integers(0, size, count, 1) for size in reference.VOCABULARY], dim=1)
    predictors = torch.randn(count // 2, len(reference.PREDICTORS.split(",")), generator=generator) if causal else None
    return Sequence(tokens, limit, weights, torch.cat(classes), torch.cat(labels, dim=1), predictors)


def metadata(layers, width, inner, heads, span, lookahead, classes, order="arrival"):
    """Of a weights file. classes: {head: (level, number of classes)}; heads of the name *_causal are causal."""
    texts = {"format_version": "1", "layers": layers, "width": width, "inner": inner, "attention_heads": heads, "span": span,
             "lookahead": lookahead, "freeze": 0, "order": order, "heads": ",".join(classes)}
    for name, (level, count) in classes.items():
        causal = name.endswith("_causal")
        texts.update({"head.%s.predictors" % name: reference.PREDICTORS} if causal else {})
        texts.update({"head.%s.level" % name: level, "head.%s.setting" % name: "causal" if causal else "played",
                      "head.%s.temperature" % name: 1, "head.%s.unknown_below" % name: 0,
                      "head.%s.labels" % name: ",".join(map(str, range(count)))})
    return {key: str(value) for key, value in texts.items()}


def save(network, texts, path):
    """Writes a network as a weights file and takes the rounding to fp32 over, so that both sides hold the same numbers."""
    tensors = {name: values.detach().float().numpy() for name, values in network.state_dict().items()}
    weights_file.write(path, texts, tensors)
    return reference.load(texts, tensors)


def run(*arguments):
    """Runs parity_dump; returns what it said, as lists of numbers where it is numbers."""
    done = subprocess.run([os.path.join(os.environ["BUILD"], "support", "parity_dump"), *arguments], stdout=subprocess.PIPE,
                          text=True, check=True)
    return done.stdout


def numbers(text):
    return torch.tensor([[float(word) for word in line.split()] for line in text.splitlines()], dtype=torch.float64)


def tensors(path):
    return {name: torch.from_numpy(values.copy()).double() for name, values in weights_file.read(path)[1].items()}
