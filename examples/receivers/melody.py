#!/usr/bin/env python3
"""Python, with nothing but its standard library: subscribes to midibertd, writes every message, and shows the melody as it is
played, with a bar for how much louder (+) or softer (-) than expected each note was.

  melody.py [HOST [PORT]]
"""
import socket
import struct
import sys
import time

# What each message brings; "..." repeats.
ARGUMENTS = {
    "/midibert/note": "id pitch velocity channel onset input",
    "/midibert/note/off": "id pitch duration",
    "/midibert/pedal": "controller value time input",
    "/midibert/melody": "id pitch class confidence stage",
    "/midibert/melody/on": "id pitch velocity confidence",
    "/midibert/melody/off": "id pitch",
    "/midibert/velocity": "id pitch played expected spread difference confidence stage",
    "/midibert/velocity/hidden": "id pitch played expected spread difference confidence stage",
    "/midibert/style": "class confidence",
    "/midibert/style/name": "name",
    "/midibert/style/probs": "...",
    "/midibert/style/labels": "...",
    "/midibert/emotion": "class confidence",
    "/midibert/emotion/name": "name",
    "/midibert/emotion/probs": "...",
    "/midibert/emotion/labels": "...",
    "/midibert/tempo": "bpm confidence source",
    "/midibert/beat": "bar beat confidence bpm",
    "/midibert/latency": "p50 p95 p99 period",
    "/midibert/status": "state note dropped window xruns subscribers bad",
    "/midibert/status/session": "start",
    "/midibert/status/model": "model",
    "/midibert/status/source": "source",
    "/midibert/input": "input present name",
    "/midibert/panic": "",
    "/midibert/error": "code text",
    "/midibert/subscribed": "port seconds",
    "/midibert/challenge": "number",
    "/midibert/pong": "argument time",
    "/midibert/subscriber": "host port seconds pattern",
    "/midibert/stats/total": "messages sent failed received malformed refused",
    "/midibert/stats/receiver": "host port sent failed unreachable",
}
NAMES = ["C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B"]
RENEW = 20  # seconds; a subscription lasts 60


def pad(data):
    return data + b"\0" * (4 - len(data) % 4)


def encode(address, *numbers):
    types = "," + "i" * len(numbers)
    return pad(address.encode()) + pad(types.encode()) + b"".join(struct.pack(">i", n) for n in numbers)


def text_at(data, at):
    end = data.index(b"\0", at)
    return data[at:end].decode(), (end + 4) & ~3


def decode(data):
    address, at = text_at(data, 0)
    types, at = text_at(data, at)
    values = []
    for kind in types[1:]:
        if kind == "s":
            value, at = text_at(data, at)
        else:
            (value,), at = struct.unpack_from(">" + kind, data, at), at + 4
        values.append(value)
    return address, values


class Listener:
    def __init__(self, host, port):
        self.daemon = (socket.gethostbyname(host), port)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(1)
        self.surprise = {}  # note id -> played minus expected
        self.act = {
            "/midibert/velocity/hidden": self.on_velocity,
            "/midibert/melody/on": self.on_melody,
            "/midibert/panic": self.surprise.clear,
            "/midibert/challenge": lambda number: self.send("/midibert/confirm", number),
        }

    def send(self, address, *numbers):
        self.socket.sendto(encode(address, *numbers), self.daemon)

    def on_velocity(self, note, pitch, played, expected, spread, difference, confidence, stage):
        self.surprise[note] = difference

    def on_melody(self, note, pitch, velocity, confidence):
        difference = round(self.surprise.pop(note, 0) / 4)
        bar = ("+" if difference > 0 else "-") * abs(difference)
        print(f"melody {NAMES[pitch % 12]}{pitch // 12 - 1} {bar}")

    def take(self, address, values):
        names = ARGUMENTS[address].split()
        shown = values if names == ["..."] else [f"{name}:{value}" for name, value in zip(names, values)]
        print(address, *shown, flush=True)
        if address in self.act:
            self.act[address](*values)

    def run(self):
        renewed = -RENEW
        while True:
            if time.monotonic() - renewed >= RENEW:
                for question in ("/midibert/subscribe", "/midibert/ping", "/midibert/subscribers", "/midibert/stats"):
                    self.send(question)
                renewed = time.monotonic()
            try:
                self.take(*decode(self.socket.recv(1024)))
            except socket.timeout:
                pass


if __name__ == "__main__":
    try:
        Listener(sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 9109).run()
    except KeyboardInterrupt:
        pass
