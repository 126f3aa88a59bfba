"""Time the book's build, and say where the time goes.

    make bench                      the build, and exact posteriors of many groups
    python tools/bench.py --compare and chapters one after another, for comparison
    python tools/bench.py --exact   exact posteriors alone

Works on a copy of the checkout in a temporary folder, with every cache empty: the
book that you have built stays as it is. Run it on a machine that does nothing else:
it fails if an exact posterior takes longer than it should on an idle core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
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

from pooling import datasets, exact

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


def exact_problems() -> list[tuple[str, float, str, Callable[[], exact.Posterior]]]:
    """What is solved, the seconds that it may take, a quantity, and the solution."""
    rng = np.random.default_rng(1)
    groups, prior = 1_000_000, stats.halfnorm(scale=2)
    group = np.repeat(np.arange(groups), 5)
    effect, noise = rng.normal(0, 0.5, groups), rng.normal(size=5 * groups)
    sigma = np.exp(rng.normal(0, 0.5, groups))
    rows, estimates = effect[group] + noise, effect + sigma * noise[:groups]
    X = np.ones((5 * groups, 4))
    X[:, 1:] = rng.normal(size=(5 * groups, 3))
    trials = rng.integers(1, 51, groups)
    successes = rng.binomial(trials, rng.beta(2, 8, groups))
    exposure = np.exp(rng.normal(size=groups))
    events = rng.poisson(exposure * rng.gamma(2, 1 / 4, groups))
    schools, radon = datasets.load_eight_schools(), datasets.load_radon()
    again = rng.normal(schools["effect"], schools["se"], size=(1000, 8))
    floor = np.column_stack([np.ones(len(radon)), radon["floor"]])

    def of_rows(y, group, X=None):
        return exact.varying_intercepts(
            y, group, X, tau_prior=prior, sigma_prior=prior
        )

    return [
        ("a million groups of five rows", 3, "a", lambda: of_rows(rows, group)),
        ("with three predictors", 5, "a", lambda: of_rows(rows, group, X)),
        (
            "a million standard errors", 2, "theta",
            lambda: exact.normal_hierarchy(estimates, sigma, tau_prior=prior),
        ),
        (
            "a million proportions", 4, "theta",
            lambda: exact.beta_binomial(successes, trials),
        ),
        (
            "a million rates", 4, "theta",
            lambda: exact.gamma_poisson(
                events, exposure, alpha_prior=stats.expon(),
                beta_prior=stats.gamma(0.1),
            ),
        ),
        (
            "eight schools a thousand times", 1, "theta",
            lambda: exact.normal_hierarchy(again, schools["se"].to_numpy()),
        ),
        (
            "radon with the floor", 2, "a",
            lambda: of_rows(radon["log_radon"], radon["county"], floor),
        ),
    ]


def time_exact() -> bool:
    """Print what each problem takes; whether all are as quick as they should be."""
    print("Exact posteriors, all means and sds of the groups:")
    slow = False
    for what, limit, name, solve in exact_problems():
        began = time.process_time()
        fit = solve()
        fit.mean(name), fit.sd(name)
        seconds = time.process_time() - began
        late = "   too slow" if seconds > limit else ""
        print(f"{what:36}{seconds:8.2f} s of at most {limit} s{late}", flush=True)
        slow = slow or bool(late)
    return not slow


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--exact", action="store_true")
    arguments = parser.parse_args()
    if arguments.exact:
        return int(not time_exact())

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
    print()
    quick = time_exact()
    if arguments.compare:
        with tempfile.TemporaryDirectory() as folder:
            where = copy(Path(folder) / "book")
            one = build(where, BOOK_WORKERS="1")
        print(f"\n{'cold, one chapter at a time':36}{one:8.1f} s")
    return int(not quick)


if __name__ == "__main__":
    sys.exit(main())
