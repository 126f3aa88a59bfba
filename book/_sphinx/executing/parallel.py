"""Run stale chapters side by side, before Sphinx reads them.

myst-nb runs one chapter after another, and its cache sees a chapter's code
alone. Here each set of module, data and pinned packages has a cache of its own,
which is filled before reading: a change in any of them runs the chapters again,
a change of prose runs nothing, and a stopped build loses only the chapters that
were running.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, as_completed
import json
import os
from pathlib import Path
import shutil
import sys
from typing import NamedTuple

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from myst_nb.core.read import create_nb_reader
import psutil
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from _sphinx.executing import chapter_cache, kernels, records
from _sphinx.executing.chapter_cache import ingredients_digest

#: How many sets of ingredients keep their results, the newest first.
KEEP = 3
#: Where the seconds that each chapter took are kept, to start the longest first.
TIMES = "seconds.json"


class Source(NamedTuple):
    """The notebook that a source file holds."""

    name: str
    path: Path
    notebook: object


def run_side_by_side(
    chapters: list[Source], cache, work: Path, workers: int
) -> dict[str, str]:
    """Run chapters in several kernels at once, and cache each as it ends.

    Returns
    -------
    failures : dict
        Where and why, by the names of the chapters that failed.
    """
    seconds, failures = last_times(work), {}
    chapters = sorted(chapters, key=lambda c: -seconds.get(c.name, float("inf")))
    environment = kernels.environment(work)

    def run(chapter: Source):
        say(f"running {chapter.name}")
        return kernels.run(chapter.notebook, chapter.path.parent, environment)

    pool = ThreadPoolExecutor(workers)
    running = {pool.submit(run, chapter): chapter for chapter in chapters}
    try:
        for left, future in zip(reversed(range(len(running))), as_completed(running)):
            chapter, error = running[future], future.exception()
            if error is not None:
                failures[chapter.name] = f"{type(error).__name__}: {error}"
                say(f"{chapter.name} did not start")
                continue
            execution = future.result()
            if execution.err is not None:
                failures[chapter.name] = kernels.failure(chapter.notebook)
                say(f"{chapter.name} failed")
                continue
            cache.cache_notebook_bundle(
                CacheBundleIn(
                    chapter.notebook,
                    str(chapter.path),
                    data={"execution_seconds": execution.time},
                ),
                check_validity=False,
                overwrite=True,
            )
            seconds[chapter.name] = round(execution.time, 1)
            (work / TIMES).write_text(json.dumps(seconds, indent=1))
            say(f"{chapter.name} took {execution.time:.1f} s; {left} chapters left")
    except BaseException:
        # Ctrl-C reaches this process alone: its kernels are in sessions of their own.
        pool.shutdown(wait=False, cancel_futures=True)
        for child in psutil.Process().children(recursive=True):
            child.kill()
        raise
    pool.shutdown()
    return failures


def last_times(work: Path) -> dict[str, float]:
    """How many seconds each chapter took when it last ran."""
    try:
        return json.loads((work / TIMES).read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return {}


def say(line: str) -> None:
    """Tell the reader who is waiting; Sphinx's own messages are off in `make book`."""
    sys.stderr.write(line + "\n")


def choose_cache(app: Sphinx, config) -> None:
    """Give myst-nb the cache that belongs to the ingredients as they are."""
    work = _work(app)
    cache = work / ingredients_digest(Path(app.srcdir))
    cache.mkdir(parents=True, exist_ok=True)
    # A cache in use stays the newest.
    os.utime(cache)
    config.nb_execution_cache_path = str(cache)
    for old in sorted(
        (d for d in work.iterdir() if d.is_dir() and (d / "global.db").exists()),
        key=lambda d: d.stat().st_mtime,
        reverse=True,
    )[KEEP:]:
        if old != cache:
            shutil.rmtree(old)


def run_stale(app: Sphinx, env, docnames: list[str]) -> None:
    """Before reading: run chapters whose results are missing, and keep all records."""
    cache = get_cache(app.config.nb_execution_cache_path)
    read = {docname: read_source(env, docname) for docname in sorted(docnames)}
    if stale := [each for each in read.values() if each and not _cached(cache, each)]:
        workers = min(len(stale), int(os.environ.get("BOOK_WORKERS", 0)) or _cores())
        failures = run_side_by_side(stale, cache, _work(app), workers)
        if said := [f"{name}.md failed in {why}" for name, why in failures.items()]:
            raise ExtensionError("\n\n".join(said))
    for docname, chapter in read.items():
        _executed(env)[docname] = chapter and records.alone(
            chapter_cache.with_outputs(chapter.notebook, Path(cache.path))
        )


def read_source(env, docname: str) -> Source | None:
    """The source of a chapter, or None where it is prose without code."""
    path = Path(env.doc2path(docname))
    content = path.read_text(encoding="utf-8")
    reader = create_nb_reader(str(path), env.myst_config, env.mystnb_config, content)
    if reader is None:
        return None
    notebook = reader.read(content)
    has_code = any(cell.cell_type == "code" for cell in notebook.cells)
    return Source(docname, path, notebook) if has_code else None


def executed(env, docname: str):
    """A chapter's cells and the records in their outputs; None where it has no code."""
    return _executed(env).get(docname)


def _executed(env) -> dict:
    """The executed chapters by name, which Sphinx keeps from build to build."""
    if not hasattr(env, "executed_chapters"):
        env.executed_chapters = {}
    return env.executed_chapters


def _cached(cache, chapter: Source) -> bool:
    try:
        cache.match_cache_notebook(chapter.notebook)
    except KeyError:
        return False
    return True


def _cores() -> int:
    return len(psutil.Process().cpu_affinity()) if psutil.LINUX else os.cpu_count() or 1


def _work(app: Sphinx) -> Path:
    return Path(app.outdir).parent / chapter_cache.FOLDER


def setup(app: Sphinx) -> None:
    app.connect("config-inited", choose_cache)
    # After env-get-outdated: docnames are the chapters that Sphinx will read.
    app.connect("env-before-read-docs", run_stale)
