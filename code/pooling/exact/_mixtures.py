"""Mixtures of normals: quantiles, and predictions that are such mixtures."""

import numpy as np
from scipy import special

from pooling.exact._quadrature import increasing_root
from pooling.exact.posterior import Prediction

_BLOCK = 2**18


def cdf_and_density(weight, mean, sd, x):
    """Of mixtures along the last axis: weight, mean and sd (..., K), x (...)."""
    z = (x[..., None] - mean) / sd
    p = np.einsum("...k,...k->...", weight, special.ndtr(z))
    # Far out the exponential underflows to zero, which is what it should be.
    with np.errstate(under="ignore", over="ignore"):
        density = np.einsum("...k,...k->...", weight, np.exp(-(z**2) / 2) / sd)
    return p, density / np.sqrt(2 * np.pi)


def quantiles(cdf_and_density, q, guess, width):
    """Points at which mixtures have probability ``q``.

    Parameters
    ----------
    cdf_and_density : callable
        ``cdf_and_density(index, x)``: both, of the mixtures ``index``, at ``x``.
    q : float
    guess, width : arrays of shape (M,)
        A point near each quantile, and a distance of the order of its error.
    """
    if q in (0.0, 1.0):
        return np.full(guess.shape, -np.inf if q == 0 else np.inf)
    everyone = np.arange(len(guess))
    low, high = guess - width, guess + width
    for bound, sign in ((low, -1), (high, 1)):
        outside, step = everyone, width.copy()
        while outside.size:
            p = cdf_and_density(outside, bound[outside])[0]
            outside = outside[(p - q) * sign < 0]
            step[outside] *= 2
            bound[outside] = guess[outside] + sign * step[outside]

    def excess(index, x):
        p, density = cdf_and_density(index, x)
        return p - q, density

    return increasing_root(excess, low, high, start=guess, tolerance=1e-11 * width)


class MixturePrediction(Prediction):
    """Predictions that are mixtures of normals.

    Parameters
    ----------
    carried : tuple
        Dimensions, shape and coords, as of `Prediction`.
    kind : array of int, shape (M,)
        Observations of one kind have the same distribution.
    components : callable
        ``components(kinds)`` gives weights, means and variances, (N, K) each.
    honest : callable
        ``honest(mean, sd)``, of the kinds, puts infinities where they belong.
    nodes : int
        The number K of components.
    """

    def __init__(self, carried, kind, components, honest, nodes):
        super().__init__(*carried)
        self._kind, self._kinds = kind, int(kind.max()) + 1
        self._components = components
        self._honest = honest
        self._size = max(1, _BLOCK // nodes)

    def _moments(self):
        mean, sd = self._honest(*self._finite_moments())
        return mean[self._kind].reshape(self.shape), sd[self._kind].reshape(self.shape)

    def _finite_moments(self):
        mean, sd = np.empty((2, self._kinds))
        for start in range(0, self._kinds, self._size):
            part = np.arange(start, min(start + self._size, self._kinds))
            weight, means, variances = self._components(part)
            mean[part] = np.einsum("...k,...k->...", weight, means)
            variances = variances + (means - mean[part, None]) ** 2
            sd[part] = np.sqrt(np.einsum("...k,...k->...", weight, variances))
        return mean, sd

    def _quantile(self, q):
        guess, width = self._finite_moments()

        def at(kind, x):
            return self._by_kind(cdf_and_density, kind, x)

        return quantiles(at, q, guess, width)[self._kind]

    def _cdf(self, index, x):
        return self._by_kind(cdf_and_density, self._kind[index], x)[0]

    def _log_density(self, index, x):
        def log_density(weight, mean, sd, x):
            with np.errstate(divide="ignore"):
                terms = np.log(weight) - np.log(sd)
            terms = terms - ((x[..., None] - mean) / sd) ** 2 / 2
            return (special.logsumexp(terms, axis=-1) - np.log(2 * np.pi) / 2,)

        return self._by_kind(log_density, self._kind[index], x)[0]

    def _by_kind(self, function, kind, x):
        """``function(weight, mean, sd, x)`` in blocks, the components once a kind."""
        order = np.argsort(kind, kind="stable")
        found = None
        for start in range(0, len(x), self._size):
            part = order[start : start + self._size]
            present, which = np.unique(kind[part], return_inverse=True)
            weight, mean, variance = self._components(present)
            weight = weight[which] if weight.ndim > 1 else weight
            values = function(weight, mean[which], np.sqrt(variance)[which], x[part])
            if found is None:
                found = np.empty((len(values), len(x)))
            found[:, part] = values
        return found
