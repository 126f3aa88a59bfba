"""Data, exact posteriors, checks and figures of the book *Borrowing Strength*.

A chapter's models are plain PyMC and stand in the chapter; this package holds
what would distract from them. Dependencies point one way: ``exact`` knows no
plots, ``plots`` knows no models. A part is imported when it is first used.
"""

from importlib import import_module

#: The public functions and classes, and the modules that have them.
_ATTRIBUTES = {
    "UnsoundFit": "diagnostics",
    "check": "diagnostics",
    "diagnose": "diagnostics",
    "glue": "_glue",
}
_MODULES = (
    "datasets",
    "diagnostics",
    "exact",
    "exercises",
    "models",
    "plots",
    "simulate",
)

__all__ = sorted([*_ATTRIBUTES, *_MODULES])


def __getattr__(name: str):
    if name in _MODULES:
        return import_module(f"pooling.{name}")
    if name in _ATTRIBUTES:
        return getattr(import_module(f"pooling.{_ATTRIBUTES[name]}"), name)
    raise AttributeError(f"module 'pooling' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*globals(), *__all__]
