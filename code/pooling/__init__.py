"""Data, exact posteriors, checks and figures of the book *Borrowing Strength*.

A chapter's models are plain PyMC and stand in the chapter; this package holds
what would distract from them. Dependencies point one way: ``exact`` knows no
plots, ``plots`` knows no models.
"""

from pooling import datasets, diagnostics, exact, exercises, plots, simulate
from pooling._glue import glue
from pooling.diagnostics import UnsoundFit, check, diagnose

__all__ = [
    "UnsoundFit",
    "check",
    "datasets",
    "diagnose",
    "diagnostics",
    "exact",
    "exercises",
    "glue",
    "plots",
    "simulate",
]
