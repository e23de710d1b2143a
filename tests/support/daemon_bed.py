"""What the end-to-end tests of the daemon share: a tiny model, MIDI files, the daemon as a process whose lines can be
waited for, a receiver that reads OSC without liblo. Nothing polls; PATIENCE only ends a test that hangs."""
import atexit
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
SAN = os.environ.get("SAN", "")
DAEMON = os.path.join(BUILD, "midibertd")
PATIENCE = 120
SO_RCVBUFFORCE = 33  # Python has no name for it

sys.path.insert(0, os.path.join(ROOT, "tests/support"))
import midi  # noqa: E402

WORK = tempfile.mkdtemp(prefix="midibertd-test-")
atexit.register(shutil.rmtree, WORK, ignore_errors=True)
# No configuration of this machine's user takes part.
ENVIRONMENT = dict(os.environ, XDG_CONFIG_HOME=WORK)
ENVIRONMENT.pop("MIDIBERT_MODEL", None)
ENVIRONMENT.pop("NOTIFY_SOCKET", None)


def work(name):
    return os.path.join(WORK, name)


def check(condition, *what):
    assert condition, " ".join(str(w) for w in what)[:4000]


def check_equal(got, expected, what):
    if got == expected:
        return
    if isinstance(got, list) and isinstance(expected, list) and len(got) + len(expected) > 40:
        at = next((i for i, (a, b) in enumerate(zip(got, expected)) if a != b), min(len(got), len(expected)))
        got, expected, what = got[at:at + 5], expected[at:at + 5], f"{what}: {len(got)} and {len(expected)} items, from {at}"
    raise AssertionError(f"{what}: {got!r}, expected {expected!r}"[:4000])


def tiny_model(name="tiny.safetensors", *arguments):
    path = work(name)
    subprocess.run([os.path.join(BUILD, "support", "make_tiny_model"), path, *map(str, arguments)], check=True)
    return path


def write_midi(name, notes, gap=120, length=200, tail=0, tempo=500000):
    """notes: pitches; one starts every `gap` ticks of 480 a quarter and lasts `length`. tail: rest before the end."""
    events = []
    for i, pitch in enumerate(notes):
        events.append((i * gap, 1, f"on {pitch} {30 + i * 13 % 90}"))
        events.append((i * gap + length, 0, f"off {pitch}"))
    events.sort()
    end = events[-1][0] + tail
    lines = ["format 0", "track", f"0 tempo {tempo}"] + [f"{tick} {what}" for tick, _, what in events]
    if tail:
        lines.append(f"{end} pedal 0")
    with open(work(name), "wb") as file:
        file.write(midi.midi_file(lines))
    return work(name)


def melody(count):
    return [48 + i * 7 % 36 for i in range(count)]


class Receiver:
    """A UDP socket that keeps what arrives, decoded by the specification."""
    every = []
    MARK = b"read up to here"

    def __init__(self, host="127.0.0.1"):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 24)
        except PermissionError:  # then as much as the system allows
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 24)
        self.socket.bind((host, 0))
        self.port = self.socket.getsockname()[1]
        self.target = f"{host}:{self.port}"
        self.messages = []
        self.marks = 0
        self.changed = threading.Condition()
        Receiver.every.append(self)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            data, _ = self.socket.recvfrom(65536)
            with self.changed:
                if data == self.MARK:
                    self.marks += 1
                else:
                    self.messages.append(decode(data))
                self.changed.notify_all()

    def catch_up(self):
        """What was sent before this call is among the messages after it: a busy machine may leave it in the socket."""
        with self.changed:
            marks = self.marks
            for _ in range(PATIENCE):
                self.socket.sendto(self.MARK, self.socket.getsockname())  # again: a full socket may have had no room for it
                if self.changed.wait_for(lambda: self.marks > marks, 1):
                    return
            raise AssertionError("a receiver does not read")

    def wait_for(self, wanted, since=0):
        """Index and content of the first message from `since` on for which wanted(address, values) holds."""
        found = []
        seen = since

        def look():
            nonlocal seen
            while seen < len(self.messages):
                if wanted(*self.messages[seen]):
                    found.append(seen)
                    return True
                seen += 1
            return False

        with self.changed:
            assert self.changed.wait_for(look, PATIENCE), f"no such message in {self.messages[-30:]}"
        return found[0], self.messages[found[0]]

    def address(self, address, since=0):
        return self.wait_for(lambda a, _: a == address, since)

    def send(self, port, address, types="", *values):
        self.socket.sendto(encode(address, types, *values), ("127.0.0.1", port))


def pad(data):
    return data + b"\0" * (4 - len(data) % 4)


def encode(address, types="", *values):
    data = pad(address.encode()) + pad(b"," + types.encode())
    for kind, value in zip(types, values):
        data += pad(value.encode()) if kind == "s" else struct.pack(">i" if kind == "i" else ">f", value)
    return data


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
            value, = struct.unpack_from(">i" if kind == "i" else ">f", data, at)
            at += 4
        values.append(value)
    assert at == len(data), (address, len(data) - at)
    return address, tuple(values)


def printed(path):
    """What --print wrote into a file: all that was sent, where a receiver's socket may be too slow for a flood."""
    with open(path) as file:
        return [parse_line(line) for line in file.read().splitlines()]


def single(text):
    return struct.unpack(">f", struct.pack(">f", float(text)))[0]


def parse_line(line):
    """A line of --print as decode() gives the message."""
    address, types, *fields = line.split("\t")
    assert len(fields) == len(types), line
    return address, tuple(f if t == "s" else int(f) if t == "i" else single(f) for t, f in zip(types, fields))


class Daemon:
    """A running midibertd. Its control port is a free one, read from what it says, and HTTP is off; preset: as it is without
    any option."""

    def __init__(self, *arguments, environment=None, stdout=subprocess.PIPE, wait=True, preset=False):
        self.lines, self.errors = [], []
        self.changed = threading.Condition()
        if "--control" not in arguments and not preset:
            arguments += ("--control", "127.0.0.1:0")
        if "--http" not in arguments and not preset:
            arguments += ("--http", "off")
        self.process = subprocess.Popen([DAEMON, *arguments], env=dict(ENVIRONMENT, **(environment or {})), text=True,
                                        stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE)
        atexit.register(self.kill)
        pipes = [(self.process.stderr, self.errors)] + ([(self.process.stdout, self.lines)] if stdout == subprocess.PIPE else [])
        self.threads = [threading.Thread(target=self.read, args=p, daemon=True) for p in pipes]
        for thread in self.threads:
            thread.start()
        if wait:
            self.port = int(self.wait_for(r"midibertd: control on port (\d+)", self.errors)[1].group(1))

    def read(self, pipe, lines):
        for line in pipe:
            with self.changed:
                lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def wait_for(self, pattern, lines=None, since=0):
        """Index and match of the first line from `since` on that matches."""
        lines = self.lines if lines is None else lines
        found = []
        seen = since

        def look():
            nonlocal seen
            while seen < len(lines):
                match = re.match(pattern, lines[seen])
                if match:
                    found.append((seen, match))
                    return True
                seen += 1
            return False

        with self.changed:
            assert self.changed.wait_for(look, PATIENCE), (
                f"no line {pattern!r} in\n" + "\n".join(lines[-30:] + self.errors[-20:]))
        return found[0]

    def finish(self, status=0):
        result = self.process.wait(PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)
        for receiver in Receiver.every:
            receiver.catch_up()
        check_equal(result, status, "exit status\n" + "\n".join(self.errors[-30:]))
        return self

    def stop(self, number=signal.SIGTERM, status=0):
        self.process.send_signal(number)
        return self.finish(status)

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def run(*arguments, status=0, environment=None):
    """Runs midibertd to its end; standard output and standard error."""
    done = subprocess.run([DAEMON, *arguments], env=dict(ENVIRONMENT, **(environment or {})), text=True, timeout=PATIENCE,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    for receiver in Receiver.every:
        receiver.catch_up()
    check_equal(done.returncode, status, f"exit status of {arguments}\n{done.stderr}")
    return done.stdout, done.stderr


def check_stages(messages, address, at=-1):
    """Each note of the stream has exactly one provisional and one final label, between them revisions that say something new;
    ids of /note."""
    ids = [values[0] for a, values in messages if a == "/midibert/note"]
    stages, before = {}, {}
    for a, values in messages:
        if a == address:
            stages.setdefault(values[0], []).append(values[at])
            if values[at] == 1:
                old = before[values[0]]
                label, confidence = (3, 6) if len(values) == 8 else (2, 3)
                moved = abs(values[label] - old[label]) >= (1.999 if label == 3 else 1)
                check(moved or abs(values[confidence] - old[confidence]) >= 0.0999, address, values, "is no news after", old)
            before[values[0]] = values
    check_equal(sorted(stages), sorted(ids), f"notes with {address}")
    for note, got in stages.items():
        check(got[0] == 0 and got[-1] == 2 and set(got[1:-1]) <= {1}, address, "of note", note, "has stages", got)
    return ids


def main(cases):
    wanted = sys.argv[1:]
    for case in cases:
        if not wanted or case.__name__[len("case_"):] in wanted:
            case()
            print("ok", case.__name__, flush=True)
