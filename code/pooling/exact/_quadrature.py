"""Adaptive quadrature of many positive functions of one variable at once.

Each function (a *row*) is known by its logarithm. The line is cut into panels;
on each panel the function is represented by its values at Gauss-Legendre nodes,
and a panel is halved until the last coefficients of its Legendre series are
negligible beside the integral over the whole line. Panels of all rows are
evaluated together, so a thousand integrals cost a few array operations.
"""

from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

ORDER = 16
NODES, WEIGHTS = legendre.leggauss(ORDER)

# Values at the nodes -> coefficients of the Legendre series.
ANALYSIS = (
    (2 * np.arange(ORDER) + 1)
    / 2
    * WEIGHTS[:, None]
    * legendre.legvander(NODES, ORDER - 1)
)
# Coefficients of a series -> those of its integral from -1.
_ANTIDERIVATIVE = np.stack([legendre.legint(row, lbnd=-1) for row in np.eye(ORDER)])
_TOLERANCE = 1e-9
_ROUNDING = 64 * np.finfo(float).eps
_MOST_HALVINGS = 80
_ROWS_AT_ONCE = 512  # so that temporary arrays stay small
_MOST_PANELS_PER_ROW = 4000


class NotResolved(RuntimeError):
    """The quadrature did not reach its accuracy."""


@contextmanager
def naming(priors):
    """Turn `NotResolved` into a ``ValueError`` that names the priors."""
    try:
        yield
    except NotResolved as error:
        raise ValueError(f"{priors} can't be integrated over: {error}") from error


class Panels(NamedTuple):
    """Pieces of the line, each with the logarithms of functions at its nodes.

    Of the C functions of a row the first is the one that matters; the others
    (its product with powers of the variable, say) only have to be resolved too.
    """

    row: np.ndarray  # (P,) which row the panel belongs to
    left: np.ndarray  # (P,)
    right: np.ndarray  # (P,)
    log_f: np.ndarray  # (P, ORDER, C)
    log_error: np.ndarray  # (P, C): kept, because totals change but it does not


class Nodes(NamedTuple):
    """The resolved functions as rows of panels, padded to one length with zeros."""

    left: np.ndarray  # (R, P)
    right: np.ndarray  # (R, P)
    x: np.ndarray  # (R, P * ORDER)
    weight: np.ndarray  # (R, P * ORDER), a row sums to one
    log_totals: np.ndarray  # (R, C) logarithms of the integrals


def integrate(log_f, edges, rows, *, negligible=1e-18, size=0.0):
    """Represent many functions to the accuracy of the module.

    Parameters
    ----------
    log_f : callable
        ``log_f(row, x)`` with ``row`` of shape (P,) and ``x`` of shape (P, n)
        gives the logarithms, of shape (P, n, C).
    edges : array of shape (E,) or (rows, E)
        Where the first panels begin and end, in increasing order; panels of no
        width are left out.
    rows : int
        The number of rows.
    negligible : float
        Panels are dropped that are less than this share of each integral.
    size : float
        The size of the terms that ``log_f`` is a sum of, and whose rounding it has.

    Returns
    -------
    Nodes

    Raises
    ------
    NotResolved
        If the accuracy cannot be reached.
    """
    edges = np.broadcast_to(edges, (rows, np.shape(edges)[-1]))
    blocks = []
    for start in range(0, rows, _ROWS_AT_ONCE):
        part = edges[start : start + _ROWS_AT_ONCE]

        def shifted(row, x, start=start):
            return log_f(row + start, x)

        panels = _resolve(shifted, _first_panels(part), len(part), size)
        blocks.append(_pack(panels, len(part), negligible))
    return blocks[0] if len(blocks) == 1 else _stack(blocks)


def log_integrals(log_f, edges, size=0.0):
    """Logarithms (R,) of the integrals alone, also where they are zero.

    The parameters are those of `integrate`, with edges (R, E) and a ``log_f`` that
    gives one function a row, of shape (P, n).
    """
    found = np.empty(len(edges))
    for start in range(0, len(edges), _ROWS_AT_ONCE):
        part = edges[start : start + _ROWS_AT_ONCE]

        def shifted(row, x, start=start):
            return log_f(row + start, x)[..., None]

        panels = _resolve(shifted, _first_panels(part), len(part), size)
        found[start : start + len(part)] = _log_integrals(panels, len(part))[:, 0]
    return found


def _stack(blocks):
    """Blocks of rows as one, padded to the longest."""
    longest = max(block.left.shape[1] for block in blocks)
    padded = []
    for left, right, x, weight, log_totals in blocks:
        more = longest - left.shape[1]
        nodes = more * ORDER
        padded.append(
            Nodes(
                np.pad(left, ((0, 0), (0, more)), mode="edge"),
                np.pad(right, ((0, 0), (0, more)), mode="edge"),
                np.pad(x, ((0, 0), (0, nodes)), mode="edge"),
                np.pad(weight, ((0, 0), (0, nodes))),
                log_totals,
            )
        )
    # Padding must have no width, also where a block's last panel had one.
    for block, before in zip(padded, blocks, strict=True):
        block.left[:, before.left.shape[1] :] = block.right[:, -1:]
    return Nodes(*(np.concatenate(parts) for parts in zip(*padded, strict=True)))


def powers(log_f, moments):
    """``log_f`` and its products with ``exp(m * x)``, as `integrate` wants them."""
    tilt = np.array(moments, float)

    def log_products(row, x):
        return log_f(row, x)[..., None] + tilt * x[..., None]

    return log_products


def _first_panels(edges):
    row, piece = np.nonzero(np.diff(edges, axis=1) > 0)
    return row, edges[row, piece], edges[row, piece + 1]


def _resolve(log_f, first, rows, size):
    panels = _evaluate(log_f, *first)
    for _ in range(_MOST_HALVINGS):
        totals = _log_integrals(panels, rows)
        # The logarithm of a large sum is itself rounded; do not chase that noise.
        largest = np.maximum(np.abs(_finite(totals)), size)
        tolerance = np.maximum(_TOLERANCE, _ROUNDING * largest)
        excess = panels.log_error - _finite(totals)[panels.row]
        bad = (excess > np.log(tolerance)[panels.row]).any(axis=1)
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
        )
        panels = Panels(
            *(
                np.concatenate([old[~bad], new])
                for old, new in zip(panels, halves, strict=True)
            )
        )
    raise NotResolved(
        "the quadrature did not converge, so a density may be too rough, or the "
        "posterior too close to improper"
    )


def _evaluate(log_f, row, left, right):
    values = log_f(row, _nodes(left, right))
    return Panels(row, left, right, values, _log_error(values, right - left))


def _nodes(left, right):
    half, middle = (right - left) / 2, (right + left) / 2
    return middle[..., None] + half[..., None] * NODES


def _log_error(log_f, width):
    """Logarithm of what the end of a panel's Legendre series amounts to."""
    peak = _finite(log_f.max(axis=1))
    end = np.einsum("pnc,ne->pce", np.exp(log_f - peak[:, None]), ANALYSIS[:, -2:])
    with np.errstate(divide="ignore"):
        return np.log(np.abs(end).sum(axis=-1) * width[:, None]) + peak


def _finite(x):
    """Zero in place of minus infinity, so that it can be subtracted."""
    return np.where(np.isneginf(x), 0.0, x)


def _log_masses(panels):
    """Logarithm of what each node contributes to each integral."""
    half = (panels.right - panels.left) / 2
    return panels.log_f + np.log(half[:, None] * WEIGHTS)[..., None]


def _log_integrals(panels, rows):
    """Logarithms of the integrals, of shape (rows, C)."""
    terms = _log_masses(panels)
    peak = np.full((rows, terms.shape[-1]), -np.inf)
    np.maximum.at(peak, panels.row, terms.max(axis=1))
    peak = _finite(peak)
    sums = np.exp(terms - peak[panels.row, None]).sum(axis=1)
    totals = [np.bincount(panels.row, each, minlength=rows) for each in sums.T]
    with np.errstate(divide="ignore"):
        return peak + np.log(np.stack(totals, axis=1))


def _pack(panels, rows, negligible):
    """Sort the panels by row, leave out the negligible ones, and pad."""
    log_mass, log_totals = _log_masses(panels), _log_integrals(panels, rows)
    if not np.isfinite(log_totals[:, 0]).all():
        raise NotResolved(
            "the quadrature found no mass, so the density must be far from the data"
        )
    share = (log_mass.max(axis=1) - _finite(log_totals)[panels.row]).max(axis=1)
    keep = np.flatnonzero(share > np.log(negligible))
    keep = keep[np.lexsort((panels.left[keep], panels.row[keep]))]
    row = panels.row[keep]
    count = np.bincount(row, minlength=rows)
    place = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)

    # A padded panel has no width and no weight, and sits at the row's end.
    last = keep[np.cumsum(count) - 1]
    right = np.repeat(panels.right[last][:, None], count.max(), axis=1)
    left = right.copy()
    x = np.repeat(right[..., None], ORDER, axis=-1)
    weight = np.zeros(x.shape)
    left[row, place], right[row, place] = panels.left[keep], panels.right[keep]
    x[row, place] = _nodes(panels.left[keep], panels.right[keep])
    weight[row, place] = np.exp(log_mass[keep, :, 0] - log_totals[row, :1])
    weight /= weight.sum(axis=(1, 2), keepdims=True)
    return Nodes(left, right, x.reshape(rows, -1), weight.reshape(rows, -1), log_totals)


def refine(nodes, pieces):
    """The same functions at more nodes: each panel cut into some of equal width.

    Parameters
    ----------
    nodes : Nodes
    pieces : array, shape (R, P)
        How many pieces; a panel that has a width is left in one at least.

    Returns
    -------
    Nodes
    """
    width = nodes.right - nodes.left
    pieces = np.where(width > 0, np.maximum(pieces, 1), 0).astype(int)
    row, panel = np.nonzero(pieces)
    count = pieces[row, panel]
    first = np.cumsum(count) - count
    place = np.arange(count.sum()) - np.repeat(first, count)
    row, panel, share = (np.repeat(a, count) for a in (row, panel, 1 / count))
    # Places of the new nodes on the old panels, from -1 to 1.
    s = 2 * (place[:, None] + (NODES + 1) / 2) * share[:, None] - 1
    density = nodes.weight.reshape(*nodes.left.shape, ORDER)[row, panel] / WEIGHTS
    values = legendre.legval(s, (density @ ANALYSIS).T[..., None], tensor=False)
    left = nodes.left[row, panel] + width[row, panel] * place * share
    log_f = np.log(np.maximum(values * 2 / width[row, panel, None], 1e-300))
    right = left + width[row, panel] * share
    panels = Panels(row, left, right, log_f[..., None], np.zeros((len(row), 1)))
    return _pack(panels, len(width), 1e-18)


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
    mass_below, density = series.T, legendre.legder(series.T)
    s = increasing_root(
        lambda index, s: (
            below[index]
            + legendre.legval(s, mass_below[:, index], tensor=False)
            - q[index],
            legendre.legval(s, density[:, index], tensor=False),
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
    series = (weight[row, panel] / WEIGHTS) @ ANALYSIS @ _ANTIDERIVATIVE
    return below, series, nodes.left[row, panel], nodes.right[row, panel]


def gauss(x, weight, count):
    """Gauss rules of discrete measures: the same moments from few points.

    The recurrence of the orthogonal polynomials is found by the method of Lanczos,
    with every polynomial made orthogonal to all before it, and the rule is that of
    Golub and Welsch.

    Parameters
    ----------
    x, weight : arrays of shape (R, n)
        Points and weights; a row of weights sums to one.
    count : int
        The number of points of each rule.

    Returns
    -------
    points, weights : ndarray, shape (R, count)
        Sums of polynomials of degree below ``2 * count`` are those of the measure.
    """
    vector = np.sqrt(weight)
    found = np.zeros((count, *x.shape))
    matrix = np.zeros((len(x), count, count))
    for k in range(count):
        found[k] = vector
        matrix[:, k, k] = np.einsum("rn,rn,rn->r", vector, x, vector)
        following = x * vector
        for _ in range(2):
            share = np.einsum("krn,rn->kr", found[: k + 1], following)
            following = following - np.einsum("kr,krn->rn", share, found[: k + 1])
        size = np.sqrt(np.einsum("rn,rn->r", following, following))
        # A measure of fewer points has a rule of fewer: the rest gets no weight.
        some = size > 1e-13
        size = np.where(some, size, 0.0)
        if k + 1 < count:
            matrix[:, k, k + 1] = matrix[:, k + 1, k] = size
        vector = (
            following * np.where(size > 0, 1 / np.where(size > 0, size, 1), 0)[:, None]
        )
    points, vectors = np.linalg.eigh(matrix)
    return points, vectors[:, 0] ** 2


def _last_true(flags):
    """Index of the last true value along the last axis, 0 where there is none."""
    reversed_index = np.argmax(flags[..., ::-1], axis=-1)
    return np.where(flags.any(axis=-1), flags.shape[-1] - 1 - reversed_index, 0)


def increasing_root(value_and_slope, low, high, *, start=None, tolerance=1e-15):
    """Roots of increasing functions, by Newton steps that bisection keeps safe.

    Parameters
    ----------
    value_and_slope : callable
        ``value_and_slope(index, x)`` gives both, of the functions ``index``, at ``x``.
    low, high : arrays of shape (M,)
        Points on either side of each root.
    start : array of shape (M,), optional
    tolerance : float or array of shape (M,)
        A function is left alone once a step is smaller than this, or rounding.
    """
    low, high = np.array(low, float), np.array(high, float)
    x = (low + high) / 2 if start is None else np.array(start, float)
    tolerance = np.broadcast_to(tolerance, x.shape)
    active = np.arange(len(x))
    for _ in range(200):
        here = x[active]
        value, slope = value_and_slope(active, here)
        low[active] = np.where(value <= 0, here, low[active])
        high[active] = np.where(value >= 0, here, high[active])
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            new = here - value / slope
        inside = (new >= low[active]) & (new <= high[active])
        new = np.where(inside, new, (low[active] + high[active]) / 2)
        x[active] = new
        moved = np.abs(new - here)
        active = active[moved > np.maximum(tolerance[active], 4e-16 * np.abs(new))]
        if not active.size:
            break
    return x
