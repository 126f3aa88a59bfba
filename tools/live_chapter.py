"""Run one chapter in the browser's own Python, and show what each cell takes.

    python tools/live_chapter.py pooling/radon
    python tools/live_chapter.py pooling/radon --full     as many draws as the page has

Prints the seconds of each cell, the lines of `pooling.check`, and what failed. Needs
the built book, Chromium and the official Pyodide files (tests/README.md says where they
come from).
"""

from __future__ import annotations

import argparse
from pathlib import Path
import sys

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("tests/site", "tests", "book")]

import live_site  # noqa: E402

HOUR = 3_600_000  # ms


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chapter", help="such as pooling/radon")
    parser.add_argument("--full", action="store_true", help="all the page's draws")
    arguments = parser.parse_args()
    with live_site.in_chromium() as (address, browser):
        page = browser.new_page()
        page.set_default_timeout(HOUR)
        page.goto(f"{address}/book/{arguments.chapter}.html")
        cells = page.evaluate(live_site.SOURCES)
        answer = page.evaluate(live_site.RUN, {"cells": cells, "full": arguments.full})
    last = ready = answer["times"]["ready"]
    print(f"Python is ready after {ready:.0f} s")
    failed = 0
    for number, (cell, result) in enumerate(zip(cells, answer["results"]), start=1):
        first = cell.strip().partition("\n")[0]
        print(f"── cell {number}  {result['at'] - last:5.1f} s  {first}")
        last = result["at"]
        for output in result["outputs"]:
            lines = output["text"].splitlines() if output["type"] == "stream" else []
            for line in lines:
                if line.startswith(("✓", "✗", "?")):
                    print(f"   {line}")
        if result["error"]:
            failed += 1
            print(result["error"]["traceback"])
    print(f"{last - ready:.0f} s for {len(cells)} cells, of which {failed} failed")
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
