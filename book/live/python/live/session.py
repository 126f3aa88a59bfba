"""Run the cells of a page one after the other, as a notebook would.

``worker.js`` calls :func:`start` once and then :meth:`Session.run` for every cell.
"""

from __future__ import annotations

import ast
from contextlib import redirect_stderr, redirect_stdout
import functools
import gc
import importlib
import importlib.abc
import importlib.util
import io
import json
import linecache
import random
import sys
import time
import traceback
import types
import warnings

#: Draws and tuning steps of a chain, unless the reader asks for all.
DRAWS, TUNE = 500, 500
#: A fit with a smaller R-hat may fail for no other reason than too few draws.
APART = 1.05
#: Between two reports of progress, in seconds.
PAUSE = 0.1


#: The modules that chapters import.
MODULES = (
    "numpy", "pandas", "matplotlib.pyplot", "matplotlib.backends.backend_svg",
    "scipy.stats", "xarray", "arviz", "pytensor", "pymc", "pooling", "pooling.plots",
)

session = None


def prepare() -> tuple[str, ...]:
    """Adapt Python to a browser; the modules that :func:`load` is to import."""
    global session
    # PyTensor works without numba if its import fails.
    sys.modules["numba"] = None
    # PyTensor imports an exception of its C compiler from setuptools; nothing is
    # compiled here.
    sys.modules["setuptools"] = types.ModuleType("setuptools")
    errors = sys.modules["setuptools.errors"] = types.ModuleType("setuptools.errors")
    errors.CompileError = type("CompileError", (Exception,), {})
    # It uses a method of Pyodide that is deprecated.
    warnings.filterwarnings("ignore", module="threadpoolctl")
    session = Session()
    sys.meta_path.insert(0, Adapted(session))
    return MODULES


def load(name: str) -> None:
    """Import a module, so that an image of the memory holds it."""
    importlib.import_module(name)


def rest() -> None:
    """Close files that nobody reads any more: an image of the memory holds none."""
    # The finder of packages' metadata keeps the standard library's archive open.
    importlib.invalidate_caches()
    gc.collect()


def start(say) -> Session:
    """Begin the session; `say` is the function of JavaScript that tells the page."""
    from js import JSON
    import numpy as np

    # Generators in an image of the memory would repeat the same numbers.
    random.seed()
    np.random.seed()
    session.tell = lambda event: say(JSON.parse(json.dumps({"event": event})))
    return session


class Session:
    """The state that the cells of a page share.

    Attributes
    ----------
    tell : callable
        Takes an event as a dict: a ``stream``, a ``display``, ``sampling`` or
        ``thinned``.
    """

    def __init__(self):
        self.tell = None
        self.main = types.ModuleType("__main__")
        self.main.display = self.display
        sys.modules["__main__"] = self.main
        self.full = False
        self.outputs: list[dict] = []

    def run(self, source: str, name: str, full: bool) -> str:
        """Run a cell.

        Parameters
        ----------
        source, name : str
            The code, and what a traceback calls it.
        full : bool
            Whether its fits take all the draws that the code asks for.

        Returns
        -------
        str
            ``{"outputs": [...], "error": null | {...}}`` as JSON.
        """
        self.full = full
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
        """Execute a cell; return the value of its last expression, if it is shown."""
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


def _close_figures() -> None:
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


class Stream(io.TextIOBase):
    """What a cell prints, sent to the page at once."""

    def __init__(self, session: Session, name: str):
        self.session, self.name = session, name

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if text:
            self.session.put({"type": "stream", "name": self.name, "text": text})
        return len(text)


def told(error: BaseException, name: str) -> dict:
    """An exception with a traceback through the reader's own code alone."""
    summary = traceback.TracebackException.from_exception(error, capture_locals=False)
    # Cells have names that no file has.
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
    """Sample in one process, with fewer draws by default, and report the progress."""
    import functools
    import inspect
    import logging

    from . import quick_nuts

    quick_nuts.install()
    # The page shows the progress.
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
            # Many chains are short, so that together they take no longer than four.
            share = min(1, 4 / asked["chains"])
            did = {
                "chains": asked["chains"],
                "draws": min(asked["draws"], int(share * DRAWS)),
                "tune": min(asked["tune"], int(share * TUNE)),
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
    """Report an unsound fit without stopping: with few draws, many fits are unsound."""
    from pooling import _records, diagnostics

    original = diagnostics.check

    @functools.wraps(original)
    def check(idata, *arguments, name=None, **more):
        name = name or _records.name_of(idata, sys._getframe(1))
        try:
            original(idata, *arguments, name=name, **more)
        except diagnostics.UnsoundFit as error:
            if session.full:
                print(f"✗ {error}.")
                return
            found = diagnostics.diagnose(idata, name=name)
            few = set(found.failures) <= {"rhat", "ess"} and found.rhat < APART
            if few and not (arguments or more.get("expect")):
                label = f"{name}: " if name else ""
                print(
                    f"? {label}too few draws to judge this fit: {found.summary()}. "
                    "“Run with all draws” decides."
                )
            else:
                print(f"✗ {error}. With all draws it may differ.")

    pooling.check = diagnostics.check = check
