"""Rows of data reduced to what the groups' sums say of them."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from pooling import _check

_ROWS = 2**14  # of a block that stays in a processor's cache
_ROUNDING = 1e-13  # a difference below this share of the numbers is rounding


class Groups(NamedTuple):
    """Sufficient statistics of a linear model with varying intercepts.

    The columns ``z`` are those of X, each divided by its root mean square, and
    then the residual of y from least squares (so that a large constant in y costs
    no digits). Groups of one size enter the likelihood only through a sum.
    """

    labels: np.ndarray  # (J,)
    count: np.ndarray  # (J,) rows in each group
    z_mean: np.ndarray  # (J, p + 1) means of the columns in each group
    within: np.ndarray  # (p + 1, p + 1) products of deviations from those means
    sizes: np.ndarray  # (U,) the sizes that occur
    size_index: np.ndarray  # (J,) which of them a group has
    groups_of_size: np.ndarray  # (U,)
    between: np.ndarray  # (U, p + 1, p + 1) products of means, summed over a size
    offset: np.ndarray  # (p,) least-squares coefficients, of the columns of X
    scale: np.ndarray  # (p,) root mean squares of the columns of X
    residual_sd: float  # a unit of length for y

    @property
    def rows(self):
        return int(self.count.sum())


def summarise(y, code, labels, x):
    """Reduce rows to `Groups`, in a time proportional to the number of rows.

    ``x`` has shape (N, p), or is None for a constant alone.
    """
    constant = x is None
    if constant:
        scale, offset = np.ones(1), np.mean(y, keepdims=True)
        residual = y - offset
    else:
        scale = np.sqrt(np.einsum("np,np->p", x, x) / len(x))
        scale[scale == 0] = 1.0
        offset = _least_squares(x, scale, y) / scale
        residual = y - x @ offset
    largest = np.abs(y).max()
    if np.abs(residual).max() <= _ROUNDING * largest:
        residual = np.zeros_like(y)
    count = np.bincount(code)
    means, deviations = [], []
    for i in range(0 if constant else x.shape[1]):
        mean, deviation = _split(x[:, i] / scale[i], code, count)
        means.append(mean)
        deviations.append(deviation)
    mean, deviation = _split(residual, code, count)
    means.append(mean)
    deviations.append(deviation)
    if not constant and len(y) > len(count) and _explained(deviations):
        # X explains all that differs within groups. From here on y is what remains
        # between them, and no longer the residual of least squares.
        fit = np.linalg.lstsq(
            np.stack(deviations[:-1], axis=1), deviations[-1], rcond=None
        )[0]
        offset = offset + fit / scale
        residual = y - x @ offset
        means[-1] = np.bincount(code, residual) / count
        deviations[-1] = np.zeros_like(y)
    within = np.array([[a @ b for b in deviations] for a in deviations])
    if constant:
        means.insert(0, np.ones(len(count)))
        within = np.pad(within, ((1, 0), (1, 0)))
    groups_of_size = np.bincount(count)
    sizes = np.flatnonzero(groups_of_size)
    which = np.searchsorted(sizes, count)
    between = np.empty((len(sizes), len(means), len(means)))
    for i, a in enumerate(means):
        for j, b in enumerate(means):
            between[:, i, j] = np.bincount(which, a * b)
    sd = np.sqrt(residual @ residual / len(y))
    return Groups(
        labels=labels,
        count=count,
        z_mean=np.stack(means, axis=1),
        within=within,
        sizes=sizes.astype(float),
        size_index=which,
        groups_of_size=groups_of_size[sizes],
        between=between,
        offset=offset,
        scale=scale,
        residual_sd=float(sd) if sd > 0 else float(largest) or 1.0,
    )


def _split(column, code, count):
    """Means of the groups, and the rows' deviations from them."""
    mean = np.bincount(code, column) / count
    deviation = column - mean[code]
    # A column that is constant in a group deviates from its mean by rounding.
    deviation[np.abs(deviation) <= _ROUNDING * np.abs(column).max()] = 0.0
    return mean, deviation


def _explained(columns):
    """Whether the last column is a combination of the others, but for rounding."""
    last = columns[-1]
    products = np.array([[a @ b for b in columns] for a in columns])
    scale = np.sqrt(np.diag(products))
    if not scale[-1]:
        return False
    scale[scale == 0] = 1.0
    products /= np.outer(scale, scale)
    fit = np.linalg.lstsq(products[:-1, :-1], products[:-1, -1], rcond=1e-12)[0]
    if products[:-1, -1] @ fit < 1 - 1e-6:
        return False
    x = np.stack(columns[:-1], axis=1)
    fit = np.linalg.lstsq(x, last, rcond=None)[0]
    return np.abs(last - x @ fit).max() <= _ROUNDING * 10 * np.abs(last).max()


def _least_squares(x, scale, y):
    """Coefficients of least squares, from the triangle of a QR decomposition."""
    triangle = _triangle(x, 1 / scale, y)
    p = x.shape[1]
    return np.linalg.lstsq(triangle[:, :p], triangle[:, p], rcond=None)[0]


def _triangle(x, scale, y=None):
    """Triangle of the QR decomposition of x * scale, and y beside it, by blocks."""
    found = np.empty((0, x.shape[1] + (y is not None)))
    for start in range(0, len(x), _ROWS):
        part = slice(start, start + _ROWS)
        block = x[part] * scale
        if y is not None:
            block = np.column_stack([block, y[part]])
        found = np.linalg.qr(np.concatenate([found, block]), mode="r")
    return found


def _largest(x):
    """The largest size of a number in each column, one column after another."""
    return np.array([np.abs(each).max() for each in x.T])


def rank(x):
    """Number of independent columns of ``x`` (N, p)."""
    triangle = _triangle(x, 1 / np.maximum(_largest(x), 1e-300))
    rounding = max(x.shape) * np.finfo(float).eps
    return int(np.linalg.matrix_rank(triangle, rtol=rounding))


def encode(name, group, rows):
    """Codes and labels of the groups, sorted or in the order of the categories.

    Raises
    ------
    ValueError
        If a label is missing or of no usable kind, or a category has no rows.
    """
    categorical = getattr(group, "cat", group)
    categories = getattr(categorical, "categories", None)
    if categories is not None:
        code = np.asarray(categorical.codes)
        _check_length(name, code, rows)
        _check_none_missing(name, code < 0)
        count = np.bincount(code, minlength=len(categories))
        without = categories[count == 0].tolist()
        if without:
            raise ValueError(
                f"{name} has groups with no rows: "
                f"{', '.join(map(repr, without[:5]))}"
                f"{' and more' if len(without) > 5 else ''}; drop them with "
                "remove_unused_categories()"
            )
        return code.astype(np.intp), np.asarray(categories)
    label = as_labels(name, group)
    _check_length(name, label, rows)
    if label.dtype.kind in "biu":
        low, high = int(label.min()), int(label.max())
        if high - low <= 4 * rows:
            shifted = (label.astype(object) if high > 2**62 else label) - low
            shifted = shifted.astype(np.intp)
            present = np.bincount(shifted) > 0
            code = (np.cumsum(present) - 1)[shifted]
            return code, (np.flatnonzero(present) + low).astype(label.dtype)
    code, found = pd.factorize(label)
    try:
        order = np.argsort(found, kind="stable")
    except TypeError:
        raise ValueError(
            f"{name} must have labels that can be sorted, not of several kinds"
        ) from None
    place = np.empty(len(order), np.intp)
    place[order] = np.arange(len(order))
    return place[code], np.asarray(found)[order]


def _check_length(name, label, rows):
    if label.shape != (rows,):
        raise ValueError(
            f"{name} must have one label a row, {rows} in all; "
            f"its shape is {label.shape}"
        )


def _check_none_missing(name, missing):
    if missing.any():
        at = int(np.flatnonzero(missing)[0])
        raise ValueError(
            f"{name} must have no missing labels, but {name}[{at}] is missing"
        )


def as_labels(name, group):
    """A group's labels as an array without missing values."""
    if np.ma.isMaskedArray(group) and np.ma.getmaskarray(group).any():
        _check_none_missing(name, np.ma.getmaskarray(group).ravel())
    try:
        label = np.asarray(group)
    except ValueError:
        raise ValueError(f"{name} must have one label a row") from None
    if label.size == 0:
        raise ValueError(f"{name} must not be empty")
    if label.dtype.kind not in "biufOUSMm" or label.dtype == np.longdouble:
        raise ValueError(
            f"{name} must have labels such as whole numbers or strings, "
            f"not of type {label.dtype}"
        )
    if label.dtype.kind not in "biu":
        missing = pd.isna(label.ravel())
        if label.dtype.kind == "f":
            missing |= np.isinf(label.ravel())
        _check_none_missing(name, missing)
    if label.dtype.kind == "O":
        kinds = {type(v) for v in label.ravel()}
        if any(not issubclass(k, (str, bytes, int, float, np.generic)) for k in kinds):
            # Dates and other labels that pandas can hold.
            try:
                pd.Index(label.ravel()).is_unique  # noqa: B018
            except TypeError:
                raise ValueError(
                    f"{name} must have labels such as whole numbers or strings"
                ) from None
    return label


def match(name, group, labels):
    """Positions of ``group`` among ``labels``; -1 for a group that is not there."""
    if isinstance(group, (list, tuple)) and len({type(g) for g in group}) > 1:
        # NumPy would turn numbers beside a string into strings.
        group = np.array([*group, None], object)[:-1]
    label = as_labels(name, group)
    if label.ndim > 1:
        raise ValueError(f"{name} must be a label or (M,), not {label.shape}")
    try:
        return pd.Index(labels).get_indexer(pd.Index(label.ravel()))
    except TypeError:
        raise ValueError(
            f"{name} must have labels such as whole numbers or strings"
        ) from None


def design(name, x, rows):
    """Columns of predictors (rows, p), or None, and what they are called."""
    if x is None:
        return None, np.array(["intercept"])
    columns = getattr(x, "columns", None)
    if columns is not None:
        if not len(columns):
            raise ValueError(f"{name} must have a column")
        array = np.column_stack(
            [
                _check.real_array(f"{name}[{c!r}]", x.iloc[:, i], boolean=True)
                for i, c in enumerate(columns)
            ]
        )
    else:
        array = _check.real_array(name, x, ndim_min=1, boolean=True)
        array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != rows:
        raise ValueError(
            f"{name} must have shape ({rows},) or ({rows}, p), one row a value of y; "
            f"its shape is {array.shape}"
        )
    size = _largest(array)
    _check.ordinary_size(f"a column of {name}", size[size > 0])
    if columns is None:
        columns = np.arange(array.shape[1])
        if isinstance(x, pd.Series) and isinstance(x.name, str):
            columns = [x.name]
    columns = pd.Index(columns)
    if not columns.is_unique:
        raise ValueError(f"{name} must have columns of different names")
    return array, columns.to_numpy()
