"""Carry a number from the cell that computed it into the prose."""

from __future__ import annotations

import math
import numbers

from pooling import _records

#: The MIME type of the record that :func:`glue` leaves in a cell's output.
RECORD = _records.GLUED


def glue(key: str, value, fmt: str = ".2f", *, mcse=None) -> None:
    """Give a number to the prose, under a key.

    In a build of the book the text replaces ``{glue:text}`key```; anywhere else
    this does nothing but check its arguments.

    Parameters
    ----------
    key : str
        The name that the prose uses, unique in its chapter.
    value : float, int or str
        A finite number, NumPy's included, or a finished string.
    fmt : str, default ".2f"
        How a number is printed; a string is printed as it is. A minus sign is
        printed as such (−), not as a hyphen.
    mcse : float, optional
        The Monte Carlo standard error of a number that comes from draws, in its
        own unit: the tests of the book compare within it.

    Raises
    ------
    ValueError
        If `key` is empty, `value` is not a finite number or a string, or `mcse`
        is negative or not finite.
    """
    if not isinstance(key, str) or not key.strip():
        raise ValueError(f"key must be a name; got {key!r}")
    if isinstance(value, str):
        number, text = None, value
    else:
        number = _number(value, "value")
        text = format(number, fmt).replace("-", "−")
        if not set(text) & set("123456789"):
            # Rounded to zero, which has no sign.
            text = text.removeprefix("−")
    if mcse is not None:
        mcse = float(_number(mcse, "mcse"))
        if mcse < 0:
            raise ValueError(f"mcse must not be negative; got {mcse}")

    _records.leave(
        {
            # Quoted, since myst-nb evaluates the text: 2.80 would become 2.8.
            _records.PREFIX + "text/plain": repr(text),
            RECORD: {"key": key, "value": number, "text": text, "mcse": mcse},
        },
        metadata={"scrapbook": {"name": key, "mime_prefix": _records.PREFIX}},
    )


def _number(value, name: str) -> int | float:
    """`value` as a plain Python number."""
    item = value.item() if getattr(value, "size", 0) == 1 else value
    if isinstance(item, bool) or not isinstance(item, numbers.Real):
        raise ValueError(f"{name} must be a finite number or a string; got {value!r}")
    if not math.isfinite(item):
        raise ValueError(f"{name} must be finite; got {item}")
    return int(item) if isinstance(item, numbers.Integral) else float(item)
