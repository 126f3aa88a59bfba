"""Run the cells of a page one after the other, as a notebook would.

``worker.js`` calls :func:`start` once and then :meth:`Session.run` for every cell.
"""

from __future__ import annotations

import ast
from contextlib import redirect_stderr, redirect_stdout
import importlib.abc
import importlib.machinery
import importlib.util
import io
import json
import linecache
import marshal
from pathlib import Path
import sys
import time
import traceback
import types
import warnings

#: What a chain is thinned to, unless the reader asks for all of it.
DRAWS, TUNE = 500, 500
#: Between two reports of progress, in seconds.
PAUSE = 0.1


def start(say) -> Session:
    """Begin a session. `say` takes the messages for the page, as JavaScript does."""
    from js import JSON

    # There is none here, and PyTensor gets on without when it knows.
    sys.modules["numba"] = None
    # PyTensor's C compiler takes its exception from there; nothing is compiled here.
    sys.modules["setuptools"] = types.ModuleType("setuptools")
    errors = sys.modules["setuptools.errors"] = types.ModuleType("setuptools.errors")
    errors.CompileError = type("CompileError", (Exception,), {})
    # It asks Pyodide in a manner that Pyodide finds old.
    warnings.filterwarnings("ignore", module="threadpoolctl")
    session = Session(lambda event: say(JSON.parse(json.dumps({"event": event}))))
    sys.meta_path.insert(0, Adapted(session))
    return session


class Session:
    """The state that the cells of a page share.

    Parameters
    ----------
    tell : callable
        Takes an event as a dict: a ``stream``, a ``display``, ``sampling`` or
        ``thinned``.
    """

    def __init__(self, tell):
        self.tell = tell
        self.main = types.ModuleType("__main__")
        self.main.display = self.display
        sys.modules["__main__"] = self.main
        self.draws = DRAWS
        self.full = False
        self.outputs: list[dict] = []
        self._codes: dict[str, types.CodeType] = {}
        _remember(self._codes)

    def run(self, source: str, name: str, draws: int | None, full: bool) -> str:
        """Run a cell.

        Parameters
        ----------
        source, name : str
            The code, and what a traceback calls it.
        draws : int or None
            How many draws a chain of its fits is thinned to; None for the ordinary
            number.
        full : bool
            Whether its fits are not to be thinned.

        Returns
        -------
        str
            ``{"outputs": [...], "error": null | {...}}`` as JSON.
        """
        self.draws, self.full = draws or DRAWS, full
        self.outputs, error = [], None
        linecache.cache[name] = (len(source), None, source.splitlines(True), name)
        out, err = Stream(self, "stdout"), Stream(self, "stderr")
        with redirect_stdout(out), redirect_stderr(err):
            try:
                value = self._evaluate(source, name)
                if value is not None:
                    self.main._ = value
                    self.display(value)
                self._show_figures()
            except BaseException as raised:
                error = told(raised, name)
                _close_figures()
        return json.dumps({"outputs": self.outputs, "error": error})

    def _evaluate(self, source: str, name: str):
        """Execute a cell; the value of a last expression that asks to be shown."""
        tree = ast.parse(source, name)
        last = None
        silent = source.rstrip().endswith(";")
        if tree.body and isinstance(tree.body[-1], ast.Expr):
            last = ast.Expression(tree.body.pop().value)
        exec(compile(tree, name, "exec"), self.main.__dict__)
        if last is None:
            return None
        value = eval(compile(last, name, "eval"), self.main.__dict__)
        return None if silent else value

    def display(self, *values) -> None:
        """Show values as a notebook does: as HTML where they have it."""
        for value in values:
            data = {"text/plain": repr(value)}
            make = getattr(value, "_repr_html_", None)
            if make is not None and (html := make()):
                data["text/html"] = html
            self.put({"type": "display", "data": data})

    def put(self, output: dict) -> None:
        """Send an output to the page at once, and keep it for the result."""
        last = self.outputs[-1] if self.outputs else {}
        if output["type"] == "stream" == last.get("type") and (
            output["name"] == last["name"]
        ):
            last["text"] += output["text"]
        else:
            self.outputs.append(dict(output))
        self.tell(output)

    def _show_figures(self) -> None:
        if "matplotlib.pyplot" not in sys.modules:
            return
        import matplotlib.pyplot as plt

        from pooling import plots

        for number in plt.get_fignums():
            svg = plots.svg(plt.figure(number))
            self.put({"type": "display", "data": {"image/svg+xml": svg}})
        plt.close("all")

    def compiled(self) -> list[tuple[str, bytes]]:
        """What was compiled since the last call, as files for ``site-packages``.

        Python itself would write each file as it imports, which takes longer here
        than the import.
        """
        codes, site = dict(self._codes), Path(__file__).parents[1]
        self._codes.clear()
        # Flag 1: the source need not be asked, whose date is another after the
        # next start. The hash of the source, eight bytes, is not looked at.
        header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little") + bytes(8)
        return [
            (
                str(Path(importlib.util.cache_from_source(path)).relative_to(site)),
                header + marshal.dumps(code),
            )
            for path, code in codes.items()
            if Path(path).is_relative_to(site)
        ]


def _remember(codes: dict[str, types.CodeType]) -> None:
    """Have every module that is compiled from its source put into `codes`."""
    loader = importlib.machinery.SourceFileLoader
    compile_source = loader.source_to_code

    def source_to_code(self, data, path, **options):
        code = compile_source(self, data, path, **options)
        codes[path] = code
        return code

    loader.source_to_code = source_to_code


def _close_figures() -> None:
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


class Stream(io.TextIOBase):
    """What a cell prints, sent to the page as it comes."""

    def __init__(self, session: Session, name: str):
        self.session, self.name = session, name

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text:
            self.session.put({"type": "stream", "name": self.name, "text": text})
        return len(text)


def told(error: BaseException, name: str) -> dict:
    """An exception as the reader is told of it: through their own code alone."""
    summary = traceback.TracebackException.from_exception(error, capture_locals=False)
    # Cells are called by names that no file has.
    own = [frame for frame in summary.stack if frame.filename.startswith("cell ")]
    lines = ["Traceback (most recent call last):\n"] if own else []
    lines += traceback.StackSummary.from_list(own).format()
    lines += summary.format_exception_only()
    return {
        "name": type(error).__name__,
        "message": str(error),
        "traceback": "".join(lines),
    }


class Adapted(importlib.abc.MetaPathFinder):
    """Adapts PyMC and the book's module to a browser, as they are imported."""

    def __init__(self, session: Session):
        self.session = session
        self.todo = {
            "pymc": adapt_pymc,
            "pooling": adapt_pooling,
            "pytensor": adapt_pytensor,
        }

    def find_spec(self, fullname, path=None, target=None):
        adapt = self.todo.pop(fullname, None)
        if adapt is None:
            return None
        spec = importlib.util.find_spec(fullname)
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            adapt(module, self.session)

        spec.loader.exec_module = exec_module
        return spec


def adapt_pytensor(pytensor, session: Session) -> None:
    """Let PyTensor compile to NumPy calls."""
    from . import numpy_linker

    numpy_linker.install()


def adapt_pymc(pymc, session: Session) -> None:
    """One process, fewer draws unless all are wanted, and progress for the page."""
    import functools
    import inspect
    import logging

    from . import quick_nuts

    quick_nuts.install()
    # The page says what it does.
    logging.getLogger("pymc").setLevel(logging.WARNING)
    for name in ("sample_prior_predictive", "sample_posterior_predictive", "find_MAP"):
        plain = getattr(pymc, name)
        silent = functools.partial(plain, progressbar=False)
        setattr(pymc, name, functools.update_wrapper(silent, plain))

    original = pymc.sample
    signature = inspect.signature(original)

    @functools.wraps(original)
    def sample(*args, **kwargs):
        given = signature.bind(*args, **kwargs).arguments
        given |= given.pop("kwargs", {})
        asked = {
            "chains": given.get("chains") or 4,
            "draws": given.get("draws", 1000),
            "tune": given.get("tune", 1000),
        }
        did = asked
        if not session.full:
            did = {
                "chains": asked["chains"],
                "draws": min(asked["draws"], session.draws),
                "tune": min(asked["tune"], TUNE),
            }
        if did != asked:
            session.tell({"type": "thinned", "asked": asked, "did": did})
        given |= did
        given |= {
            "cores": 1,
            "progressbar": False,
            "compute_convergence_checks": False,
            "callback": Progress(session, did, given.get("callback")),
        }
        return original(**given)

    pymc.sample = sample


class Progress:
    """PyMC's callback: tells the page how far the chains are."""

    def __init__(self, session: Session, did: dict, callback=None):
        self.session, self.did, self.callback = session, did, callback
        self.each = did["draws"] + did["tune"]
        self.total = self.each * did["chains"]
        self.count = self.divergences = 0
        self.began = self.told = time.perf_counter()

    def __call__(self, trace, draw):
        if self.callback is not None:
            self.callback(trace=trace, draw=draw)
        self.count += 1
        if not draw.tuning and draw.stats and draw.stats[0].get("diverging"):
            self.divergences += 1
        now = time.perf_counter()
        if now - self.told < PAUSE and self.count < self.total:
            return
        self.told = now
        rate = self.count / max(now - self.began, 1e-9)
        self.session.tell(
            {
                "type": "sampling",
                "chain": draw.chain + 1,
                "chains": self.did["chains"],
                "draw": self.count - draw.chain * self.each,
                "total": self.each,
                "perSecond": rate,
                "secondsLeft": (self.total - self.count) / rate,
                "divergences": self.divergences,
            }
        )


def adapt_pooling(pooling, session: Session) -> None:
    """Let an unsound fit be said, and go on: with few draws, many are."""
    from pooling import diagnostics

    original = diagnostics.check

    def check(idata, expect=None, *, name=None):
        name = name or diagnostics._name_of(idata, sys._getframe(1))
        try:
            original(idata, expect, name=name)
        except diagnostics.UnsoundFit as error:
            few = "" if session.full else " With all draws it may differ."
            print(f"✗ {error}.{few}")

    check.__doc__ = original.__doc__
    pooling.check = diagnostics.check = check
