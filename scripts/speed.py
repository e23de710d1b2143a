#!/usr/bin/env python3
"""Measures what docs/SPEED.md tells and writes its tables, and README.md's, between their markers. Takes about a quarter of an
hour; the machine should do nothing else.

    scripts/speed.py [--seconds 60] [--sizes 6x384,...] [--peers] [--keep FIGURES.json]     measures, writes (make speed)
    scripts/speed.py --from FIGURES.json                                writes what was kept

--peers: tests/bench/peers, too (python3-torch, python3-onnx, and onnxruntime-node where NODE_PATH says)."""
import argparse
import datetime
import json
import os
import subprocess
import sys

from page import put, table

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SIZES = ("4x256", "6x384", "12x768")
PEERS = ((), ("--random", "12,768,3072,12,1024"))
CASES = {(8, 1): "8 notes a second", (2, 1): "2", (30, 1): "30", (200, 1): "200", (2, 10): "two chords of ten a second"}
ADDRESSES = ("/midibert/note", "/midibert/melody", "/midibert/velocity", "/midibert/velocity/hidden")


def answer(*command):
    print("running:", *command, file=sys.stderr, flush=True)
    return subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.PIPE, text=True).stdout


def keep(figures, path):
    if path:
        with open(path, "w", encoding="utf-8") as file:
            json.dump(figures, file, indent=1)


def measure(build, seconds, sizes, peers, kept):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next(line.split(": ", 1)[1].strip() for line in file if line.startswith("model name"))
    figures = {"date": datetime.date.today().isoformat(), "cpu": cpu, "cores": os.cpu_count(), "load": os.getloadavg()[0],
               "commit": answer("git", "describe", "--always", "--dirty").strip(), "bench": [], "fire": [], "peers": []}
    tool = os.path.join(build, "midibert")
    for weights in ("default", "small"):
        figures["bench"].append(json.loads(answer(tool, "bench", "--model", f"weights/{weights}.safetensors", "--json")))
    for size in sizes:
        figures["bench"].append(json.loads(answer(tool, "bench", "--size", size, "--json")))
    os.environ["BENCH_SECONDS"] = str(seconds)
    figures["fire"] = [json.loads(line) for line in answer("tests/bench/fire", build, "--json").splitlines()]
    keep(figures, kept)
    for arguments in PEERS if peers else ():
        figures["peers"].append({"arguments": arguments, "text": answer("tests/bench/peers", *arguments)})
    keep(figures, kept)
    return figures


def percent(share):
    return f"{100 * share:.0f} %"


def name_of(bench):
    name = os.path.basename(bench["model"])
    return f"{name} ({bench['layers']} x {bench['width']})" if name.endswith(".safetensors") else f"random, {name}"


def forward_table(benches):
    rows = [[name_of(b), str(f["window"]), str(f["threads"]), f"{f['ms_p50']:.2f}", percent(f["share_of_precision_peak"]),
             percent(f["share_of_peak"])] for b in benches for f in b["forward"]]
    return table(["network", "notes", "threads", "ms", "of the peak of its precision", "of the peak"], rows)


def note_table(benches):
    rows = [[name_of(b), str(n["window"]), f"{n['ms_p50']:.2f}", f"{n['bytes'] / 1e6:.1f}", f"{n['floor_ms']:.2f}",
             f"{n['operations'] / 1e6:.0f}", f"{n['operations_floor_ms']:.2f}",
             f"{n['ms_p50'] / max(n['floor_ms'], n['operations_floor_ms']):.1f}"] for b in benches for n in b["note"]]
    return table(["network", "window", "ms", "MB", "floor by bytes, ms", "Mflop", "floor by operations, ms",
                  "times the higher floor"], rows)


def machine_lines(benches):
    m = benches[0]["machine"]
    rates = ", ".join(f"{kind} {m['peak_' + kind] / 1e9:.0f} GF/s" for kind in ("fp32", "bf16", "int8"))
    return (f"Products of one thread at best: {rates}; memory {m['bytes_per_s'] / 1e9:.1f} GB/s (256 MiB, read once). "
            f"Backend: {benches[0]['backend']}.")


def training_table(benches):
    rows = [[name_of(b), f"{b['training']['tokens_per_s']:.0f}", percent(b["training"]["share_of_peak"])] for b in benches]
    return table(["network", "notes a second", "of the peak"], rows)


def fire_table(runs):
    rows = []
    for run in runs:
        for address in ADDRESSES:
            d = run["delays_ms"][address]
            rows.append([CASES.get((run["rate"], run["chord"]), f"{run['rate']} x {run['chord']}"),
                         f"{run['load']} others" if run["load"] else "alone", address.replace("/midibert", ""),
                         *(f"{d[key]:.2f}" for key in ("p50", "p95", "p99", "max", "jitter")), f"{d['count']} of {run['notes']}"])
    return table(["playing", "cores", "first message", "p50", "p95", "p99", "max", "jitter", "answered"], rows)


def speed_page(figures):
    benches, runs = figures["bench"], figures["fire"]
    parts = [
        f"## {figures['date']}, {figures['cpu']}, {figures['cores']} cores, commit {figures['commit']}, load "
        f"{figures['load']:.1f} at the start",
        "`make speed`: `midibert bench`, `midibert bench --size`, `tests/bench/fire`. Medians.", machine_lines(benches),
        "A forward pass over so many notes:", forward_table(benches),
        "One note in the stream, every head, all settings, as the daemon runs it; bytes and operations as docs/MODEL.md's streaming "
        "rules make them necessary:", note_table(benches),
        "Training, forward and backward, one sequence of 512 on one thread:", training_table(benches)]
    if runs:
        parts += ["From note-on at the JACK port (dummy driver, 64 frames) to the datagram at a receiver, ms; jitter is the mean "
                  "change from a note to the next; others are programs of normal priority that keep a core busy each:",
                  fire_table(runs),
                  f"Dropped {sum(r['dropped'] for r in runs)}, xruns of the dummy driver {sum(r['xruns'] for r in runs)}; resident "
                  f"{max(r['resident_mib'] for r in runs):.0f} MiB; {100 * runs[0]['cpu_resting']:.1f} % of a core while nobody "
                  f"plays, {100 * runs[0]['cpu_playing']:.1f} % at 8 notes a second."]
    for peer in figures["peers"]:
        parts += ["`tests/bench/peers " + " ".join(peer["arguments"]) + "`:", "```\n" + peer["text"].rstrip() + "\n```"]
    return "\n\n".join(parts)


def readme_block(figures):
    note = next(n for n in figures["bench"][0]["note"] if n["window"] == 256)
    rows = [["inference of one note, every head", f"{note['ms_p50']:.1f} ms", "", ""]]
    alone = next((r for r in figures["fire"] if (r["rate"], r["chord"], r["load"]) == (8, 1, 0)), None)
    fire = next((r for r in figures["fire"] if (r["rate"], r["chord"]) == (8, 1) and r["load"]), None)
    for address in ADDRESSES if alone and fire else ():
        a, f = alone["delays_ms"][address], fire["delays_ms"][address]
        rows.append([f"note-on at the JACK port to the first {address}", f"{a['p50']:.1f} ms", f"{a['p99']:.1f} ms", f"{f['p99']:.1f} ms"])
    text = table([f"On {figures['cores']} cores of an {figures['cpu']}, window 256", "p50", "p99", "p99, all cores busy"], rows)
    return text + (f"\n\njackd -p 64, 8 notes a second; {figures['date']}. [docs/SPEED.md](docs/SPEED.md) has the rest: other rates, "
                   "chords, sizes, and what the machine could do at best.")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default="build")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--sizes", default=",".join(SIZES))
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--keep")
    parser.add_argument("--from", dest="kept")
    arguments = parser.parse_args()
    if arguments.kept:
        with open(arguments.kept, encoding="utf-8") as file:
            figures = json.load(file)
    else:
        figures = measure(arguments.build, arguments.seconds, arguments.sizes.split(","), arguments.peers, arguments.keep)
    put(os.path.join(ROOT, "docs/SPEED.md"), "speed", speed_page(figures))
    put(os.path.join(ROOT, "README.md"), "bench", readme_block(figures))


main()
