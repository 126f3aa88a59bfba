"""Sums over counts: gamma functions without cancellation, tabulated.

The marginal likelihoods of the beta-binomial and the gamma-Poisson models are sums
over groups of functions such as ``log(Γ(alpha + y) / Γ(alpha))``. As functions of
``log(y)``, and of ``log(alpha)``, they have singularities only at a distance of pi
from the real line, where y or alpha is negative. Both are therefore interpolated:
sums over many different y become sums over few (`few`), and the sum, as a function of
one hyperparameter, becomes a `Table`.
"""

import numpy as np
from scipy import special

from pooling.exact._interpolation import Interpolation, nodes_needed

_BLOCK = 2**18
_FEW = 4  # interpolation pays for itself where there are this many values a node
_NEAR = 0.1  # where the logarithm is a series
_POWERS = 2 * np.arange(1, 9) + 1
_FAR = 16.0  # where Stirling's series has sixteen digits
_STIRLING = 1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188, -691 / 360360

ORDER = 8  # of a table's polynomials, on pieces so short that they suffice
_STEP = 0.25
_MARGIN = 45.0  # logs beyond the numbers themselves, where only a limit is left
_K = np.arange(ORDER)
_POINTS = np.cos(np.pi * (_K + 0.5) / ORDER)
_TO_POWERS = np.linalg.inv(np.vander(_POINTS, increasing=True))


def excess(x, log=None):
    """``x - log(1 + x)`` for x above -1, to full accuracy also near zero.

    ``log`` is ``log(1 + x)`` where it is known better than from x, which may be
    rounded to -1.
    """
    found = x - (np.log1p(x) if log is None else log)
    # log(1 + x) = 2 artanh(z), and x = 2 z / (1 - z).
    near = np.clip(x, -_NEAR, _NEAR)
    z = near / (2 + near)
    square = z * z
    tail = np.zeros_like(z)
    for power in _POWERS[::-1]:
        tail = tail * square + 1 / power
    return np.where(x == near, 2 * square * (1 / (1 - z) - z * tail), found)


def stirling(a):
    """``a log(a) - a - log Γ(a)``: to add up without large terms that cancel."""
    near, far = np.minimum(a, _FAR), np.maximum(a, _FAR)
    small = special.xlogy(near, near) - near - special.gammaln(near)
    return np.where(a < _FAR, small, np.log(far / (2 * np.pi)) / 2 - _series(far))


def _series(a):
    """What Stirling's formula leaves of ``log Γ(a)``, for a of `_FAR` or more."""
    found = np.zeros_like(a)
    for term in _STIRLING[::-1]:
        found = found / a**2 + term
    return found / a


def log_rising(a, y):
    """``log(Γ(a + y) / Γ(a)) - y log(a)`` for positive a and real y above zero.

    For a whole number y it is the sum of ``log(1 + i / a)`` over i below y.
    """
    x = y / a
    with np.errstate(over="ignore", invalid="ignore"):
        main = np.where(
            x < 1,
            (a + y) * excess(np.maximum(-x / (1 + x), -0.5)),
            (a + y) * np.log1p(x) - y,
        )
    far = np.maximum(a, _FAR)
    return main + np.where(
        a < _FAR,
        stirling(a) - stirling(a + y),
        _series(far + y) - _series(far) - np.log1p(y / far) / 2,
    )


def few(values, *weights):
    """Few numbers and weights that stand for many in sums of smooth functions.

    Parameters
    ----------
    values : array of positive numbers, shape (N,)
    *weights : arrays of shape (N,)

    Returns
    -------
    numbers : ndarray, shape (T,)
    weights : ndarray, shape (len(weights), T)
        ``sum(weights[i] * f(values))`` is ``weights[i] @ f(numbers)``, for functions
        f as `Interpolation` takes them.
    """
    if not len(values):
        return np.empty(0), np.empty((len(weights), 0))
    numbers, which = np.unique(values, return_inverse=True)
    summed = [np.bincount(which, w, len(numbers)) for w in weights]
    if len(numbers) > _FEW * nodes_needed(numbers):
        interpolation = Interpolation(numbers, numbers[0], numbers[-1])
        summed = interpolation.sums(*summed).reshape(len(weights), -1)
        return interpolation.nodes.ravel(), summed
    return numbers, np.stack(summed)


class Table:
    """A sum over numbers of smooth functions of x, as a function of log(x).

    Parameters
    ----------
    function : callable
        ``function(x, numbers)``, for arrays that broadcast. For x below all numbers
        it is linear in log(x), and above them proportional to 1 / x.
    numbers, weights : arrays of shape (T,)
        The sum is ``weights @ function(x, numbers)``.
    """

    def __init__(self, function, numbers, weights):
        self._empty = not len(numbers)
        if self._empty:
            return
        low, high = np.log([numbers.min(), numbers.max()])
        low, high = min(low, 0.0) - _MARGIN, max(high, 0.0) + _MARGIN
        pieces = int(np.ceil((high - low) / _STEP))
        self._low, self._high = low, low + pieces * _STEP
        x = low + (np.arange(pieces)[:, None] + (_POINTS + 1) / 2) * _STEP
        values = _sum(function, x.ravel(), numbers, weights).reshape(x.shape)
        self._series = np.ascontiguousarray((values @ _TO_POWERS.T).T)
        ends = np.array([low, low + 1, self._high])
        first, second, self._last = _sum(function, ends, numbers, weights)
        self._first, self._slope = first, second - first

    def __call__(self, log_x):
        if self._empty:
            return np.zeros_like(log_x)
        place = (np.clip(log_x, self._low, self._high) - self._low) / _STEP
        piece = np.minimum(place.astype(np.intp), self._series.shape[1] - 1)
        place = 2 * (place - piece) - 1
        found = self._series[-1][piece]
        for coefficients in self._series[-2::-1]:
            found = found * place + coefficients[piece]
        below, above = log_x < self._low, log_x > self._high
        if below.any():
            line = self._first + self._slope * (log_x - self._low)
            found = np.where(below, line, found)
        if above.any():
            power = self._last * np.exp(np.minimum(self._high - log_x, 0))
            found = np.where(above, power, found)
        return found


def _sum(function, log_x, numbers, weights):
    """``weights @ function(x, numbers)`` for each x, by blocks."""
    found = np.empty(len(log_x))
    step = max(1, _BLOCK // len(numbers))
    for start in range(0, len(log_x), step):
        part = slice(start, start + step)
        found[part] = function(np.exp(log_x[part, None]), numbers) @ weights
    return found
