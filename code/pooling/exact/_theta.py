"""Distributions of the groups' theta and of counts, mixed over two hyperparameters."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pooling.exact import _nested, _quadrature
from pooling.exact._kernels import STEP
from pooling.exact.posterior import Prediction

_GRID = _nested.far_grid(40, 0.5, 300)
_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(32)
_MOST_PIECES = 1000  # of a panel, so that a long tail does not fill the memory
_APART = 4.0  # from the middle of a window, where it is cut
_BLOCK = 2**17
_KINDS = 256  # of a block; the nodes of some blocks are kept
_BLOCKS_KEPT = 16


class Mixture(NamedTuple):
    """Hyperparameters with weights, for a distribution that is a mixture over them."""

    weight: np.ndarray  # (K,)
    alpha: np.ndarray  # (K,)
    beta: np.ndarray  # (K,)


class Lines(NamedTuple):
    """Lines of the plane on which theta's kernel is too narrow for a fixed rule.

    Where the groups hardly differ a theta is close to the common mean mu, which is
    then uncertain on a wider scale than theta given mu.
    """

    weight: np.ndarray  # (S,)
    strength: np.ndarray  # (S,) kappa or alpha
    low: np.ndarray  # (S,) where along the line there is any mass
    high: np.ndarray  # (S,)
    log_density: Callable  # (v) of shape (..., S, W), along each line


class _Resolved(NamedTuple):
    """Distributions of t, with what they leave out at either end."""

    nodes: _quadrature.Nodes
    low: np.ndarray  # (R,)
    high: np.ndarray  # (R,)


class Theta:
    """The distributions of theta for groups of any data.

    Groups with the same count and size have the same distribution: they are a kind.
    """

    def __init__(self, kernel, mixture, lines, priors):
        self.kernel = kernel
        self._mixture = mixture
        self._lines = lines
        self._priors = priors
        self._kept = {}

    def log_density(self, y, size, t):
        """Of the kinds y, size (P,) at t (P, n)."""
        found = np.empty(t.shape)
        terms = len(self._mixture.weight) + 6 * len(_POINTS) * len(self._lines.weight)
        step = max(1, _BLOCK // (t.shape[1] * max(terms, 1)))
        for start in range(0, len(t), step):
            part = slice(start, start + step)
            block = y[part, None, None], size[part, None, None], t[part, :, None]
            found[part] = np.logaddexp(self._mixed(*block), self._on_lines(*block))
        return found

    def _mixed(self, y, size, t):
        weight, alpha, beta = self._mixture
        log_p = self.kernel.log_density(t, *self.kernel.given(alpha, beta, y, size))
        return _log_sum(log_p, weight)

    def _on_lines(self, y, size, t):
        weight, strength, low, high, log_density = self._lines
        if not len(weight):
            return -np.inf
        ends = self.kernel.window(t, y, size, strength)
        start, stop = (np.clip(end, low, high)[..., None] for end in ends)
        # A window is short but for those that reach to an end of the line.
        cuts = np.clip(t[..., None] + _APART * np.array([-1, 1]), start, stop)
        cuts = np.concatenate([start, cuts, stop], axis=-1)
        cuts = cuts[..., np.append(True, np.any(np.diff(cuts) > 0, axis=(0, 1, 2)))]
        start, stop = cuts[..., :-1, None], cuts[..., 1:, None]
        v = (start + stop) / 2 + (stop - start) / 2 * _POINTS
        mass = weight[:, None, None] * _WEIGHTS * (stop - start) / 2
        v, mass = (a.reshape(*a.shape[:-2], -1) for a in (v, mass))
        alpha, beta = self.kernel.parameters(strength[:, None], v)
        log_p = log_density(v) + self.kernel.sharp_log_density(
            t[..., None], *self.kernel.given(alpha, beta, y[..., None], size[..., None])
        )
        shape = *log_p.shape[:-2], -1
        return _log_sum(log_p.reshape(shape), mass.reshape(shape))

    def _resolve(self, y, size, count_size=None):
        def log_f(row, t):
            return self.log_density(y[row], size[row], t)

        rows, kernel = len(y), self.kernel
        weight, alpha, beta = self._mixture
        given = kernel.given(alpha, beta, y[:, None], size[:, None])
        middle = kernel.mean(*given) @ weight if len(weight) else np.ones(rows) / 2
        marks = kernel.coordinate(middle)[:, None]
        found = _nested.scan(log_f, _GRID, rows, marks, moments=(0,))
        edges = _nested.edges(found, 0.5, marks)
        log_f = _quadrature.powers(log_f, (0,))
        with _quadrature.naming(self._priors):
            nodes = _quadrature.integrate(log_f, edges, rows)
        if count_size is not None:
            ends = (
                kernel.angle(end, count_size[:, None])
                for end in (nodes.left, nodes.right)
            )
            pieces = np.ceil(np.abs(np.subtract(*ends)) / STEP)
            nodes = _quadrature.refine(nodes, np.minimum(pieces, _MOST_PIECES))
        low = kernel.below(nodes.left[:, :1], *given) @ weight
        high = kernel.above(nodes.right[:, -1:], *given) @ weight
        return _Resolved(nodes, low, high)

    def in_blocks(self, function, kinds, *arguments):
        """``function(resolved, row, *arguments)`` for each of many elements.

        ``kinds`` are the arrays y and size, and perhaps the size of a count to be
        predicted, of the shape (N,) of the further arguments.
        """
        unique, which = np.unique(np.stack(kinds, axis=1), axis=0, return_inverse=True)
        which = which.ravel()
        order = np.argsort(which, kind="stable")
        starts = np.searchsorted(which[order], np.arange(0, len(unique), _KINDS))
        found = np.empty(len(which))
        for i, part in enumerate(np.split(order, starts[1:])):
            block = unique[i * _KINDS : (i + 1) * _KINDS]
            resolved = self._resolved(block)
            row = which[part] - i * _KINDS
            found[part] = function(resolved, row, *(a[part] for a in arguments))
        return found

    def _resolved(self, kinds):
        key = kinds.tobytes()
        if key not in self._kept:
            if len(self._kept) >= _BLOCKS_KEPT:
                self._kept.clear()
            self._kept[key] = self._resolve(*kinds.T)
        return self._kept[key]

    def cdf(self, kinds, x):
        """Probability (N,) that theta is at most x (N,)."""
        first, last = self.kernel.ends

        def at(resolved, row, x):
            nodes, low, high = resolved
            with np.errstate(divide="ignore", invalid="ignore"):
                t = self.kernel.coordinate(np.clip(x, first, last))
            p = _quadrature.cdf(nodes, row, np.clip(t, -1e3, 1e3))
            p = low[row] + (1 - low[row] - high[row]) * p
            return np.select([x <= first, x >= last], [0.0, 1.0], p)

        return self.in_blocks(at, kinds, x)

    def quantile(self, kinds, q):
        """Quantiles (N,) at q (N,)."""
        first, last = self.kernel.ends

        def at(resolved, row, q):
            nodes, low, high = resolved
            share = (q - low[row]) / (1 - low[row] - high[row])
            t = _quadrature.quantile(nodes, row, np.clip(share, 0, 1))
            below, above = (q == 0) | (share < 0), (q == 1) | (share > 1)
            return np.select([below, above], [first, last], self.kernel.theta(t))

        return self.in_blocks(at, kinds, q)

    def log_density_at(self, kinds, x):
        """Log density (N,) of theta itself at x (N,)."""
        first, last = self.kernel.ends
        inside = (x >= first) & (x <= last)
        with np.errstate(divide="ignore"):
            t = self.kernel.coordinate(np.where(inside, x, (first + 1) / 2))
        t = np.clip(t, -_GRID[-1], _GRID[-1])
        found = self.log_density(*kinds[:2], t[:, None])[:, 0]
        return np.where(inside, found - self.kernel.log_slope(t), -np.inf)


def _log_sum(log_f, weight):
    """Log of the weighted sum of exponentials along the last axis."""
    if not log_f.shape[-1]:
        return -np.inf
    top = log_f.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore", under="ignore"):
        total = np.einsum("...k,...k->...", np.exp(log_f - top), weight)
        return np.log(total) + top[..., 0]


class ThetaPrediction(Prediction):
    """Predictions of groups' true values.

    Parameters
    ----------
    carried : tuple
        Dimensions, shape and coords, as of `Prediction`.
    theta : Theta
    kinds : list of arrays, shape (M,)
        Counts and sizes of the groups.
    moments : callable
        Without arguments, the means and sds (M,) of theta.
    """

    def __init__(self, carried, theta, kinds, moments):
        super().__init__(*carried)
        self._theta, self._kinds, self._theta_moments = theta, kinds, moments

    def _moments(self):
        return tuple(a.reshape(self.shape) for a in self._theta_moments())

    def _quantile(self, q):
        return self._theta.quantile(self._kinds, np.full(len(self._kinds[0]), q))

    def _cdf(self, index, x):
        return self._theta.cdf(self._of(index), x)

    def _log_density(self, index, x):
        return self._theta.log_density_at(self._of(index), x)

    def _of(self, index):
        return [a[index] for a in self._kinds]


class CountPrediction(ThetaPrediction):
    """Predictions of counts, whose density is the probability of a whole number.

    The parameters are those of `ThetaPrediction`, with the sizes of the counts as
    the third of ``kinds``.
    """

    def _moments(self):
        mean, sd = self._theta_moments()
        found = self._theta.kernel.count_moments(self._kinds[2], mean, sd)
        return tuple(a.reshape(self.shape) for a in found)

    def _quantile(self, q):
        """The smallest count that has at least this probability below or at it."""
        size = self._kinds[2]
        most = self._theta.kernel.largest_count(size)
        if q == 1:
            return most
        index = np.arange(len(size))
        low, high = np.full(len(size), -1.0), np.minimum(most, 1.0)
        while (short := (high < most) & (self._cdf(index, high) < q)).any():
            low = np.where(short, high, low)
            high = np.where(short, np.minimum(2 * high + 1, most), high)
        while (high - low > 1).any():
            middle = np.floor((low + high) / 2)
            enough = self._cdf(index, middle) >= q - 1e-13
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return high

    def _cdf(self, index, x):
        kernel = self._theta.kernel

        def at(resolved, row, count, size):
            t, weight = resolved.nodes.x[row], _weights(resolved, row)
            each = kernel.count_cdf(count[:, None], size[:, None], t)
            p = np.einsum("rk,rk->r", each, weight)
            everything = count >= kernel.largest_count(size)
            p = p + (count >= 0) * resolved.low[row] + everything * resolved.high[row]
            return np.minimum(p, 1.0)

        return self._by_kind(at, index, np.floor(x))

    def _log_density(self, index, x):
        kernel = self._theta.kernel

        def at(resolved, row, count, size):
            t, weight = resolved.nodes.x[row], _weights(resolved, row)
            each = kernel.log_count(count[:, None], size[:, None], t)
            everything = count == kernel.largest_count(size)
            ends = (count == 0) * resolved.low[row] + everything * resolved.high[row]
            with np.errstate(divide="ignore"):
                return np.logaddexp(_log_sum(each, weight), np.log(ends))

        found = self._by_kind(at, index, np.floor(x))
        return np.where(x == np.floor(x), found, -np.inf)

    def _by_kind(self, function, index, count):
        kinds = self._of(index)
        return self._theta.in_blocks(function, kinds, count, kinds[2])


def _weights(resolved, row):
    inside = 1 - resolved.low - resolved.high
    return resolved.nodes.weight[row] * inside[row, None]
