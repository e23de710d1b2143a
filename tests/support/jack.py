"""Waiting for a JACK server of a test's own."""
import subprocess
import time


def wait_until_it_answers(name, server, patience):
    """server: jackd's process. jack_wait itself dies now and then on a busy machine, and is then started again."""
    end = time.monotonic() + patience
    while subprocess.run(["jack_wait", "-s", name, "-w", "-t", "20"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode:
        assert server.poll() is None, f"jackd has ended with {server.returncode}"
        assert time.monotonic() < end, "jackd does not answer"
