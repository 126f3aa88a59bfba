"""Arguments of public functions, checked before anything is computed.

Every function returns the value in the form that the caller computes with, or raises a
``ValueError`` that names the argument, what it must be, and what was given. Strings and
truth values are no numbers.
"""

from decimal import Decimal
from fractions import Fraction

import numpy as np


def real_array(name, value, *, ndim_min=0, boolean=False):
    """``value`` as an array of finite floats, or a ``ValueError``.

    An array of floats is returned itself, since a copy of many rows takes memory.
    Truth values are numbers only where ``boolean`` says so: a predictor may be one.
    """
    if np.ma.isMaskedArray(value) and np.ma.getmaskarray(value).any():
        raise ValueError(f"{name} must have no masked values")
    try:
        raw = np.asarray(value)
    except (TypeError, ValueError):
        raise ValueError(
            f"{name} must be a rectangular array, not {_shown(value)}"
        ) from None
    array = _as_floats(name, raw, value, boolean)
    if array.ndim < ndim_min:
        raise ValueError(
            f"{name} must have at least {ndim_min} dimension(s), not {_shown(value)}"
        )
    if array.size == 0:
        raise ValueError(f"{name} must not be empty; it has shape {array.shape}")
    finite = np.isfinite(array)
    if not finite.all():
        raise ValueError(f"{name} must be finite, but {_where(name, array, ~finite)}")
    return array


def _as_floats(name, raw, value, boolean):
    if raw.dtype.kind in ("fiub" if boolean else "fiu"):
        with np.errstate(over="ignore"):  # of a wider type than double
            return raw.astype(float, copy=False)
    if raw.dtype.kind == "O":  # objects such as pandas' nullable integers
        numbers = (int, float, np.number, Decimal, Fraction)
        allowed = (*numbers, bool, np.bool_) if boolean else numbers
        wrong = (str, complex, np.complexfloating, np.datetime64, np.timedelta64)
        if not boolean:
            wrong = (*wrong, bool, np.bool_)
        each = raw.ravel()
        if not any(isinstance(v, wrong) or not isinstance(v, allowed) for v in each):
            try:
                return raw.astype(float)
            except OverflowError:
                raise ValueError(
                    f"{name} must be finite, not {_shown(value)}"
                ) from None
    raise ValueError(f"{name} must be real numbers, not {_shown(value)}")


def positive_array(name, value, *, ndim_min=0):
    """``value`` as an array of finite floats above zero, or a ``ValueError``."""
    array = real_array(name, value, ndim_min=ndim_min)
    bad = array <= 0
    if bad.any():
        raise ValueError(f"{name} must be above zero, but {_where(name, array, bad)}")
    return array


def non_negative_array(name, value):
    """``value`` as an array of finite floats, none below zero, or a ``ValueError``."""
    array = real_array(name, value)
    bad = array < 0
    if bad.any():
        raise ValueError(f"{name} must not be negative, but {_where(name, array, bad)}")
    return array


def array_of(name, value, *, ndim=1, size=None, like=None):
    """``value`` as an array of finite floats of a shape, or a ``ValueError``.

    ``ndim`` is the number of dimensions, None for any; ``size`` is how many numbers
    there must be; ``like`` is another argument of the same shape: its name and array.
    """
    array = real_array(name, value)
    if like is not None:
        same_shape(name, array, *like)
    if ndim is not None and array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimension(s), not {array.ndim}")
    if size is not None and array.size != size:
        raise ValueError(f"{name} must have length {size}, not {array.size}")
    return array


def number(name, value):
    """``value`` as one finite float, or a ``ValueError``."""
    array = real_array(name, value)
    if array.ndim:
        raise ValueError(f"{name} must be one number, not of shape {array.shape}")
    return float(array)


def non_negative_number(name, value):
    """``value`` as one finite float of zero or more, or a ``ValueError``."""
    return number(name, non_negative_array(name, value))


def same_shape(name, array, other_name, other):
    """An error unless both arrays have the same shape."""
    if array.shape != other.shape:
        raise ValueError(
            f"{name} must have the shape of {other_name}, {other.shape}, "
            f"not {array.shape}"
        )


def increasing(name, array):
    """An error unless there are two numbers or more, each above the one before."""
    if array.size < 2 or (np.diff(array) <= 0).any():
        raise ValueError(
            f"{name} must hold at least two values that increase, not {_shown(array)}"
        )


def counts(name, value, *, least=0, ndim_min=0):
    """``value`` as an array of floats that are whole numbers, or a ``ValueError``."""
    array = real_array(name, value, ndim_min=ndim_min)
    bad = (array != np.floor(array)) | (array < least)
    if bad.any():
        raise ValueError(
            f"{name} must be whole numbers of at least {least}, but "
            f"{_where(name, array, bad)}"
        )
    bad = array > 1e15
    if bad.any():
        raise ValueError(f"{name} must not exceed 1e15, but {_where(name, array, bad)}")
    return array


def one_a_group(name, array, other_name, other):
    """An error unless both arrays have one value a group, of the same groups."""
    for each, values in ((name, array), (other_name, other)):
        if values.ndim != 1:
            raise ValueError(f"{each} must have shape (J,), not {values.shape}")
    if len(array) != len(other):
        raise ValueError(
            f"{name} and {other_name} must have one value a group, but {name} has "
            f"{len(array)} and {other_name} has {len(other)}"
        )


def one_a_label(name, array, label):
    """An array, one number or one for each label, as one for each; flat, (M,)."""
    if array.shape not in ((), label.shape):
        raise ValueError(
            f"{name} must be one number or have the shape of group, {label.shape}, "
            f"not {array.shape}"
        )
    return np.broadcast_to(array, label.shape).ravel()


def known_scale(name, value):
    """``value`` as an array (T,) or (), none below zero, or a ``ValueError``."""
    array = non_negative_array(name, value)
    if array.ndim > 1:
        raise ValueError(f"{name} must be a number or (T,), not of shape {array.shape}")
    return array.copy()  # which becomes a coordinate of results


def ordinary_size(name, array):
    """An error unless squares and ratios of all numbers can be computed with."""
    bad = ~((np.abs(array) > 1e-100) & (np.abs(array) < 1e100))
    if bad.any():
        raise ValueError(
            f"{name} must lie between 1e-100 and 1e100, but "
            f"{_where(name, np.asarray(array), bad)}; change the unit"
        )


def ordinary_range(name, ratio, unit):
    """An error if ``name`` is too many times ``unit`` for squares of the ratio."""
    if not np.all(np.abs(ratio) < 1e50):
        raise ValueError(
            f"{name} must not exceed {unit} by a factor of more than 1e50; "
            f"it does by {np.abs(ratio).max():.3g}"
        )


def probabilities(name, value):
    """``value`` as an array of numbers from 0 to 1, or a ``ValueError``."""
    array = real_array(name, value)
    bad = (array < 0) | (array > 1)
    if bad.any():
        raise ValueError(
            f"{name} must lie between 0 and 1, but {_where(name, array, bad)}"
        )
    return array.copy()  # which becomes a coordinate of results


def one_of(name, value, allowed):
    """``value`` if it is among the allowed names, or a ``ValueError``."""
    if not isinstance(value, str) or value not in allowed:
        listed = ", ".join(repr(a) for a in allowed)
        raise ValueError(f"{name} must be one of {listed}, not {value!r}")
    return value


def whole_number(name, value):
    """``value`` as an int of at least 1, or a ``ValueError``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise ValueError(f"{name} must be a whole number, not {value!r}")
    if value < 1:
        raise ValueError(f"{name} must be at least 1, not {value}")
    return int(value)


def generator(name, value):
    """``value`` if it is a NumPy ``Generator``, or a ``ValueError``."""
    if not isinstance(value, np.random.Generator):
        raise ValueError(
            f"{name} must be a numpy.random.Generator such as "
            f"np.random.default_rng(1), not {value!r}"
        )
    return value


def _where(name, array, bad):
    index = tuple(int(i) for i in np.argwhere(bad)[0])
    place = f"{name}[{', '.join(map(str, index))}]" if index else name
    others = int(bad.sum()) - 1
    return f"{place} is {array[index]}" + (f" (and {others} more)" if others else "")


def _shown(value, length=60):
    text = repr(value).replace("\n", " ")
    return text if len(text) <= length else text[: length - 1] + "…"
