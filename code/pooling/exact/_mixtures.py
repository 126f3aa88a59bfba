"""Quantiles of mixtures of normals."""

import numpy as np
from scipy import special

from pooling.exact._quadrature import increasing_root


def cdf_and_density(weight, mean, sd, x):
    """Of mixtures along the last axis: weight, mean and sd (..., K), x (...)."""
    z = (x[..., None] - mean) / sd
    p = np.einsum("...k,...k->...", weight, special.ndtr(z))
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
