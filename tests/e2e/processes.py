"""Processes whose lines a test waits for, and checks that say what they saw. For the tests in this folder."""
import os
import re
import signal
import subprocess
import threading

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("BUILD", os.path.join(ROOT, "build"))
SAN = os.environ.get("SAN", "")
PATIENCE = 120  # seconds after which a line that has not come fails the test; nothing here depends on how long it took


class Lines:
    """A process whose lines can be waited for. Threads read, so that nothing here is polled."""

    def __init__(self, arguments, stdin=None, **environment):
        env = dict(os.environ, **environment)
        self.lines, self.errors, self.seen = [], [], 0
        self.changed = threading.Condition()
        self.process = subprocess.Popen(arguments, env=env, text=True, stdin=subprocess.PIPE if stdin else
                                        subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.threads = [threading.Thread(target=self.read, args=p, daemon=True)
                        for p in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()
        if stdin:
            self.process.stdin.write(stdin)
            self.process.stdin.close()

    def read(self, pipe, lines):
        for line in pipe:
            with self.changed:
                lines.append(line.rstrip("\n"))
                self.changed.notify_all()

    def wait_for(self, pattern, count=1):
        """The next line that matches, or the count-th; later calls look behind it."""
        found = []

        def look():
            while self.seen < len(self.lines):
                match = re.match(pattern, self.lines[self.seen])
                self.seen += 1
                if match:
                    found.append(match)
                    if len(found) == count:
                        return True
            return False

        with self.changed:
            assert self.changed.wait_for(look, PATIENCE), (
                f"no line {pattern!r} ({len(found)} of {count}) in\n" + "\n".join(self.lines[-40:] + self.errors[-20:]))
        return found[-1]

    def stop(self, signal_number=signal.SIGTERM, status=0):
        self.process.send_signal(signal_number)
        return self.finish(status)

    def finish(self, status=0):
        result = self.process.wait(PATIENCE)
        for thread in self.threads:
            thread.join(PATIENCE)
        assert result == status, f"exit status {result}, not {status}:\n" + "\n".join(self.lines[-20:] + self.errors[-40:])
        return self

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def end(self):
        """As kill, but with a chance to tidy up: jackd has room for eight servers, and one that was killed counts on."""
        if self.process.poll() is None:
            self.process.terminate()
            self.process.send_signal(signal.SIGCONT)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                pass
        self.kill()


def numbers(line):
    return [int(word) for word in line.split()[1:]]


def counters(lines):
    line = next(line for line in lines.lines if line.startswith("counters "))
    return {key: int(value) for key, value in (word.split("=") for word in line.split()[1:])}


def check(condition, *what):
    assert condition, " ".join(str(w) for w in what)


def check_equal(got, expected, what):
    assert got == expected, f"{what}: {got!r}, expected {expected!r}"


def compile_guard():
    """The library of cycle_guard.c, for LD_PRELOAD. Not together with a sanitizer: both want malloc."""
    guard = os.path.join(BUILD, "support", "cycle_guard.so")
    os.makedirs(os.path.dirname(guard), exist_ok=True)
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-O2", "-Wall", "-Wextra", "-shared", "-fPIC",
                    "-ftls-model=initial-exec", "-o", guard, os.path.join(ROOT, "tests/e2e/cycle_guard.c"), "-ldl"], check=True)
    return guard
