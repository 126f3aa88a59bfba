"""Rows of data reduced to what the groups' sums say of them."""

from typing import NamedTuple

import numpy as np

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
    """Reduce rows to `Groups`."""
    scale = np.sqrt(np.mean(x**2, axis=0))
    scale[scale == 0] = 1.0
    offset = np.linalg.lstsq(x / scale, y, rcond=None)[0] / scale
    residual = y - x @ offset
    if np.abs(residual).max() <= 1e-13 * np.abs(y).max(initial=0):
        residual = np.zeros_like(y)
    z = np.column_stack([x / scale, residual])
    count = np.bincount(code)
    z_mean = (
        np.stack([np.bincount(code, each) for each in z.T], axis=1) / count[:, None]
    )
    deviation = z - z_mean[code]
    # A column that is constant in a group deviates from its mean by rounding only.
    size = np.abs(z).max(axis=0)
    deviation[np.abs(deviation) <= 1e-13 * size] = 0.0
    sizes, which, groups_of_size = np.unique(
        count, return_inverse=True, return_counts=True
    )
    between = np.zeros((len(sizes), z.shape[1], z.shape[1]))
    for u in range(len(sizes)):
        means = z_mean[which == u]
        between[u] = means.T @ means
    sd = np.sqrt(np.mean(residual**2))
    return Groups(
        labels=labels,
        count=count,
        z_mean=z_mean,
        within=deviation.T @ deviation,
        sizes=sizes.astype(float),
        groups_of_size=groups_of_size,
        between=between,
        offset=offset,
        scale=scale,
        residual_sd=float(sd) if sd > 0 else float(np.abs(y).max(initial=0)) or 1.0,
    )


def encode(name, group, rows):
    """Codes and labels of the groups, sorted or in the order of the categories.

    Raises
    ------
    ValueError
        If a label is missing, or a category has no rows.
    """
    values = getattr(group, "cat", group)
    categories = getattr(values, "categories", None)
    label = as_labels(name, group)
    if label.shape != (rows,):
        raise ValueError(
            f"{name} must have one label a row, {rows} in all; "
            f"its shape is {label.shape}"
        )
    found, code = np.unique(label, return_inverse=True)
    if categories is None:
        return code, found
    categories = np.asarray(categories)
    without = [c for c in categories if c not in set(found.tolist())]
    if without:
        raise ValueError(
            f"{name} has groups with no rows: {', '.join(map(repr, without[:5]))}"
            f"{' and more' if len(without) > 5 else ''}; drop them with "
            "remove_unused_categories()"
        )
    place = {c: i for i, c in enumerate(categories.tolist())}
    return np.array([place[f] for f in found.tolist()])[code], categories


def as_labels(name, group):
    """A group's labels as a one-dimensional array without missing values."""
    label = np.asarray(group)
    if label.size == 0:
        raise ValueError(f"{name} must not be empty")
    if label.dtype.kind == "f":
        missing = ~np.isfinite(label)
    elif label.dtype.kind == "O":
        missing = np.array([v is None or v != v for v in label.ravel()]).reshape(
            label.shape
        )
        if not missing.any():
            label = label.astype(str) if isinstance(label.flat[0], str) else label
    else:
        missing = np.zeros(label.shape, bool)
    if missing.any():
        at = int(np.flatnonzero(missing)[0])
        raise ValueError(
            f"{name} must have no missing labels, but {name}[{at}] is missing"
        )
    return label


def match(name, group, labels):
    """Positions of ``group`` among ``labels``; -1 for a group that is not there."""
    place = {c: i for i, c in enumerate(np.asarray(labels).tolist())}
    return np.array([place.get(v, -1) for v in as_labels(name, group).ravel().tolist()])


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
