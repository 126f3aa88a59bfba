"""What the executed chapters left behind: records of fits, and glued numbers."""

from __future__ import annotations

from functools import cache

import nbformat
import pytest

from _sphinx.executing import records
import chapters


@cache
def executed(name: str) -> nbformat.NotebookNode:
    """The executed notebook of a chapter, such as ``pooling/radon``."""
    return chapters.executed(f"book/{name}")


@pytest.fixture(scope="session")
def ran():
    """Call with a chapter's name: its executed notebook."""
    return executed


@pytest.fixture(scope="session")
def glued():
    """Call with a chapter's name: its glued numbers, by key."""
    return lambda name: records.glued(executed(name))


@pytest.fixture(scope="module")
def numbers(request, glued):
    """The glued numbers of the module's `CHAPTER`, by key: records."""
    return glued(request.module.CHAPTER)


@pytest.fixture(scope="module")
def value(numbers):
    """The values of the glued numbers, by key."""
    return {key: record["value"] for key, record in numbers.items()}


@pytest.fixture(scope="session")
def fits():
    """Call with a chapter's name: the records of its fits, in order."""
    return lambda name: records.fits(executed(name))


@pytest.fixture(scope="session")
def close():
    """Assert that a glued number is within Monte Carlo error of a reference.

    The bound is ``4·sqrt(mcse² + mcse_ref²)``; `rounding` is half a unit of the
    last printed place of a published value.
    """

    def check(record, reference, *, mcse_ref=0.0, rounding=0.0):
        mcse = record["mcse"] or 0.0
        bound = 4 * (mcse**2 + mcse_ref**2) ** 0.5 + rounding
        assert bound > 0, f"{record['key']}: say how close it should be"
        gap = abs(record["value"] - reference)
        assert gap <= bound, (
            f"{record['key']} is {record['value']}, {gap:.3g} from {reference}: "
            f"more than {bound:.3g}"
        )

    return check
