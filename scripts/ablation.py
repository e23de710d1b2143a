#!/usr/bin/python3
"""Trains and compares the variants of docs/MODEL.md, ablation: what pre-training, its kind, mask fine-tuning and look-ahead
each bring, on one size, one subset, several seeds, judged on valid.

    scripts/ablation.py --work FOLDER --pop909 FOLDER --pianist8 FOLDER [OPTION]...

The data folders hold train.tsv and valid.tsv. What is finished is kept in --work, a small JSON file a run, so that the same
command goes on where it was stopped; --report writes table and plot of what is there: ablation.tsv, .md and .svg in --work.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import chart  # noqa: E402

BOUNDED, UNLIMITED = ["--lookahead", "4"], ["--lookahead", "unlimited"]
FREEZE = ["--freeze-notes", "1000000"]
# How an encoder is pre-trained.
PRETRAINING = {
    "random": ["--masking", "random"] + BOUNDED,
    "bar": ["--masking", "bar"] + BOUNDED,
    "published": ["--masking", "adversarial", "--paper-code"] + FREEZE + BOUNDED,
    "adversarial": ["--masking", "adversarial"] + FREEZE + BOUNDED,
    "unlimited": ["--masking", "adversarial"] + FREEZE + UNLIMITED,
}
MASKED, UNMASKED = ["--mask", "0.12"], ["--mask", "0"]
# Name: what it says in the table, pre-training (or None), fine-tuning.
VARIANTS = {
    "none": ("no pre-training", None, MASKED + BOUNDED),
    "random": ("random masking", "random", MASKED + BOUNDED),
    "bar": ("bar-level masking", "bar", MASKED + BOUNDED),
    "published": ("adversarial as published", "published", MASKED + BOUNDED),
    "adversarial": ("adversarial mended", "adversarial", MASKED + BOUNDED),
    "none-unmasked": ("no pre-training, no mask fine-tuning", None, UNMASKED + BOUNDED),
    "adversarial-unmasked": ("adversarial mended, no mask fine-tuning", "adversarial", UNMASKED + BOUNDED),
    "unlimited": ("adversarial mended, attention unlimited", "unlimited", MASKED + UNLIMITED),
    "bounded-late": ("adversarial mended, bounded in fine-tuning only", "unlimited", MASKED + BOUNDED),
}
FIGURES = ("melody", "velocity", "style by window", "style by piece")
SIZE = ["--layers", "4", "--width", "128", "--inner", "512", "--attention-heads", "4", "--span", "256", "--freeze", "8"]
ROWS, BATCH = 256, 16
NOTES_A_STEP = ROWS * 3 // 4 * BATCH  # sequences are half as long to as long as ROWS


def arguments(description):
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", required=True, help="folder of everything that is made")
    parser.add_argument("--pop909", required=True, help="folder of its train.tsv and valid.tsv")
    parser.add_argument("--pianist8", required=True, help="the same")
    parser.add_argument("--midibert", default="build/midibert")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--every", type=int, default=2, help="take every N-th piece of the training parts (2: 0.9 M notes)")
    parser.add_argument("--pretrain-notes", type=float, default=8e6, help="notes to pre-train on (8e6)")
    parser.add_argument("--finetune-notes", type=float, default=3e6, help="notes to fine-tune on (3e6)")
    parser.add_argument("--validate-every", type=int, default=1, help="judge on every N-th piece of valid (1)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", help="variants, by comma; an unknown one has all of them listed")
    parser.add_argument("--report", action="store_true", help="train nothing, write what is there")
    return parser


def thin(source, target, every):
    """A manifest of every n-th line, by absolute paths."""
    folder = os.path.abspath(os.path.dirname(source))
    with open(source, encoding="utf-8") as file:
        lines = [line.rstrip("\n") for line in file if line.strip()]
    text = "".join(os.path.join(folder, line) + "\n" for line in lines[::every])
    with open(target, "w", encoding="utf-8") as file:
        file.write(text)


class Lab:
    """The work folder: what is made of what, and how it is called. ablation_live.py asks other questions in the same way."""
    variants, figures = VARIANTS, FIGURES

    def __init__(self, options):
        self.options = options
        self.work = options.work
        os.makedirs(self.work, exist_ok=True)
        settings = {key: getattr(options, key) for key in ("every", "pretrain_notes", "finetune_notes", "validate_every")}
        kept = self.path("settings.json")
        if os.path.exists(kept):
            with open(kept, encoding="utf-8") as file:
                if json.load(file) != settings:
                    sys.exit("%s: runs of other settings are there; another --work keeps them apart" % kept)
        else:
            self.save("settings.json", settings)
        for corpus in ("pop909", "pianist8"):
            folder = getattr(options, corpus)
            thin(folder + "/train.tsv", self.path(corpus + ".train.tsv"), options.every)
            thin(folder + "/valid.tsv", self.path(corpus + ".valid.tsv"), options.validate_every)

    def path(self, name):
        return os.path.join(self.work, name)

    def save(self, name, what):
        with open(self.path(name + ".part"), "w", encoding="utf-8") as file:
            json.dump(what, file, indent=1)
        os.replace(self.path(name + ".part"), self.path(name))

    def load(self, name):
        if not os.path.exists(self.path(name)):
            return None
        with open(self.path(name), encoding="utf-8") as file:
            return json.load(file)

    def train(self, command, out, notes, seed, extra):
        """Runs a training to its end, from its checkpoint if there is one."""
        started = os.path.exists(out + ".state")
        steps = max(20, int(notes / NOTES_A_STEP))
        call = [self.options.midibert, command] + SIZE + extra + [
            "--rows", str(ROWS), "--batch", str(BATCH), "--steps", str(steps), "--warmup", str(max(5, steps // 20)),
            "--rate", "0.001", "--seed", str(seed), "--threads", str(self.options.threads), "--shards", "2",
            "--validate-steps", str(max(10, steps // 10)), "--out", out, "--resume" if started else "--force"]
        with open(out + ".err", "a", encoding="utf-8") as messages:
            if subprocess.run(call, stderr=messages, check=False).returncode != 0:
                sys.exit("failed, see %s.err: %s" % (out, " ".join(call)))
        os.remove(out + ".state")

    def pretrain(self, kind, seed):
        """Weights of an encoder, made unless they are there."""
        name = "pretrained-%s-%d" % (kind, seed)
        out = self.path(name + ".safetensors")
        if not self.load(name + ".json"):
            manifests = [word for corpus in ("pop909", "pianist8") for part in ("train", "valid")
                         for word in ("--manifest" if part == "train" else "--valid", self.path("%s.%s.tsv" % (corpus, part)))]
            self.train("pretrain", out, self.options.pretrain_notes, seed, PRETRAINING[kind] + manifests)
            with open(out + ".log", encoding="utf-8") as file:
                self.save(name + ".json", json.loads(file.read().splitlines()[-1]))
        return out

    def judge(self, model, task, corpus):
        call = [self.options.midibert, "eval", "--task", task, "--manifest", self.path(corpus + ".valid.tsv"), "--model", model,
                "--json"]
        return json.loads(subprocess.run(call, stdout=subprocess.PIPE, check=True).stdout)

    def heads(self):
        return ["--manifest", "melody,velocity_hidden=" + self.path("pop909.train.tsv"),
                "--manifest", "velocity_hidden,style_pianist8=" + self.path("pianist8.train.tsv"),
                "--valid", "melody,velocity_hidden=" + self.path("pop909.valid.tsv"),
                "--valid", "style_pianist8=" + self.path("pianist8.valid.tsv"), "--mix", "melody=2,velocity_hidden=2,style_pianist8=1"]

    def evaluate(self, model):
        style = self.judge(model, "style_pianist8", "pianist8")
        return {"melody": self.judge(model, "melody", "pop909")["accuracy"],
                "velocity": self.judge(model, "velocity", "pop909")["accuracy"],
                "style by window": style["window"]["accuracy"], "style by piece": style["piece"]["accuracy"]}

    def run(self, variant, seed):
        name = "%s-%d" % (variant, seed)
        if self.load(name + ".json"):
            return
        print("%s, seed %d" % (variant, seed), flush=True)
        _, kind, tuning = self.variants[variant]
        out = self.path(name + ".safetensors")
        start = ["--init", self.pretrain(kind, seed)] if kind else []
        self.train("finetune", out, self.options.finetune_notes, seed, tuning + self.heads() + start)
        self.save(name + ".json", self.evaluate(out))
        os.remove(out)

    def report(self, seeds):
        """ablation.tsv, .md and .svg of what is finished."""
        found = {variant: [result for seed in seeds for result in [self.load("%s-%d.json" % (variant, seed))] if result]
                 for variant in self.variants}
        with open(self.path("ablation.tsv"), "w", encoding="utf-8") as file:
            file.write("variant\tseed\t" + "\t".join(self.figures) + "\n")
            for variant in self.variants:
                for seed in seeds:
                    result = self.load("%s-%d.json" % (variant, seed))
                    if result:
                        file.write("%s\t%d\t%s\n" % (variant, seed, "\t".join("%.5f" % result[key] for key in self.figures)))

        def figure(variant, key):
            values = [100 * result[key] for result in found[variant]]
            if not values:
                return None, 0, []
            return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0, values
        with open(self.path("ablation.md"), "w", encoding="utf-8") as file:
            file.write("| | seeds | " + " | ".join(self.figures) + " |\n|---|---|" + "---|" * len(self.figures) + "\n")
            for variant, (words, _, _) in self.variants.items():
                means = [figure(variant, key) for key in self.figures] if found[variant] else []
                cells = [("%.1f ± %.1f" if len(values) > 1 else "%.1f") % (mean, spread)[:len(values)] for mean, spread, values in means]
                file.write("| %s | %d | %s |\n" % (words, len(found[variant]), " | ".join(cells)))
        parts, top = [], 30
        for key in self.figures:
            rows = [(words,) + figure(variant, key) for variant, (words, _, _) in self.variants.items()]
            height, panel = chart.intervals(300, top, 420, key + ", accuracy on valid, %: mean, spread and single seeds", rows)
            parts += panel
            top += height + 34
        with open(self.path("ablation.svg"), "w", encoding="utf-8") as file:
            file.write(chart.page(760, top, parts))


def work(options, lab):
    """Trains what is asked for and writes the report."""
    variants = options.only.split(",") if options.only else list(lab.variants)
    for variant in variants:
        if variant not in lab.variants:
            sys.exit("%s: variants are %s" % (variant, ", ".join(lab.variants)))
    seeds = range(1, options.seeds + 1)
    for seed in seeds:  # one seed of everything first: an early look at all
        for variant in variants:
            if not options.report:
                lab.run(variant, seed)
                lab.report(seeds)
    lab.report(seeds)
    print("%s, .md, .svg" % lab.path("ablation.tsv"))


def main():
    options = arguments(__doc__).parse_args()
    work(options, Lab(options))


if __name__ == "__main__":
    main()
