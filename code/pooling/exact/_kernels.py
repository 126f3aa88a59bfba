"""What a group's theta is like where the hyperparameters are known: beta or gamma.

Both kinds have the same methods. A group's two parameters are called a and b; theta
itself is used in a coordinate t that runs over the whole line, and densities are
those of t.
"""

import numpy as np
from scipy import special

from pooling import _check
from pooling.exact._counts import excess, stirling

# Half the width of a window outside which a kernel is negligible, where a
# transformation gives the kernel a standard deviation of one half.
_REACH = 3.75
STEP = 1.5  # and the length of a panel on which a kernel is resolved
# Beyond this many times the information in the data, theta is the common mean.
_ENOUGH = 1e10


class Beta:
    """theta is a proportion, from Beta(a, b), and t its logit."""

    ends = 0.0, 1.0

    @staticmethod
    def given(alpha, beta, y, n):
        """Parameters of the conditional posterior of theta."""
        return alpha + y, beta + (n - y)

    @staticmethod
    def mean(a, b):
        return a / (a + b)

    @staticmethod
    def variance(a, b):
        return a * b / ((a + b) ** 2 * (a + b + 1))

    @staticmethod
    def polynomials(alpha, beta, n):
        """Coefficients, functions of n, of a theta's conditional mean and variance.

        The mean is ``(alpha + y) * slope``, and the variance a sum of the further
        results times 1, y, n - y and y (n - y).
        """
        total = alpha + beta + n
        share = 1 / (total**2 * (total + 1))
        return 1 / total, alpha * beta * share, beta * share, alpha * share, share

    @staticmethod
    def draw(rng, a, b):
        return rng.beta(a, b)

    theta = staticmethod(special.expit)
    coordinate = staticmethod(special.logit)

    @staticmethod
    def log_slope(t):
        """Log of the derivative of theta."""
        return special.log_expit(t) + special.log_expit(-t)

    @staticmethod
    def log_density(t, a, b):
        """Quick, with an error of rounding times the larger parameter."""
        log_p, log_q = special.log_expit(t), special.log_expit(-t)
        return a * log_p + b * log_q - special.betaln(a, b)

    @staticmethod
    def sharp_log_density(t, a, b):
        """The same without cancellation, for parameters of any size."""
        total = a + b
        p, q = a / total, b / total
        with np.errstate(divide="ignore"):
            up = special.log_expit(t) - np.log(p)
            down = special.log_expit(-t) - np.log(q)
        gap = np.where(p < q, special.expit(t) - p, q - special.expit(-t))
        misfit = a * excess(gap / p, up) + b * excess(-gap / q, down)
        return stirling(a) + stirling(b) - stirling(total) - misfit

    @staticmethod
    def below(t, a, b):
        """Probability that theta is less than at t."""
        return special.betainc(a, b, special.expit(t))

    @staticmethod
    def above(t, a, b):
        return special.betainc(b, a, special.expit(-t))

    @staticmethod
    def sharpness(kappa, logit_mu):
        """One over the sd of a new group's t, given the hyperparameters."""
        log_variance = special.log_expit(logit_mu) + special.log_expit(-logit_mu)
        return np.sqrt(kappa * np.exp(log_variance))

    @classmethod
    def steps(cls, low, high, kappa):
        """Logits of mu (S, P) between which a new group's theta has few sds."""
        angle = _evenly(cls.angle(low, 1), cls.angle(high, 1), STEP / np.sqrt(kappa))
        with np.errstate(divide="ignore"):
            v = 2 * np.log(np.tan(angle))
        return np.clip(v, low[:, None], high[:, None])

    @staticmethod
    def window(t, y, n, kappa):
        """The logits of mu between which theta may be at t, given kappa."""
        angle = np.arcsin(np.sqrt(special.expit(t)))
        reach = _REACH / np.sqrt(kappa + n)
        ends = []
        for away in (-reach, reach):
            theta = np.sin(np.clip(angle + away, 0, np.pi / 2)) ** 2
            mu = np.clip(((kappa + n) * theta - y) / kappa, 1e-300, 1.0)
            ends.append(np.clip(special.logit(mu), -700, 700))
        return ends

    @staticmethod
    def capped(kappa, y, n):
        return np.minimum(kappa, _ENOUGH * (1 + n.sum()))

    @staticmethod
    def parameters(kappa, logit_mu):
        """alpha and beta from the coordinates of the plane that theta rests on."""
        return kappa * special.expit(logit_mu), kappa * special.expit(-logit_mu)

    @staticmethod
    def checked_size(name, n):
        """New numbers of trials, or a ``ValueError``."""
        return _check.counts(name, n, least=1)

    @staticmethod
    def count_moments(n, mean, sd):
        """Mean and sd of a count among n, from those of theta."""
        variance = n * (mean * (1 - mean) - sd**2) + (n * sd) ** 2
        return n * mean, np.sqrt(variance)

    @staticmethod
    def count_cdf(count, n, t):
        """Probability of at most ``count`` of n, given theta."""
        inside = np.clip(count, 0, np.maximum(n - 1, 0))
        p = special.betainc(n - inside, inside + 1, special.expit(-t))
        return np.select([count < 0, count >= n], [0.0, 1.0], p)

    @classmethod
    def log_count(cls, count, n, t):
        """Log probability of ``count`` of n, given theta."""
        inside = np.clip(count, 0, n)
        kernel = cls.sharp_log_density(t, inside + 1.0, n - inside + 1.0)
        log_p = kernel - cls.log_slope(t) - np.log1p(n)
        return np.where(count == inside, log_p, -np.inf)

    @staticmethod
    def largest_count(n):
        return n

    @staticmethod
    def angle(t, n):
        """A function of t in which the sd of a count of n is about one half."""
        return np.sqrt(n) * np.arcsin(np.sqrt(special.expit(t)))


class Gamma:
    """theta is a rate, from Gamma(a, b) with b one over a scale, and t its log."""

    ends = 0.0, np.inf

    @staticmethod
    def given(alpha, beta, y, exposure):
        return alpha + y, beta + exposure

    @staticmethod
    def mean(a, b):
        return a / b

    @staticmethod
    def variance(a, b):
        return a / b**2

    @staticmethod
    def polynomials(alpha, beta, exposure):
        scale = 1 / (beta + exposure)
        nothing = np.zeros_like(scale)
        return scale, alpha * scale**2, scale**2, nothing, nothing

    @staticmethod
    def draw(rng, a, b):
        return rng.gamma(a, 1 / b)

    theta = staticmethod(np.exp)
    coordinate = staticmethod(np.log)

    @staticmethod
    def log_slope(t):
        return t

    @staticmethod
    def log_density(t, a, b):
        return a * (np.log(b) + t) - b * np.exp(t) - special.gammaln(a)

    @staticmethod
    def sharp_log_density(t, a, b):
        log = t + np.log(b) - np.log(a)
        with np.errstate(over="ignore"):
            return stirling(a) - a * excess(np.expm1(log), log)

    @staticmethod
    def below(t, a, b):
        return special.gammainc(a, b * np.exp(t))

    @staticmethod
    def above(t, a, b):
        return special.gammaincc(a, b * np.exp(t))

    @staticmethod
    def sharpness(alpha, log_mu):
        return np.sqrt(alpha)

    @staticmethod
    def steps(low, high, alpha):
        """Logs of mu (S, P) between which a new group's theta has few sds."""
        return _evenly(low, high, 2 * STEP / np.sqrt(alpha))

    @staticmethod
    def window(t, y, exposure, alpha):
        """The logs of mu between which theta may be at exp(t), given alpha."""
        ends = []
        for away in (_REACH, -_REACH):
            shape = np.maximum(np.sqrt(alpha + y) + away, 0) ** 2
            beta = shape * np.exp(-t) - exposure
            ends.append(np.log(alpha) - np.log(np.maximum(beta, 1e-300 * alpha)))
        return ends

    @staticmethod
    def capped(alpha, y, exposure):
        return np.minimum(alpha, _ENOUGH * (1 + y.sum()))

    @staticmethod
    def parameters(alpha, log_mu):
        return alpha, alpha * np.exp(-log_mu)

    @staticmethod
    def checked_size(name, exposure):
        return _check.positive_array(name, exposure)

    @staticmethod
    def count_moments(exposure, mean, sd):
        return exposure * mean, np.sqrt(exposure * mean + (exposure * sd) ** 2)

    @staticmethod
    def count_cdf(count, exposure, t):
        p = special.gammaincc(np.maximum(count, 0) + 1, exposure * np.exp(t))
        return np.where(count < 0, 0.0, p)

    @classmethod
    def log_count(cls, count, exposure, t):
        inside = np.maximum(count, 0)
        kernel = cls.sharp_log_density(t, inside + 1.0, exposure)
        log_p = kernel - t - np.log(exposure)
        return np.where(count == inside, log_p, -np.inf)

    @staticmethod
    def largest_count(exposure):
        return np.full_like(exposure, np.inf)

    @staticmethod
    def angle(t, exposure):
        return np.sqrt(exposure * np.exp(t))


def _evenly(low, high, step):
    """Even points from low to high (R,) at a distance of ``step`` or less, (R, P)."""
    count = int(np.max((high - low) / step)) + 2
    return np.linspace(low, high, count, axis=1)
