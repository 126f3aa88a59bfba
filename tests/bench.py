"""Time the book's build, and say where the time goes.

    make bench                      the build, and exact posteriors of many groups
    python tests/bench.py --compare and chapters one after another, for comparison

Works on a copy of the checkout in a temporary folder, with every cache empty: the
book that you have built stays as it is. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
from datetime import datetime
import os
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile
import time

from jupyter_cache import get_cache
import nbformat
import numpy as np
from scipy import stats

from pooling import exact

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book"))

from _sphinx.executing import records  # noqa: E402

#: What a build needs: the book, and what its wheel is made of.
PARTS = (
    "_config.yml", "_toc.yml", "requirements.txt", "book",
    "pyproject.toml", "README.md", "LICENSE", ".ci/backend.py", "code", "data",
)
#: A sentence to add to a page, and the chapter that it is added to.
SENTENCE = "\n\nThis sentence is new.\n"
CHAPTER = "book/pooling/radon.md"


def copy(to: Path) -> Path:
    """The sources alone, in a folder of their own."""
    to.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, to / part, ignore=ignore)
        else:
            (to / part).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to / part)
    return to


def build(where: Path, **environ: str) -> float:
    """Seconds of wall clock that one build takes.

    Raises
    ------
    SystemExit
        If the build fails, with what it printed.
    """
    jupyter_book = Path(sys.executable).with_name("jupyter-book")
    began = time.monotonic()
    done = subprocess.run(
        [jupyter_book, "build", ".", "-W", "--keep-going", "-n", "-q"],
        cwd=where,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(done.stdout + done.stderr)
    return time.monotonic() - began


def million() -> dict[str, float]:
    """Seconds that exact posteriors of a million groups take, by what is known."""
    rng = np.random.default_rng(1)
    groups, prior = 1_000_000, stats.halfnorm(scale=2)
    group = np.repeat(np.arange(groups), 5)
    effect, noise = rng.normal(0, 0.5, groups), rng.normal(size=5 * groups)
    sigma = np.exp(rng.normal(0, 0.5, groups))
    rows, estimates = effect[group] + noise, effect + sigma * noise[:groups]

    def seconds(name, solve) -> float:
        began = time.monotonic()
        fit = solve()
        fit.mean(name), fit.sd(name)
        return time.monotonic() - began

    return {
        "a million groups of five rows": seconds(
            "a",
            lambda: exact.varying_intercepts(
                rows, group, tau_prior=prior, sigma_prior=prior
            ),
        ),
        "a million standard errors": seconds(
            "theta", lambda: exact.normal_hierarchy(estimates, sigma, tau_prior=prior)
        ),
    }


def shares(where: Path) -> tuple[int, dict[str, float]]:
    """Number of fits, and seconds of all kernels by what they were spent on."""
    spent = {"import": 0.0, "compilation": 0.0, "sampling": 0.0, "other cells": 0.0}
    fits = 0
    (cache_path,) = {f.parent for f in where.glob("_build/.cache/*/global.db")}
    cache = get_cache(str(cache_path))
    for record in cache.list_cache_records():
        # A kernel imports PyMC before its first cell.
        start = record.data["execution_seconds"]
        for cell in cache.get_cache_bundle(record.pk).nb.cells:
            seconds = _seconds(cell)
            start -= seconds
            found = records.fits(nbformat.v4.new_notebook(cells=[cell]))
            fits += len(found)
            if found:
                sampling = sum(fit["seconds"] or 0.0 for fit in found)
                spent["sampling"] += sampling
                spent["compilation"] += max(seconds - sampling, 0.0)
            else:
                kind = "import" if "import " in cell.source else "other cells"
                spent[kind] += seconds
        spent["import"] += start
    return fits, spent


def _seconds(cell) -> float:
    """How long the kernel was busy with a cell."""
    stamps = cell.metadata.get("execution", {})
    try:
        begin, end = stamps["iopub.execute_input"], stamps["shell.execute_reply"]
    except KeyError:
        return 0.0
    return (_time(end) - _time(begin)).total_seconds()


def _time(stamp: str) -> datetime:
    return datetime.fromisoformat(stamp.replace("Z", "+00:00"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", action="store_true")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        where = copy(Path(folder) / "book")
        cold = build(where)
        fits, spent = shares(where)
        unchanged = build(where)
        with (where / CHAPTER).open("a", encoding="utf-8") as chapter:
            chapter.write(SENTENCE)
        sentence = build(where)
        shutil.rmtree(where / "_build" / "html")
        shutil.rmtree(where / "_build" / ".doctrees", ignore_errors=True)
        rendering = build(where)
        print(f"{'cold, every cache empty':36}{cold:8.1f} s   {fits} fits")
        print(f"{'nothing changed':36}{unchanged:8.1f} s")
        print(f"{'one sentence changed':36}{sentence:8.1f} s")
        print(f"{'reading and writing all pages':36}{rendering:8.1f} s")
        total = sum(spent.values())
        print("\nOf the time in kernels, which run side by side:")
        for what, seconds in spent.items():
            print(f"{what:36}{seconds:8.1f} s   {seconds / total:4.0%}")
    print("\nExact posteriors, all means and sds of the groups:")
    for what, seconds in million().items():
        print(f"{what:36}{seconds:8.2f} s")
    if arguments.compare:
        with tempfile.TemporaryDirectory() as folder:
            where = copy(Path(folder) / "book")
            one = build(where, BOOK_WORKERS="1")
        print(f"\n{'cold, one chapter at a time':36}{one:8.1f} s")


if __name__ == "__main__":
    main()
