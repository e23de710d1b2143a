"""Lines of a test that takes a while: each with the seconds since its start; the first wrong one ends it."""
import sys
import time

started = time.monotonic()


def say(*what):
    print("%5.1f s " % (time.monotonic() - started), *what, flush=True)


def check(holds, *what):
    if not holds:
        say("WRONG:", *what)
        sys.exit(1)
