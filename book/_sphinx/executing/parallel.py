"""Run stale chapters side by side, before Sphinx reads them.

myst-nb runs one chapter after another, and its cache sees a chapter's code
alone. Here each set of module, data and pinned packages has a cache of its own,
which is filled before reading: a change in any of them runs the chapters again,
a change of prose runs nothing, and a stopped build loses only the chapters that
were running.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from functools import partial
import json
import os
from pathlib import Path
import shutil
import time
from typing import NamedTuple

from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.executors.base import ExecutorRunResult, JupyterExecutorAbstract
import psutil
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from _sphinx.executing import chapter_cache, kernels
from _sphinx.executing.chapter_cache import ingredients_digest

#: How many sets of ingredients keep their results, the newest first.
KEEP = 3
#: Where the seconds that each chapter took are kept, to start the longest first.
TIMES = "seconds.json"


class Chapter(NamedTuple):
    """A notebook to run, and where it is from."""

    name: str
    path: Path
    notebook: object


class SideBySideExecutor(JupyterExecutorAbstract):
    """Runs notebooks in several kernels at once, and caches each as it ends."""

    def __init__(self, cache, *, work: Path, workers: int, logger=None):
        super().__init__(cache, logger)
        self.work = work
        self.workers = workers
        self.failures: dict[str, str] = {}

    def run_and_cache(self, chapters: list[Chapter]) -> ExecutorRunResult:
        """Run the chapters; what failed, and where, is left in ``failures``."""
        result = ExecutorRunResult()
        seconds = self._seconds()
        chapters = sorted(chapters, key=lambda c: -seconds.get(c.name, float("inf")))
        env = kernels.environment(self.work)
        pool = ThreadPoolExecutor(self.workers)
        with _progress(chapters, seconds) as progress:
            running = {
                pool.submit(self._run, chapter, env, progress): chapter
                for chapter in chapters
            }
            try:
                while running:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        self._finish(running.pop(future), future, result, progress)
            except BaseException:
                # Ctrl-C reaches this process alone: its kernels are in sessions
                # of their own. What had ended is in the cache already.
                pool.shutdown(wait=False, cancel_futures=True)
                for child in psutil.Process().children(recursive=True):
                    child.kill()
                raise
        pool.shutdown()
        return result

    def _run(self, chapter: Chapter, env, progress):
        progress.begin(chapter)
        return kernels.run(
            chapter.notebook,
            chapter.path.parent,
            env,
            on_cell_executed=partial(progress.advance, chapter),
        )

    def _finish(self, chapter: Chapter, future, result, progress) -> None:
        """Cache a chapter that ran; keep the account of one that did not."""
        error = future.exception()
        if error is not None:
            self.failures[chapter.name] = f"{type(error).__name__}: {error}"
            result.errored.append(chapter.name)
            progress.end(chapter, "did not start")
            return
        execution = future.result()
        if execution.err is not None:
            self.failures[chapter.name] = kernels.failure(chapter.notebook)
            result.excepted.append(chapter.name)
            progress.end(chapter, "failed")
            return
        self.cache.cache_notebook_bundle(
            CacheBundleIn(
                chapter.notebook,
                str(chapter.path),
                data={"execution_seconds": execution.time},
            ),
            check_validity=False,
            overwrite=True,
        )
        result.succeeded.append(chapter.name)
        seconds = {**self._seconds(), chapter.name: round(execution.time, 1)}
        (self.work / TIMES).write_text(json.dumps(seconds, indent=1))
        progress.end(chapter, "done")

    def _seconds(self) -> dict[str, float]:
        """How long each chapter took when it last ran."""
        try:
            return json.loads((self.work / TIMES).read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return {}


class _progress:
    """A bar a chapter on a terminal; a line a chapter in a log."""

    def __init__(self, chapters, seconds):
        console = Console(stderr=True)
        self.console, self.live = console, console.is_terminal
        self.left = {chapter.name: seconds.get(chapter.name) for chapter in chapters}
        self.total, self.tasks, self.began = len(chapters), {}, {}
        self.bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed}/{task.total} cells"),
            TimeElapsedColumn(),
            console=console,
            disable=not self.live,
        )

    def __enter__(self):
        self.bars.__enter__()
        return self

    def __exit__(self, *exc):
        return self.bars.__exit__(*exc)

    def begin(self, chapter: Chapter) -> None:
        self.began[chapter.name] = time.monotonic()
        cells = sum(cell.cell_type == "code" for cell in chapter.notebook.cells)
        self.tasks[chapter.name] = self.bars.add_task(chapter.name, total=cells)
        if not self.live:
            self._say(f"running {chapter.name}")

    def advance(self, chapter: Chapter, **_) -> None:
        self.bars.advance(self.tasks[chapter.name])

    def end(self, chapter: Chapter, how: str) -> None:
        self.left.pop(chapter.name)
        began = self.began.get(chapter.name, time.monotonic())
        took = time.monotonic() - began
        if chapter.name in self.tasks:
            self.bars.remove_task(self.tasks[chapter.name])
        known = [seconds for seconds in self.left.values() if seconds is not None]
        left = f"{len(self.left)} of {self.total} chapters left"
        if known and len(known) == len(self.left):
            left += f", about {sum(known):.0f} s of running"
        self._say(f"{chapter.name} {how} in {took:.1f} s ({left})")

    def _say(self, line: str) -> None:
        self.console.print(line, highlight=False, soft_wrap=True)


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
    """Before reading: run every chapter whose results are not in the cache."""
    cache = get_cache(app.config.nb_execution_cache_path)
    stale = [
        chapter
        for docname in sorted(docnames)
        if (chapter := read_chapter(env, docname)) and not _cached(cache, chapter)
    ]
    if not stale:
        return
    workers = min(len(stale), int(os.environ.get("BOOK_WORKERS", 0)) or _cores())
    executor = SideBySideExecutor(cache, work=_work(app), workers=workers)
    executor.run_and_cache(stale)
    if executor.failures:
        raise ExtensionError(
            "\n\n".join(
                f"{name}.md failed in {account}"
                for name, account in executor.failures.items()
            )
        )


def read_chapter(env, docname: str) -> Chapter | None:
    """The notebook that a source file holds, or None where it is plain prose."""
    path = Path(env.doc2path(docname))
    notebook = chapter_cache.read_notebook(path, env.myst_config, env.mystnb_config)
    return None if notebook is None else Chapter(docname, path, notebook)


def executed(env, docname: str):
    """The executed notebook of a chapter, or None where it has no code."""
    chapter = read_chapter(env, docname)
    if chapter is None:
        return None
    cache = Path(env.config.nb_execution_cache_path)
    return chapter_cache.executed(chapter.notebook, cache)


def _cached(cache, chapter: Chapter) -> bool:
    try:
        cache.match_cache_notebook(chapter.notebook)
    except KeyError:
        return False
    return True


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _work(app: Sphinx) -> Path:
    return Path(app.outdir).parent / chapter_cache.FOLDER


def setup(app: Sphinx) -> None:
    app.connect("config-inited", choose_cache)
    # After env-get-outdated: docnames are the chapters that Sphinx will read.
    app.connect("env-before-read-docs", run_stale)
