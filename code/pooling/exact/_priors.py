"""Priors as the quadrature needs them: on the logarithm of a standard deviation."""

from typing import NamedTuple, Protocol

import numpy as np
from scipy import special, stats

from pooling import _check
from pooling.exact import _nested, _quadrature

# Beyond these limits of log(tau / unit) nothing is looked at; squares of the
# exponentials are still ordinary floating-point numbers.
FARTHEST = 300.0
_SCAN = np.arange(-FARTHEST, FARTHEST + 0.25, 0.5)
# What falls this far (in logs) below a region's highest point is left out.
_DROP = 42.0
_QUANTILES = np.array([0.001, 0.25, 0.5, 0.75, 0.999])
# Logits between which the power is found by which a density vanishes at 1.
_NEAR_ONE = 12.0, 14.0
# A tail that falls by less than this (in logs) within the limits is too long.
_ENOUGH = 28.0


class Prior(Protocol):
    """What a prior must have, such as a frozen distribution of SciPy."""

    def logpdf(self, x): ...


class Normal(NamedTuple):
    """A normal prior; a flat one has no precision."""

    loc: float
    precision: float


def normal_prior(name, prior):
    """Read a frozen ``scipy.stats.norm``, or None for a flat prior.

    Raises
    ------
    ValueError
        If ``prior`` is anything else, or its loc or scale is not one usable number.
    """
    if prior is None:
        return Normal(0.0, 0.0)
    loc, scale = frozen_norm(name, prior)
    if np.ndim(loc) or np.ndim(scale):
        raise ValueError(f"{name} must have one loc and one scale, not arrays of them")
    return Normal(float(loc), float(scale) ** -2)


def frozen_norm(name, prior):
    """The (loc, scale) of a frozen ``scipy.stats.norm``, as given to it."""
    if getattr(getattr(prior, "dist", None), "name", None) != "norm":
        raise ValueError(
            f"{name} must be None (flat) or a frozen scipy.stats.norm such as "
            f"scipy.stats.norm(0, 10), not {prior!r}"
        )
    given = dict(zip(("loc", "scale"), prior.args, strict=False)) | prior.kwds
    loc = _check.real_array(f"the loc of {name}", given.get("loc", 0.0))
    scale = _check.positive_array(f"the scale of {name}", given.get("scale", 1.0))
    _check.ordinary_size(f"the loc of {name}", loc[loc != 0])
    _check.ordinary_size(f"the scale of {name}", scale)
    return loc, scale


class ScalePrior:
    """A prior on a standard deviation, proper or not.

    Parameters
    ----------
    name : str
        What the argument is called, for messages.
    prior : None or object with ``logpdf``
        None is flat on (0, inf). A distribution on the whole line is cut off at zero.
    """

    def __init__(self, name, prior):
        if prior is not None and not callable(getattr(prior, "logpdf", None)):
            raise ValueError(
                f"{name} must be None (flat) or have a method logpdf, such as "
                f"scipy.stats.halfnorm(scale=10); it was {prior!r}"
            )
        if isinstance(prior, (stats.rv_continuous, stats.rv_discrete)):
            raise ValueError(
                f"{name} must be a frozen distribution, with its parameters, such as "
                f"scipy.stats.halfnorm(scale=10), not {prior!r}"
            )
        self.name = name
        self._prior = prior
        self._bounds = self._support()

    def logpdf(self, tau):
        """Log density at ``tau`` (any shape), minus infinity off the support."""
        tau = np.asarray(tau, float)
        if self._prior is None:
            return np.zeros_like(tau)
        # A density may be infinite at the ends of its support, never just inside.
        low, high = self.bounds()
        inside = np.clip(tau, low * (1 + 1e-15), high * (1 - 1e-15))
        values = self._values(np.where((tau >= low) & (tau <= high), inside, tau))
        if np.isnan(values).any():
            at = tau[np.isnan(values)].flat[0]
            raise ValueError(
                f"{self.name}.logpdf must be a number, but at {at} it is nan"
            )
        if np.isposinf(values).any() and (tau[np.isposinf(values)] > 0).any():
            at = tau[np.isposinf(values) & (tau > 0)].flat[0]
            raise ValueError(
                f"{self.name}.logpdf must be finite, but at {at} it is inf"
            )
        return values

    def _values(self, tau):
        """What the prior's own method says, whatever it is, in the shape of ``tau``."""
        with np.errstate(all="ignore"):
            values = np.asarray(self._ask("logpdf", tau))
        if values.dtype.kind not in "fiu":
            raise ValueError(
                f"{self.name}.logpdf must return real numbers, not {values.dtype}"
            )
        values = values.astype(float)
        if values.shape != tau.shape and values.size != 1:
            raise ValueError(
                f"{self.name}.logpdf must return an array of the shape it is given, "
                f"{tau.shape}, not {values.shape}"
            )
        return np.broadcast_to(values, tau.shape)

    def bounds(self):
        """Ends of the support within (0, inf)."""
        return self._bounds

    def _support(self):
        if not callable(getattr(self._prior, "support", None)):
            return 0.0, np.inf
        ends = np.asarray(self._ask("support"), float).ravel()
        if ends.shape != (2,) or not ends[0] <= ends[1]:
            raise ValueError(
                f"{self.name} must be one distribution, with a support of two ends; "
                f"its support is {ends}"
            )
        return max(float(ends[0]), 0.0), max(float(ends[1]), 0.0)

    def _ask(self, method, *arguments):
        """What a method of the prior returns, or a ``ValueError`` if it fails."""
        try:
            return getattr(self._prior, method)(*arguments)
        except Exception as error:
            raise ValueError(
                f"{self.name}.{method} must work for an array of numbers; it raised "
                f"{type(error).__name__}: {error}"
            ) from error

    def require_density(self, unit):
        """An error unless the density is positive somewhere."""
        self._scan(unit)

    def log_mass(self, unit):
        """Log of the integral over positive numbers: 0 if it is normalised there.

        Raises
        ------
        ValueError
            If the integral is infinite.
        """
        try:
            survey = self.survey(unit, -1.0, 1.0, 0)
        except ValueError:
            raise ValueError(
                f"log_evidence needs proper priors, but {self.name} has no finite "
                "integral that can be computed"
            ) from None

        def log_f(row, x):
            return self.logpdf(np.exp(x) * unit) + x + np.log(unit)

        with _quadrature.naming(self.name):
            mass = _quadrature.integrate(
                _quadrature.powers(log_f, (0,)), survey.edges, 1
            )
        return mass.log_totals[0, 0]

    def landmarks(self):
        """Points (any scale) that the first panels should not straddle blindly."""
        points = [*self.bounds()]
        if callable(getattr(self._prior, "ppf", None)):
            with np.errstate(all="ignore"):
                points += [*np.ravel(self._ask("ppf", _QUANTILES))]
        points = np.array(points, float)
        return points[np.isfinite(points) & (points > 0)]

    def survey(self, unit, low, high, power):
        """Where to integrate, and which moments exist.

        The likelihood is taken to be level in ``log(tau)`` below ``low`` and to
        fall as ``tau**-power`` above ``high``; between them it may do anything.

        Parameters
        ----------
        unit : float
            Unit in which ``low`` and ``high``, and the result, are measured.
        low, high : float
            Logarithms, in that unit.
        power : float
            Power of the likelihood's upper tail.

        Returns
        -------
        Survey

        Raises
        ------
        ValueError
            If the posterior is improper, saying at which end and why.
        """
        x, log_f = self._scan(unit)
        log_f = log_f + x
        bottom, top = _end_slope(x, log_f), _end_slope(x[::-1], log_f[::-1])
        if bottom <= 1e-6:
            raise ValueError(
                f"{self.name} makes the posterior improper: near zero it grows as "
                f"{self._letter}**{bottom - 1:.3g}, which has no finite integral "
                "there, and the likelihood does not vanish at zero"
            )
        decay = power - top
        if decay <= 1e-6:
            raise ValueError(self._too_heavy(top - 1, power))
        if min(bottom, decay) * FARTHEST < _ENOUGH:
            raise ValueError(
                f"{self.name} leaves a posterior too close to improper to integrate"
            )
        moments = tuple(m for m in (0, 1, 2) if (decay - m) * FARTHEST >= _ENOUGH)
        infinite = tuple(m for m in (1, 2) if decay - m <= 1e-6)
        falling = log_f + (moments[-1] - power) * np.maximum(x - high, 0)
        start = _first_above(log_f[x <= low], x[x <= low])
        stop = -_first_above(falling[x >= high][::-1], -x[x >= high][::-1])
        edges = self._edges(unit, min(start, low), max(stop, high), low, high)
        return Survey(edges, Tail(moments, infinite))

    @property
    def _letter(self):
        return self.name.removesuffix("_prior")

    def _scan(self, unit):
        """A grid of logarithms and the log densities there, unusable at the ends."""
        self._check_reach(unit)
        marks = np.sort(np.log(self.landmarks() / unit))
        marks = np.concatenate([marks, (marks[1:] + marks[:-1]) / 2])
        x = np.union1d(_SCAN, marks[np.abs(marks) < FARTHEST])
        if self._prior is None:
            return x, np.zeros_like(x)
        values = self._values(unit * np.exp(x))
        values = np.where(np.isposinf(values), np.nan, values)
        if not np.isfinite(values).any():
            raise ValueError(
                f"{self.name} has no density anywhere on {self._letter} > 0"
            )
        return x, values

    def _check_reach(self, unit):
        """An error if the prior's median is out of all proportion to the data."""
        if callable(getattr(self._prior, "ppf", None)):
            with np.errstate(all="ignore"):
                median = float(self._ask("ppf", _QUANTILES[[2]])[0])
            if np.isfinite(median) and median > 0:
                _check.ordinary_range(self.name, median / unit, "the data")

    def _too_heavy(self, slope, power):
        what = (
            "a flat prior"
            if self._prior is None
            else (f"a prior that goes as {self._letter}**{slope:.3g}")
        )
        return (
            f"{self.name} makes the posterior improper: the likelihood falls only as "
            f"{self._letter}**-{power:g} for large {self._letter}, and with {what} the "
            "product has no finite integral; give a proper prior such as "
            "scipy.stats.halfnorm(scale=...), or more groups"
        )

    def _edges(self, unit, start, stop, low, high):
        """Panel edges: even where things happen, ever wider away from there."""
        steps = max(1, int(np.ceil((high - low) / 2)))
        middle = np.linspace(low, high, steps + 1)
        wider = np.cumsum(2.0 * 1.6 ** np.arange(40))
        edges = np.concatenate([[start, stop], low - wider, middle, high + wider])
        marks = np.log(self.landmarks() / unit)
        edges = np.concatenate([edges[(edges >= start) & (edges <= stop)], marks])
        with np.errstate(divide="ignore"):
            ends = np.log(np.array(self.bounds()) / unit)
        start, stop = max(start, ends[0]), min(stop, ends[1])
        return np.unique(edges[(edges >= start) & (edges <= stop)])


class ProportionPrior(ScalePrior):
    """A prior on a number between 0 and 1.

    None is uniform. A distribution on a wider interval is cut off at 0 and 1.
    """

    def _support(self):
        low, high = super()._support()
        return min(low, 1.0), min(high, 1.0)

    def log_density_of_logit(self, x):
        """Log density of logit(mu), at ``x`` (any shape).

        Close to 1 a floating-point number has lost its distance from 1, of which the
        density is taken to be a power there.
        """
        first, last = _NEAR_ONE
        value = self.logpdf(special.expit(np.minimum(x, last)))
        beyond = x > last
        if self._prior is not None and beyond.any() and self.bounds()[1] == 1:
            low, high = self.logpdf(special.expit(np.array(_NEAR_ONE)))
            if np.isfinite(low) and np.isfinite(high):
                slope = (high - low) / (last - first)
                value = value + np.where(beyond, slope * (x - last), 0.0)
        return value + special.log_expit(x) + special.log_expit(-x)

    def require_density(self, unit=1.0):
        x = np.concatenate([self.landmarks(), special.expit(_SCAN)])
        if not np.isfinite(self.logpdf(np.append(x, np.mean(self.bounds())))).any():
            raise ValueError(
                f"{self.name} has no density anywhere on 0 < {self._letter} < 1"
            )

    def log_mass(self, unit=1.0):
        """Log of the integral from 0 to 1: 0 if the prior is normalised there."""
        if self._prior is None:
            return 0.0
        marks = special.logit(self.landmarks())

        def log_f(row, x):
            return self.log_density_of_logit(x)

        found = _nested.scan(log_f, _nested.far_grid(40, 0.5, 300), 1, marks)
        if min(found.rise, found.fall) * 300 < _ENOUGH:
            raise ValueError(
                f"log_evidence needs proper priors, but {self.name} has no finite "
                "integral that can be computed"
            )
        with _quadrature.naming(self.name):
            mass = _quadrature.integrate(
                _quadrature.powers(log_f, (0,)), _nested.edges(found, 0.5, marks), 1
            )
        return mass.log_totals[0, 0]

    def landmarks(self):
        """Points of (0, 1) that the first panels should not straddle blindly."""
        points = super().landmarks()
        return points[points < 1]


class Tail(NamedTuple):
    """Which of the moments 0, 1, 2 of a standard deviation are finite."""

    found: tuple  # those that are finite and can be integrated
    infinite: tuple  # those that are infinite

    def honest(self, values, moment, letter, instead, prior=None):
        """``values``, unless the moment that they rest on is not finite.

        ``prior`` names the prior where that is not the letter's own.

        Raises
        ------
        ValueError
            If it is finite, but the tail is too long to integrate.
        """
        if moment in self.found:
            return values
        if moment in self.infinite:
            return np.full_like(values, instead)
        raise ValueError(
            f"{prior or letter + '_prior'} leaves moment {moment} of {letter} finite, "
            "but in a tail too long to integrate; give a prior with a shorter tail"
        )


def scale_moments(x, weight, tail, letter, prior=None):
    """Two functions for the mean and sd of a positive quantity, from its nodes."""
    mean = np.array(x @ weight)
    sd = np.sqrt((x - mean) ** 2 @ weight)
    return (
        lambda: tail.honest(mean, 1, letter, np.inf, prior),
        lambda: tail.honest(sd, 2, letter, np.inf, prior),
    )


class Survey(NamedTuple):
    """Where to integrate over a log standard deviation, and what is finite."""

    edges: np.ndarray  # ends of the first panels
    tail: Tail


def _end_slope(x, log_f, apart=20):
    """Slope at the scan's first end; infinite, upwards, where the function is zero."""
    first = np.flatnonzero(~np.isnan(log_f))[0]
    # A huge negative logarithm has no digits left for a slope: it is zero enough.
    if log_f[first] < np.nanmax(log_f) - 1e9:
        return np.inf if x[-1] > x[0] else -np.inf
    return (log_f[first + apart] - log_f[first]) / (x[first + apart] - x[first])


def _first_above(log_f, x):
    """The first x at which the function matters beside its maximum, less a step."""
    peak = np.nanmax(log_f, initial=-np.inf)
    if np.isneginf(peak):
        return x[-1]
    return x[max(0, np.flatnonzero(log_f >= peak - _DROP)[0] - 1)]
