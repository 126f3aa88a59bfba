"""Time Python in the browser: from the press of Run to the eight schools' table.

    python tools/live_times.py            cold, then warm, and what each step is worth
    python tools/live_times.py --runs 5

Needs the built book, Chromium and the official Pyodide files (tests/README.md says
where they come from). Serves all of it from this machine; run it on a machine that
does nothing else.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import median
import sys

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("tests/site", "tests", "book")]

import live_site  # noqa: E402
from test_live_python import EIGHT, MODEL  # noqa: E402

#: What a chapter's first cell imports.
SET_UP = """
import arviz as az
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pymc as pm

import pooling
plt.style.use("pooling.book")
"""
TABLE = 'az.summary(idata, var_names=["mu", "tau", "theta"])'
FORGET = """async what => {
    const cache = await caches.open("borrowing-strength-python");
    for (const request of await cache.keys()) {
        if (request.url.includes(what)) await cache.delete(request);
    }
}"""
KEPT = """async () => (await (await caches.open("borrowing-strength-python")).keys())
    .some(request => request.url.includes("/memory-"))"""
#: Name of a variant -> which addresses are deleted from the cache first.
WARM = {
    "warm": None,
    "warm, without kept memory": "/memory-",
    "warm, without anything unpacked": "/kept/",
}


def times(page) -> dict[str, float]:
    """Seconds from the press to each step, and megabytes."""
    page.goto(page.url or "about:blank")
    cells = [SET_UP, MODEL, TABLE]
    answer = page.evaluate(live_site.RUN, {"cells": cells})
    for result in answer["results"]:
        if result["error"]:
            raise SystemExit(result["error"]["traceback"])
    set_up, model, table = answer["results"]
    return {
        "MB": answer["size"]["bytes"] / 1e6,
        "Python": answer["times"]["packages"],
        "ready": answer["times"]["ready"],
        "imported": set_up["at"],
        "first tick": answer["times"]["tick"],
        "sampled": model["at"],
        "table": table["at"],
    }


def show(name: str, runs: list[dict[str, float]]) -> None:
    row = "".join(f"{median(run[key] for run in runs):>11.1f}" for key in runs[0])
    spread = f"{min(r['table'] for r in runs):.1f}–{max(r['table'] for r in runs):.1f}"
    print(f"{name:<36}{row}   {spread}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    columns = ("MB", "Python", "ready", "imported", "first tick", "sampled", "table")
    print(f"{'seconds from the press':<36}" + "".join(f"{c:>11}" for c in columns))
    with live_site.in_chromium() as (address, browser):

        def run(context):
            page = context.new_page()
            page.goto(f"{address}/{EIGHT}")
            found = times(page)
            page.wait_for_function(KEPT)
            # What is kept is written while the table is read.
            page.wait_for_timeout(3000)
            page.close()
            return found

        cold = []
        for _ in range(runs):
            context = browser.new_context()
            cold.append(run(context))
            if len(cold) < runs:
                context.close()
        show("cold", cold)
        for name, what in WARM.items():
            found = []
            for _ in range(runs):
                if what:
                    page = context.new_page()
                    page.goto(f"{address}/{EIGHT}")
                    page.evaluate(FORGET, what)
                    page.close()
                found.append(run(context))
            show(name, found)


if __name__ == "__main__":
    main()
