"""Rows of data reduced to what the groups' sums say of them."""

from typing import NamedTuple

import numpy as np
import pandas as pd

from pooling.exact import _check


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
    groups_of_size: np.ndarray  # (U,)
    between: np.ndarray  # (U, p + 1, p + 1) products of means, summed over a size
    offset: np.ndarray  # (p,) least-squares coefficients, of the columns of X
    scale: np.ndarray  # (p,) root mean squares of the columns of X
    residual_sd: float  # a unit of length for y

    @property
    def rows(self):
        return int(self.count.sum())


def summarise(y, code, labels, x):
    """Reduce rows to `Groups`, in one pass over them for each column."""
    peak = np.abs(x).max(axis=0)
    peak[peak == 0] = 1.0
    scale = peak * np.sqrt(np.mean((x / peak) ** 2, axis=0))
    scale[scale == 0] = 1.0
    offset = np.linalg.lstsq(x / scale, y, rcond=None)[0] / scale
    offset += _within_offset(y - x @ offset, code, x / scale) / scale
    residual = y - x @ offset
    if np.abs(residual).max() <= 1e-13 * np.abs(y).max(initial=0):
        residual = np.zeros_like(y)
    count = np.bincount(code, minlength=len(labels))
    columns = [*(x / scale).T, residual]
    z_mean, deviations = np.empty((len(count), len(columns))), []
    for i, z in enumerate(columns):
        z_mean[:, i] = np.bincount(code, z, minlength=len(count)) / count
        deviation = z - z_mean[code, i]
        # A column that is constant in a group deviates from its mean by rounding only.
        deviation[np.abs(deviation) <= 1e-13 * np.abs(z).max()] = 0.0
        deviations.append(deviation)
    within = np.array([[a @ b for b in deviations] for a in deviations])
    groups_of_size = np.bincount(count)
    sizes = np.flatnonzero(groups_of_size)
    between = np.zeros((len(sizes), len(columns), len(columns)))
    order = np.argsort(count, kind="stable")
    last = 0
    for u, groups in enumerate(groups_of_size[sizes]):
        means = z_mean[order[last : last + groups]]
        between[u] = means.T @ means
        last += groups
    sd = np.sqrt(np.mean(residual**2))
    return Groups(
        labels=labels,
        count=count,
        z_mean=z_mean,
        within=within,
        sizes=sizes.astype(float),
        groups_of_size=groups_of_size[sizes],
        between=between,
        offset=offset,
        scale=scale,
        residual_sd=float(sd) if sd > 0 else float(np.abs(y).max(initial=0)) or 1.0,
    )


def _within_offset(residual, code, x):
    """Coefficients after which rows of one group no longer go with the predictors.

    Where sigma is next to nothing, the residual's products with the predictors within
    groups would be differences of huge numbers; with these coefficients they are zero.
    """
    count = np.bincount(code)
    means = np.stack([np.bincount(code, each) / count for each in (*x.T, residual)], 1)
    deviations = np.column_stack([x, residual]) - means[code]
    if np.abs(deviations[:, :-1]).max(initial=0) <= 1e-13 * np.abs(x).max():
        return np.zeros(x.shape[1])
    # What the rows within groups leave open, such as the constant, the means decide.
    rows = np.concatenate([1e10 * deviations, np.sqrt(count)[:, None] * means])
    return np.linalg.lstsq(rows[:, :-1], rows[:, -1], rcond=None)[0]


def encode(name, group, rows):
    """Codes and labels of the groups, sorted or in the order of the categories.

    Raises
    ------
    ValueError
        If a label is missing, or a category has no rows.
    """
    values = getattr(group, "cat", group)
    categories = getattr(values, "categories", None)
    if categories is None:
        label = as_labels(name, group)
        if label.shape == (rows,):
            return pd.factorize(label, sort=True)
        code = label
    else:
        code = np.asarray(values.codes)
        missing(name, code < 0)
    if code.shape != (rows,):
        raise ValueError(
            f"{name} must have one label a row, {rows} in all; "
            f"its shape is {code.shape}"
        )
    count = np.bincount(code, minlength=len(categories))
    without = [repr(c) for c in categories[count == 0]]
    if without:
        raise ValueError(
            f"{name} has groups with no rows: {', '.join(without[:5])}"
            f"{' and more' if len(without) > 5 else ''}; drop them with "
            "remove_unused_categories()"
        )
    return code, np.asarray(categories)


def as_labels(name, group):
    """A group's labels as a one-dimensional array without missing values."""
    _check.not_masked(name, group)
    label = np.asarray(group)
    if label.size == 0:
        raise ValueError(f"{name} must not be empty")
    absent = pd.isna(label)
    if label.dtype.kind == "f":
        absent |= np.isinf(label)
    missing(name, absent)
    if label.dtype.kind == "O" and any(isinstance(v, str) for v in label.flat):
        label = label.astype(str)
    return label


def missing(name, absent):
    """An error that names the first label that is missing, if any is."""
    if absent.any():
        at = int(np.flatnonzero(absent)[0])
        raise ValueError(
            f"{name} must have no missing labels, but {name}[{at}] is missing"
        )


def match(name, group, labels):
    """Positions of ``group`` among ``labels``; -1 for a group that is not there."""
    return pd.Index(labels).get_indexer(pd.Index(as_labels(name, group).ravel()))


def design(name, x, rows):
    """Columns of predictors, (rows, p), and what they are called."""
    if x is None:
        return np.ones((rows, 1)), np.array(["intercept"])
    array = _check.real_array(name, x, ndim_min=1)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2 or len(array) != rows:
        raise ValueError(
            f"{name} must have shape ({rows},) or ({rows}, p), one row a value of y; "
            f"its shape is {array.shape}"
        )
    columns = getattr(x, "columns", None)
    if columns is None:
        return array, np.arange(array.shape[1])
    return array, np.asarray(columns)
