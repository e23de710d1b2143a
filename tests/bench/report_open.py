#!/usr/bin/python3
"""How long a browser takes to open a report: a real Chromium, navigation to the end of loading and to the first paint.

    tests/bench/report_open.py PAGE.html [TIMES]

Prints median and worst of TIMES (15) openings in milliseconds, and the bytes of the page.
"""
import os
import statistics
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
sys.dont_write_bytecode = True
from browser import Browser  # noqa: E402


def main():
    page = os.path.abspath(sys.argv[1])
    times = int(sys.argv[2]) if len(sys.argv) > 2 else 15
    browser, loads, paints = Browser(), [], []
    for _ in range(times):
        browser.open("about:blank")
        browser.until("location.href == 'about:blank'")
        browser.open("file://" + page)
        browser.until("location.protocol == 'file:' && performance.timing.loadEventEnd > 0 && "
                      "performance.getEntriesByType('paint').length > 0")
        loads.append(browser.value("performance.timing.loadEventEnd - performance.timing.navigationStart"))
        paints.append(browser.value("performance.getEntriesByType('paint')[0].startTime"))
    print("%s: %d bytes, opened %d times" % (sys.argv[1], os.path.getsize(page), times))
    for name, values in (("loaded", loads), ("first paint", paints)):
        print("%-12s median %4.0f ms, worst %4.0f ms" % (name, statistics.median(values), max(values)))


main()
