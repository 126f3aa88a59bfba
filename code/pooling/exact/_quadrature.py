"""Adaptive quadrature of many positive functions of one variable at once.

Each function (a *row*) is known by its logarithm. The line is cut into panels;
on each panel the function is represented by its values at Gauss-Legendre nodes,
and a panel is halved until the last coefficients of its Legendre series are
negligible beside the integral over the whole line. Panels of all rows are
evaluated together, so a thousand integrals cost a few array operations.
"""

from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

ORDER = 16
NODES, WEIGHTS = legendre.leggauss(ORDER)

# Values at the nodes -> coefficients of the Legendre series.
_ANALYSIS = (
    (2 * np.arange(ORDER) + 1) / 2 * WEIGHTS[:, None] * legendre.legvander(NODES, ORDER - 1)
)
# Coefficients of a series -> those of its integral from -1.
_ANTIDERIVATIVE = np.stack(
    [legendre.legint(row, lbnd=-1) for row in np.eye(ORDER)]
)
_TOLERANCE = 1e-9
_MOST_HALVINGS = 80
_MOST_PANELS_PER_ROW = 4000


class Panels(NamedTuple):
    """Pieces of the line, each with a function's logarithm at its nodes."""

    row: np.ndarray  # (P,) which function the panel belongs to
    left: np.ndarray  # (P,)
    right: np.ndarray  # (P,)
    log_f: np.ndarray  # (P, ORDER)
    log_error: np.ndarray  # (P, tilts): kept, because totals change but it does not


class Nodes(NamedTuple):
    """The resolved functions as rows of panels, padded to one length with zeros."""

    left: np.ndarray  # (R, P)
    right: np.ndarray  # (R, P)
    x: np.ndarray  # (R, P * ORDER)
    weight: np.ndarray  # (R, P * ORDER), a row sums to one
    log_total: np.ndarray  # (R,) logarithm of each integral


def resolve(log_f, edges, rows, *, tilts=(0,)):
    """Represent every function to the accuracy of the module.

    Parameters
    ----------
    log_f : callable
        ``log_f(row, x)`` with ``row`` of shape (P,) and ``x`` of shape (P, n)
        gives the logarithms, of shape (P, n).
    edges : array of shape (E,)
        Where the first panels begin and end.
    rows : int
        The number of functions.
    tilts : tuple of int
        Powers ``m`` for which ``exp(m * x) f(x)`` is to be resolved as well.

    Returns
    -------
    Panels

    Raises
    ------
    RuntimeError
        If the accuracy cannot be reached.
    """
    edges = np.asarray(edges, float)
    first = len(edges) - 1
    panels = _evaluate(
        log_f,
        np.repeat(np.arange(rows), first),
        np.tile(edges[:-1], rows),
        np.tile(edges[1:], rows),
        tilts,
    )
    for _ in range(_MOST_HALVINGS):
        totals = np.stack([log_integrals(panels, rows, m) for m in tilts], axis=1)
        with np.errstate(invalid="ignore"):
            excess = panels.log_error - totals[panels.row]
        bad = (excess > np.log(_TOLERANCE)).any(axis=1)
        if not bad.any():
            return panels
        if bad.sum() + len(bad) > _MOST_PANELS_PER_ROW * rows:
            break
        row, left, right = panels.row[bad], panels.left[bad], panels.right[bad]
        middle = (left + right) / 2
        halves = _evaluate(
            log_f,
            np.concatenate([row, row]),
            np.concatenate([left, middle]),
            np.concatenate([middle, right]),
            tilts,
        )
        panels = Panels(
            *(
                np.concatenate([old[~bad], new])
                for old, new in zip(panels, halves, strict=True)
            )
        )
    raise RuntimeError(
        "the quadrature did not converge: the prior may be too rough, or the "
        "posterior too close to improper"
    )


def _evaluate(log_f, row, left, right, tilts):
    x = _nodes(left, right)
    values = log_f(row, x)
    errors = [_log_error(values + m * x, right - left) for m in tilts]
    return Panels(row, left, right, values, np.stack(errors, axis=1))


def _nodes(left, right):
    half, middle = (right - left) / 2, (right + left) / 2
    return middle[..., None] + half[..., None] * NODES


def _log_error(log_g, width):
    """Logarithm of what the end of a panel's Legendre series amounts to."""
    peak = _finite(log_g.max(axis=-1))
    end = np.exp(log_g - peak[:, None]) @ _ANALYSIS[:, -2:]
    with np.errstate(divide="ignore"):
        return np.log(np.abs(end).sum(axis=-1) * width) + peak


def _finite(x):
    """Zero in place of minus infinity, so that it can be subtracted."""
    return np.where(np.isneginf(x), 0.0, x)


def log_integrals(panels, rows, tilt=0):
    """Logarithm of the integral of ``exp(tilt * x) f(x)`` for every row."""
    x = _nodes(panels.left, panels.right)
    with np.errstate(divide="ignore"):
        half = np.log((panels.right - panels.left) / 2)
    terms = panels.log_f + tilt * x + np.log(WEIGHTS) + half[:, None]
    peak = np.full(rows, -np.inf)
    np.maximum.at(peak, panels.row, terms.max(axis=-1))
    peak = _finite(peak)
    sums = np.exp(terms - peak[panels.row, None]).sum(axis=-1)
    with np.errstate(divide="ignore"):
        return peak + np.log(np.bincount(panels.row, sums, minlength=rows))


def to_nodes(panels, rows, *, tilts=(0,), negligible=1e-18):
    """Sort the panels by row, leave out the negligible ones, and pad.

    A panel is left out when it matters to none of the tilted integrals.
    """
    x = _nodes(panels.left, panels.right)
    half = np.log((panels.right - panels.left) / 2)
    log_mass = panels.log_f + np.log(WEIGHTS) + half[:, None]
    log_total = log_integrals(panels, rows)
    share = np.full(len(panels.row), -np.inf)
    for m in tilts:
        tilted = (log_mass + m * x).max(axis=-1)
        share = np.maximum(share, tilted - log_integrals(panels, rows, m)[panels.row])
    keep = np.flatnonzero(share > np.log(negligible))
    keep = keep[np.lexsort((panels.left[keep], panels.row[keep]))]
    row = panels.row[keep]
    count = np.bincount(row, minlength=rows)
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    shape = rows, count.max()

    # A padded panel has no width and no weight, and sits at the row's end.
    last = keep[np.cumsum(count) - 1]
    left = np.repeat(panels.right[last][:, None], shape[1], axis=1)
    right = left.copy()
    nodes = np.repeat(right[..., None], ORDER, axis=-1)
    weight = np.zeros((*shape, ORDER))
    left[row, place], right[row, place] = panels.left[keep], panels.right[keep]
    nodes[row, place] = x[keep]
    weight[row, place] = np.exp(log_mass[keep] - log_total[row][:, None])
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    return Nodes(
        left, right, nodes.reshape(rows, -1), weight.reshape(rows, -1), log_total
    )


def cdf(nodes, row, x):
    """The distribution function of row ``row[i]`` at ``x[i]``."""
    panel = _last_true(nodes.left[row] <= x[:, None])
    below, series, left, right = _panel_series(nodes, row, panel)
    with np.errstate(invalid="ignore", divide="ignore"):
        s = np.clip((2 * x - left - right) / (right - left), -1, 1)
    inside = legendre.legval(np.where(np.isnan(s), 1, s), series.T, tensor=False)
    return np.clip(np.where(x < nodes.left[row, 0], 0, below + inside), 0, 1)


def quantile(nodes, row, q):
    """The point below which row ``row[i]`` has probability ``q[i]``."""
    mass = nodes.weight.reshape(*nodes.left.shape, ORDER).sum(axis=-1)
    starts = np.cumsum(mass, axis=1) - mass
    panel = _last_true((starts[row] <= q[:, None]) & (mass[row] > 0))
    below, series, left, right = _panel_series(nodes, row, panel)
    density = legendre.legder(series.T)
    s = increasing_root(
        lambda s: (
            below + legendre.legval(s, series.T, tensor=False) - q,
            legendre.legval(s, density, tensor=False),
        ),
        np.full(q.shape, -1.0),
        np.full(q.shape, 1.0),
    )
    return (left + right) / 2 + (right - left) / 2 * s


def _panel_series(nodes, row, panel):
    """Mass below the panel, and the Legendre series of the mass within it."""
    weight = nodes.weight.reshape(*nodes.left.shape, ORDER)
    mass = weight.sum(axis=-1)
    below = (np.cumsum(mass, axis=1) - mass)[row, panel]
    series = (weight[row, panel] / WEIGHTS) @ _ANALYSIS @ _ANTIDERIVATIVE
    return below, series, nodes.left[row, panel], nodes.right[row, panel]


def _last_true(flags):
    """Index of the last true value along the last axis, 0 where there is none."""
    reversed_index = np.argmax(flags[..., ::-1], axis=-1)
    return np.where(flags.any(axis=-1), flags.shape[-1] - 1 - reversed_index, 0)


def increasing_root(value_and_slope, low, high, *, steps=200, rtol=1e-14):
    """Roots of increasing functions, by Newton steps that bisection keeps safe.

    ``value_and_slope(x)`` gives both as arrays of the shape of ``low``; the
    root of each must lie between ``low`` and ``high``.
    """
    low, high = np.array(low, float), np.array(high, float)
    x = (low + high) / 2
    for _ in range(steps):
        value, slope = value_and_slope(x)
        low, high = np.where(value <= 0, x, low), np.where(value >= 0, x, high)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            newton = x - value / slope
        middle = (low + high) / 2
        safe = (newton >= low) & (newton <= high)
        new = np.where(safe, newton, middle)
        small = rtol * (np.abs(new) + np.abs(high - low)) + 1e-300
        done = np.abs(new - x) <= small
        x = new
        if done.all():
            break
    return x
