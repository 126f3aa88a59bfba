"""Data, exact posteriors, checks and figures of the book *Borrowing Strength*.

A chapter's models are plain PyMC and stand in the chapter; this package holds
what would distract from them. Dependencies point one way: ``exact`` knows no
plots, ``plots`` knows no models. A part is imported when it is first used.
"""

from importlib import import_module, metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors, which do not see what `__getattr__` returns
    from pooling import datasets, diagnostics, exact, exercises, models, plots, simulate
    from pooling._glue import glue
    from pooling.diagnostics import UnsoundFit, check, diagnose

    __version__: str

__all__ = [
    "UnsoundFit",
    "check",
    "datasets",
    "diagnose",
    "diagnostics",
    "exact",
    "exercises",
    "glue",
    "models",
    "plots",
    "simulate",
]

#: The public functions and classes, and the modules that have them.
_ATTRIBUTES = {
    "UnsoundFit": "diagnostics",
    "check": "diagnostics",
    "diagnose": "diagnostics",
    "glue": "_glue",
}


def __getattr__(name: str):
    if name == "__version__":
        return metadata.version("borrowing-strength")
    if name in _ATTRIBUTES:
        return getattr(import_module(f"pooling.{_ATTRIBUTES[name]}"), name)
    if name in __all__:
        return import_module(f"pooling.{name}")
    raise AttributeError(f"module 'pooling' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__, "__version__"})
