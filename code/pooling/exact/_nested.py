"""Integrals within integrals: where to look, and pairs drawn from them.

A posterior of two scales is integrated over one logarithm for each value of the
other. Nobody knows beforehand where the mass of each inner integral lies, so each
is looked at on a grid, then closer around its highest point, and its panels grow
away from there.
"""

from typing import NamedTuple

import numpy as np

from pooling.exact import _quadrature

# What falls this far (in logs) below the highest point is left out.
_DROP = 42.0
# Tails that fall more slowly than this power are too long for a grid to 140.
SLOWEST = 0.2


class Scan(NamedTuple):
    """What a coarse look at functions of a logarithm shows, row by row."""

    start: np.ndarray  # (R,) below here a function is negligible
    stop: np.ndarray  # (R,) above here too
    mode: np.ndarray  # (R,)
    peak: np.ndarray  # (R,) the highest value on the grid
    rise: float  # the smallest slope at the far left
    fall: float  # the smallest downward slope at the far right


def far_grid(fine, step, far):
    """Even steps within ``fine`` of zero and wide ones from there to ``far``."""
    wide = np.arange(fine, far, 10.0) + 10
    return np.concatenate([-wide[::-1], np.arange(-fine, fine + step / 2, step), wide])


def scan(log_f, grid, rows, marks, *, moments=(0, 1, 2), slowest=SLOWEST):
    """Look at ``log_f(row, x)`` on a grid, then closer around its highest point.

    Parameters
    ----------
    log_f : callable
        As of `_quadrature.integrate`, with one function a row: (P, n) to (P, n).
    grid : array, shape (G,)
    rows : int
    marks : array, shape (M,) or (rows, M)
        Further points of the grid; those beyond it are left out.
    moments : tuple of int
        The region has to do for the highest of these moments that is finite.
    slowest : float
        The least slope of a tail that is counted as finite.
    """
    marks = np.clip(np.broadcast_to(marks, (rows, np.shape(marks)[-1])), *grid[[1, -2]])
    x = np.concatenate([np.broadcast_to(grid, (rows, len(grid))), marks], axis=1)
    x.sort(axis=1)
    every = np.arange(rows)
    value = log_f(every, x)
    with np.errstate(invalid="ignore"):
        rise = (value[:, 1] - value[:, 0]) / (x[:, 1] - x[:, 0])
        fall = (value[:, -2] - value[:, -1]) / (x[:, -1] - x[:, -2])
    # A huge negative logarithm has no digits left for a slope: it is zero enough.
    rise = np.where(value[:, 0] < -1e9, np.inf, rise).min()
    fall = np.where(value[:, -1] < -1e9, np.inf, fall).min()
    best, peak = value.argmax(axis=1), value.max(axis=1)
    # The tail must be long enough for the highest moment that is finite.
    moment = max((m for m in moments if fall - m > slowest), default=0)
    matters = np.zeros(value.shape, bool)
    for tilted in (value, value + moment * x):
        matters |= tilted >= tilted.max(axis=1, keepdims=True) - _DROP
    first = np.maximum(matters.argmax(axis=1) - 1, 0)
    last = x.shape[1] - 1 - matters[:, ::-1].argmax(axis=1)
    last = np.minimum(last + 1, x.shape[1] - 1)
    start, stop = x[every, first], x[every, last]
    # The nearest points that are not the best one, which may be there twice.
    top = x[every, best][:, None]
    low = np.where(x < top, x, x[:, :1]).max(axis=1)
    high = np.where(x > top, x, x[:, -1:]).min(axis=1)
    for _ in range(5):
        x = np.linspace(low, high, 9, axis=1)
        best = log_f(every, x).argmax(axis=1)
        low, high = x[every, np.maximum(best - 1, 0)], x[every, np.minimum(best + 1, 8)]
    return Scan(start, stop, (low + high) / 2, peak, rise, fall)


def edges(found, width, marks):
    """Edges of panels that grow away from the mode, and at the marks."""
    reach = np.ptp(np.concatenate([found.start, found.stop]))
    away = width * 2.5 ** np.arange(
        max(1, np.ceil(np.log(reach / width) / np.log(2.5)))
    )
    offsets = np.concatenate([-away[::-1], [0], away])
    rows = len(found.mode)
    all_edges = np.concatenate(
        [
            found.mode[:, None] + offsets,
            np.broadcast_to(marks, (rows, np.shape(marks)[-1])),
            found.start[:, None],
            found.stop[:, None],
        ],
        axis=1,
    )
    bounds = found.start[:, None], found.stop[:, None]
    return np.sort(np.clip(all_edges, *bounds), axis=1)


def pairs(outer, inner, q_outer, q_inner):
    """Points of the plane, from uniform numbers for the two coordinates.

    ``outer`` has one row of nodes, and ``inner`` one row for each of them. The outer
    coordinate is drawn by its distribution function, and the inner one is
    interpolated between its quantiles at four nodes.
    """
    x = _quadrature.quantile(outer, np.zeros(len(q_outer), int), q_outer)
    nodes = outer.x[0][outer.weight[0] > 0]
    first = np.clip(np.searchsorted(nodes, x) - 2, 0, len(nodes) - 4)
    near = first[:, None] + np.arange(4)
    y = _quadrature.quantile(inner, near.ravel(), np.repeat(q_inner, 4))
    weight = _lagrange(nodes[near], x[:, None])
    return x, np.einsum("kn,kn->k", weight, y.reshape(near.shape))


def _lagrange(nodes, x):
    """Weights of the values at ``nodes`` (K, n) in the polynomial at ``x`` (K, 1)."""
    weight = np.ones_like(nodes)
    for i in range(nodes.shape[1]):
        others = np.arange(nodes.shape[1]) != i
        gap = nodes[:, [i]] - nodes[:, others]
        weight[:, i] = np.prod((x - nodes[:, others]) / gap, axis=1)
    return weight
