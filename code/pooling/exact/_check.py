"""Arguments checked at the door: each error names the argument and the value."""

import numpy as np

#: Numbers larger than this, whose squares' products overflow, need another unit; so
#: do scales that are smaller than one over it.
LARGEST = 1e100


def real_array(name, value, *, ndim_min=0):
    """``value`` as an array of finite floats, or a ``ValueError``."""
    not_masked(name, value)
    try:
        raw = np.asarray(value)
    except ValueError:
        raise ValueError(
            f"{name} must be a rectangular array, not {_shown(value)}"
        ) from None
    if raw.dtype.kind not in "fiub":
        try:  # objects such as pandas' nullable integers are numbers too
            if raw.dtype.kind != "O" or any(isinstance(v, str) for v in raw.ravel()):
                raise TypeError
            raw = raw.astype(float)
        except (TypeError, ValueError):
            raise ValueError(
                f"{name} must be real numbers, not {_shown(value)}"
            ) from None
    array = raw.astype(float)
    if array.ndim < ndim_min:
        raise ValueError(
            f"{name} must have at least {ndim_min} dimension(s), not {_shown(value)}"
        )
    if array.size == 0:
        raise ValueError(f"{name} must not be empty; it has shape {array.shape}")
    bad = ~np.isfinite(array)
    if bad.any():
        raise ValueError(f"{name} must be finite, but {_where(name, array, bad)}")
    bad = np.abs(array) > LARGEST
    if bad.any():
        raise ValueError(
            f"{name} must be at most {LARGEST:g} in size, so that its squares are "
            f"numbers, but {_where(name, array, bad)}; use a larger unit"
        )
    return array


def not_masked(name, value):
    """An error if entries of ``value`` are masked: NumPy would use what is below."""
    if np.ma.is_masked(value):
        raise ValueError(f"{name} must have no masked entries")


def positive_array(name, value, *, ndim_min=0):
    """``value`` as an array of finite floats above zero, or a ``ValueError``."""
    array = real_array(name, value, ndim_min=ndim_min)
    bad = array <= 0
    if bad.any():
        raise ValueError(f"{name} must be above zero, but {_where(name, array, bad)}")
    return not_tiny(name, array)


def not_tiny(name, array):
    """``array``, or an error if it has positive numbers that need a smaller unit."""
    bad = array < 1 / LARGEST
    if bad.any():
        raise ValueError(
            f"{name} must be at least {1 / LARGEST:g}, so that its square is a "
            f"number, but {_where(name, array, bad)}; use a smaller unit"
        )
    return array


def non_negative_array(name, value):
    """``value`` as an array of finite floats, none below zero, or a ``ValueError``."""
    array = real_array(name, value)
    bad = array < 0
    if bad.any():
        raise ValueError(f"{name} must not be negative, but {_where(name, array, bad)}")
    return array


def probabilities(name, value):
    """``value`` as an array of numbers from 0 to 1, or a ``ValueError``."""
    array = real_array(name, value)
    bad = (array < 0) | (array > 1)
    if bad.any():
        raise ValueError(
            f"{name} must lie between 0 and 1, but {_where(name, array, bad)}"
        )
    return array


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
