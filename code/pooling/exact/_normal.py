"""The normal hierarchy with known standard errors: one integral, over tau."""

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr

from pooling.exact import _check, _interpolation, _mixtures, _quadrature
from pooling.exact._priors import ScalePrior, normal_prior

_NAMES = ("mu", "tau", "theta")
# The largest ratio of two numbers in the units of y that is integrated over.
_FARTHEST_APART = 1e50
# Elements of a temporary array: small enough for a processor's cache.
_BLOCK = 2**17


class GivenTau(NamedTuple):
    """Means and sds of ``theta`` and ``mu`` when ``tau`` is known.

    With ``tau`` of shape (T,), ``theta_mean`` and ``theta_sd`` have shape
    (..., T, J), and ``mu_mean`` and ``mu_sd`` (..., T); a single ``tau`` leaves T out.
    """

    theta_mean: np.ndarray
    theta_sd: np.ndarray
    mu_mean: np.ndarray
    mu_sd: np.ndarray


class _Sums(NamedTuple):
    """What a likelihood of very many groups is computed from: sums at M points."""

    at: _interpolation.Interpolation
    count: np.ndarray  # (M,)
    y: np.ndarray  # (M,)
    y_squared: np.ndarray  # (M,)


class _Data(NamedTuple):
    """The problem in units of its own: R replications of J groups."""

    y: np.ndarray  # (R, J), centred and scaled
    variance: np.ndarray  # (R, J), scaled
    mu_loc: np.ndarray  # (R,) prior mean of mu, centred and scaled
    mu_precision: float  # 0 where the prior is flat
    centre: np.ndarray  # (R,), in the units of the caller
    unit: float
    sums: _Sums | None = None  # for one replication of very many groups


class _Mu(NamedTuple):
    """What is known of mu at some tau, and how well that tau explains the data."""

    mean: np.ndarray
    variance: np.ndarray
    log_likelihood: np.ndarray


def normal_hierarchy(y, sigma, *, mu_prior=None, tau_prior=None, coords=None):
    """Exact posterior of the normal hierarchy with known standard errors.

    The model is ``y[j] ~ N(theta[j], sigma[j])``, ``theta[j] ~ N(mu, tau)``, where
    sigma and tau are standard deviations. Given tau, the posterior of mu and theta
    is normal and known in closed form; tau is integrated over by adaptive
    quadrature on its logarithm.

    Parameters
    ----------
    y : array_like, shape (..., J)
        Estimates of the J groups. Leading dimensions are replications: separate
        data sets, each with a posterior of its own.
    sigma : array_like, shape (J,) or (..., J)
        Their standard errors, in the units of ``y``.
    mu_prior : None or frozen scipy.stats.norm
        Prior of mu. None is flat.
    tau_prior : None or object with ``logpdf``
        Prior of tau on tau > 0. None is flat in tau. It may be improper where the
        posterior is proper, and a distribution on the whole line is cut off at zero.
    coords : mapping of one name to J labels, optional
        The dimension of the groups in what `NormalHierarchy.sample` returns;
        without it the dimension is ``"school"`` and has no labels.

    Returns
    -------
    NormalHierarchy

    Raises
    ------
    ValueError
        If an argument is unusable, or if the posterior is improper. For large tau
        the likelihood falls as ``tau**-(J - 1)`` under a flat prior of mu and as
        ``tau**-J`` under a normal one, so a flat prior of tau needs three or two
        groups; near zero the likelihood is level, so that ``1 / tau`` never will do.
        Also if tau_prior is too rough for the quadrature.

    Notes
    -----
    Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 5.4, equations
    5.17-5.21. Means and sds are accurate to at least six digits.

    Examples
    --------
    >>> fit = normal_hierarchy([28, 8, -3, 7], [15, 10, 16, 11])
    >>> fit.mean("theta").shape
    (4,)
    """
    data, shape = _prepare(y, sigma, normal_prior("mu_prior", mu_prior))
    dim, labels = _group_dimension(coords, shape[-1])
    prior = ScalePrior("tau_prior", tau_prior)
    groups = shape[-1] - (mu_prior is None)
    survey = prior.survey(data.unit, *_active_range(data), groups)
    with _quadrature.naming("tau_prior"):
        nodes = _quadrature.integrate(
            _quadrature.powers(
                lambda row, x: _log_posterior(data, prior, row, x), survey.moments
            ),
            survey.edges,
            len(data.y),
        )
    return NormalHierarchy(data, prior, survey, nodes, shape, (dim, labels))


class NormalHierarchy:
    """The posterior that `normal_hierarchy` found.

    Results have the replications' dimensions first. For ``"theta"`` the groups are
    the last dimension; ``"mu"`` and ``"tau"`` are numbers where ``y`` had no
    replications. Everything is in the units of ``y``.
    """

    def __init__(self, data, prior, survey, nodes, shape, dimension):
        self._data = data
        self._prior = prior
        self._survey = survey
        self._nodes = nodes
        self._shape = shape
        self._dimension = dimension

    def __repr__(self):
        replications = "".join(f"{n} × " for n in self._shape[:-1])
        return f"<NormalHierarchy of {replications}{self._shape[-1]} groups>"

    def mean(self, name):
        """Posterior mean of ``"mu"``, ``"tau"`` or ``"theta"``.

        Where tau has no finite mean its mean is inf, and that of mu is nan, as it
        does not exist (under a flat prior of mu, which is as uncertain as tau is
        large).
        """
        _check.one_of("name", name, _NAMES)
        mean = self._means_and_sds[name][0]
        if name == "tau" or (name == "mu" and not self._data.mu_precision):
            mean = self._honest(mean, 1, np.inf if name == "tau" else np.nan)
        return self._shaped(mean)

    def sd(self, name):
        """Posterior sd of ``"mu"``, ``"tau"`` or ``"theta"``; inf if not finite."""
        _check.one_of("name", name, _NAMES)
        sd = self._means_and_sds[name][1]
        if name == "tau" or (name == "mu" and not self._data.mu_precision):
            sd = self._honest(sd, 2, np.inf)
        return self._shaped(sd)

    def quantile(self, name, q):
        """Posterior quantiles.

        Parameters
        ----------
        name : {"mu", "tau", "theta"}
        q : float or array_like of floats from 0 to 1

        Returns
        -------
        float or ndarray, shape of ``q``, then replications, then groups
        """
        _check.one_of("name", name, _NAMES)
        q = _check.probabilities("q", q)
        if name == "tau":
            shape = q.shape + self._shape[:-1]
            row = np.broadcast_to(
                np.arange(len(self._data.y)), (q.size, len(self._data.y))
            )
            flat = np.repeat(q.ravel(), len(self._data.y))
            tau = self._tau_quantile(row.ravel(), flat)
            return tau.reshape(shape)[()]
        at = [self._mixture_quantile(name, each) for each in q.ravel()]
        return np.reshape(at, q.shape + self._own_shape(name))[()]

    def cdf(self, name, x):
        """Posterior probability of at most ``x``.

        Parameters
        ----------
        name : {"mu", "tau", "theta"}
        x : float or array_like
            Broadcast, as NumPy does, against the shape of ``mean(name)``: for a
            grid of G values and every group, give ``"theta"`` a shape of (G, 1).

        Returns
        -------
        float or ndarray, the broadcast shape
        """
        _check.one_of("name", name, _NAMES)
        x = _check.real_array("x", x)
        own = self._own_shape(name)
        try:
            shape = np.broadcast_shapes(x.shape, own)
        except ValueError:
            raise ValueError(
                f"x must broadcast against {name}, of shape {own}; "
                f"its shape is {x.shape}"
            ) from None
        groups = self._shape[-1] if name == "theta" else 1
        index = np.broadcast_to(
            np.arange(int(np.prod(own))).reshape(own), shape
        ).ravel()
        row, group = index // groups, index % groups
        x = np.broadcast_to(x, shape).ravel()
        if name == "tau":
            p = np.zeros(x.shape)
            with np.errstate(divide="ignore"):
                p[x > 0] = _quadrature.cdf(
                    self._nodes, row[x > 0], np.log(x[x > 0] / self._data.unit)
                )
        else:
            z = (x - self._data.centre[row]) / self._data.unit
            p = self._mixture_cdf(name, row, group, z)[0]
        return p.reshape(shape)[()]

    @property
    def log_evidence(self):
        """Log density of the data, with every parameter integrated out.

        The prior of tau is normalised over tau > 0.

        Raises
        ------
        ValueError
            If the prior of mu or tau is improper: the evidence is then not defined.
        """
        if not self._data.mu_precision:
            raise ValueError(
                "log_evidence needs proper priors, but mu_prior is flat (None)"
            )
        mass = log_prior_mass(self._prior, self._data.unit)
        jacobian = -self._shape[-1] * np.log(self._data.unit)
        return self._shaped(self._nodes.log_totals[:, 0] - mass + jacobian)

    def given_tau(self, tau):
        """Means and sds of theta and mu for known tau.

        Parameters
        ----------
        tau : float or array_like, shape (T,), none below zero

        Returns
        -------
        GivenTau
        """
        tau = _check.non_negative_array("tau", tau)
        if tau.ndim > 1:
            raise ValueError(f"tau must be a number or (T,), not of shape {tau.shape}")
        data, rows = self._data, len(self._data.y)
        scaled = np.tile(tau.ravel() / data.unit, (rows, 1))
        mu = _mu_given_tau(data, np.arange(rows), scaled)
        mean, variance = _theta_given_tau(
            data.y[:, None],
            data.variance[:, None],
            scaled[..., None],
            mu.mean[..., None],
            mu.variance[..., None],
        )
        batch = self._shape[:-1] + tau.shape
        theta = (*batch, self._shape[-1])
        centre = data.centre.reshape(-1, 1)
        return GivenTau(
            (mean * data.unit + centre[..., None]).reshape(theta),
            (np.sqrt(variance) * data.unit).reshape(theta),
            (mu.mean * data.unit + centre).reshape(batch)[()],
            (np.sqrt(mu.variance) * data.unit).reshape(batch)[()],
        )

    def density_tau(self, grid):
        """Posterior density of tau, in one over the units of ``y``.

        Parameters
        ----------
        grid : float or array_like, shape (T,), none below zero

        Returns
        -------
        float or ndarray, shape (..., T)
        """
        grid = _check.non_negative_array("grid", grid)
        data, rows = self._data, len(self._data.y)
        scaled = np.tile(grid.ravel() / data.unit, (rows, 1))
        log_p = _mu_given_tau(data, np.arange(rows), scaled).log_likelihood
        log_p = log_p + self._prior.logpdf(grid.ravel())
        density = np.exp(log_p - self._nodes.log_totals[:, :1])
        return density.reshape(self._shape[:-1] + grid.shape)[()]

    def sample(self, draws, rng):
        """Independent draws from the joint posterior.

        Parameters
        ----------
        draws : int
        rng : numpy.random.Generator

        Returns
        -------
        xarray.Dataset
            ``mu`` and ``tau`` with dimension ``sample``, and ``theta`` with
            (``sample``, the groups'); replications come between them as
            ``replication`` (or ``replication_0``, ``replication_1``, ...).
        """
        draws, rng = _check.whole_number("draws", draws), _check.generator("rng", rng)
        data, (rows, groups) = self._data, self._data.y.shape
        row = np.repeat(np.arange(rows), draws)
        tau = self._tau_quantile(row, rng.random(rows * draws)) / data.unit
        tau = tau.reshape(rows, draws)
        given = _mu_given_tau(data, np.arange(rows), tau)
        mu = given.mean + np.sqrt(given.variance) * rng.standard_normal((rows, draws))
        mean, variance = _theta_given_tau(
            data.y[:, None], data.variance[:, None], tau[..., None], mu[..., None], 0.0
        )
        theta = mean + np.sqrt(variance) * rng.standard_normal((rows, draws, groups))
        centre = data.centre[:, None]

        def shaped(a, last=()):
            a = np.moveaxis(a, 1, 0)
            return a.reshape(draws, *self._shape[:-1], *last)

        dim, labels = self._dimension
        batch = _replication_dims(len(self._shape) - 1)
        return xr.Dataset(
            {
                "mu": (("sample", *batch), shaped(mu * data.unit + centre)),
                "tau": (("sample", *batch), shaped(tau * data.unit)),
                "theta": (
                    ("sample", *batch, dim),
                    shaped(theta * data.unit + centre[..., None], (groups,)),
                ),
            },
            coords=None if labels is None else {dim: labels},
        )

    def _honest(self, values, moment, instead):
        """``values``, unless the moment of tau that they rest on is not finite."""
        if moment in self._survey.moments:
            return values
        if moment in self._survey.infinite:
            return np.full_like(values, instead)
        raise ValueError(
            f"tau_prior leaves E tau**{moment} finite, but in a tail too long to "
            "integrate"
        )

    def _own_shape(self, name):
        return self._shape if name == "theta" else self._shape[:-1]

    def _shaped(self, a):
        """Rows back into the replications of the caller; a number if there are none."""
        return a.reshape(self._shape[:-1] + a.shape[1:])[()]

    @cached_property
    def _tau(self):
        return np.exp(self._nodes.x)

    @cached_property
    def _mu(self):
        return _mu_given_tau(self._data, np.arange(len(self._tau)), self._tau)

    @cached_property
    def _means_and_sds(self):
        data, p = self._data, self._nodes.weight
        tau_mean = _dot(p, self._tau)
        tau_sd = np.sqrt(_dot(p, (self._tau - tau_mean[:, None]) ** 2))
        mu_mean = _dot(p, self._mu.mean)
        spread = (self._mu.mean - mu_mean[:, None]) ** 2
        mu_sd = np.sqrt(_dot(p, self._mu.variance + spread))
        theta_mean, theta_sd = _theta_moments(data, p, self._tau, self._mu)
        unit, centre = data.unit, data.centre
        return {
            "tau": (tau_mean * unit, tau_sd * unit),
            "mu": (mu_mean * unit + centre, mu_sd * unit),
            "theta": (theta_mean * unit + centre[:, None], theta_sd * unit),
        }

    def _tau_quantile(self, row, q):
        tau = np.exp(_quadrature.quantile(self._nodes, row, q)) * self._data.unit
        low, high = self._prior.bounds()
        return np.select([q == 0, q == 1], [low, high], tau)

    def _mixture_cdf(self, name, row, group, x):
        """Probability and density at x of the mixture over tau of normals."""
        data, size = self._data, max(1, _BLOCK // self._tau.shape[1])
        p, density = np.empty(x.shape), np.empty(x.shape)
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            r, j = row[part], group[part]
            mean, variance = self._mu.mean[r], self._mu.variance[r]
            if name == "theta":
                mean, variance = _theta_given_tau(
                    data.y[r, j][:, None],
                    data.variance[r, j][:, None],
                    self._tau[r],
                    mean,
                    variance,
                )
            p[part], density[part] = _mixtures.cdf_and_density(
                self._nodes.weight[r], mean, np.sqrt(variance), x[part]
            )
        return p, density

    def _mixture_quantile(self, name, q):
        data, shape = self._data, self._own_shape(name)
        groups = self._shape[-1] if name == "theta" else 1
        index = np.arange(int(np.prod(shape)))
        row, group = index // groups, index % groups
        guess = (
            data.y[row, group]
            if name == "theta"
            else _dot(self._nodes.weight, self._mu.mean)
        )
        width = np.sqrt(data.variance[row, group])

        def at(index, x):
            return self._mixture_cdf(name, row[index], group[index], x)

        z = _mixtures.quantiles(at, q, guess, width)
        return (z * data.unit + data.centre[row]).reshape(shape)


def _prepare(y, sigma, mu):
    """Check the data; centre each replication and put all in one unit."""
    y = _check.real_array("y", y, ndim_min=1)
    sigma = _check.positive_array("sigma", sigma, ndim_min=1)
    if y.shape[-1] != sigma.shape[-1]:
        raise ValueError(
            f"y and sigma must have one value a group, but y has {y.shape[-1]} "
            f"and sigma has {sigma.shape[-1]} along the last dimension"
        )
    try:
        shape = np.broadcast_shapes(y.shape, sigma.shape)
    except ValueError:
        raise ValueError(
            f"sigma must have shape (J,) or that of y, {y.shape}, not {sigma.shape}"
        ) from None
    groups = shape[-1]
    unit = float(np.exp(np.log(sigma).mean()))
    y = np.broadcast_to(y, shape).reshape(-1, groups)
    variance = np.broadcast_to((sigma / unit) ** 2, shape).reshape(-1, groups)
    centre = np.median(y, axis=1)
    y = (y - centre[:, None]) / unit
    _check_range(y, variance, mu, centre, unit)
    data = _Data(
        y=y,
        variance=variance,
        mu_loc=(mu.loc - centre) / unit,
        mu_precision=mu.precision * unit**2,
        centre=centre,
        unit=unit,
        sums=_sums(y[0], variance[0]) if len(y) == 1 else None,
    )
    return data, shape


def _check_range(y, variance, mu, centre, unit):
    """An error if the numbers are too far apart for one scale of tau."""
    sizes = {"y": np.abs(y).max(), "sigma": np.sqrt(variance.max())}
    if mu.precision:
        sizes["the loc of mu_prior"] = np.abs(mu.loc - centre).max() / unit
        sizes["the scale of mu_prior"] = mu.precision**-0.5 / unit
    name = max(sizes, key=sizes.get)
    smallest = np.sqrt(variance.min())
    if sizes[name] > _FARTHEST_APART * smallest:
        raise ValueError(
            f"{name} must be within a factor of {_FARTHEST_APART:g} of the smallest "
            f"sigma; it is {sizes[name] / smallest:.0e} times as large"
        )


def _sums(y, variance):
    """Sums over the groups, or None where a plain loop over them is as quick."""
    at = _interpolation.of_variances(variance)
    if at is None:
        return None
    factors = np.column_stack([np.ones_like(y), y, y**2])
    return _Sums(at, *at.sums(factors).T)


def _group_dimension(coords, groups):
    if coords is None:
        return "school", None
    if not isinstance(coords, Mapping) or len(coords) != 1:
        raise ValueError(
            f"coords must map one dimension's name to {groups} labels, not {coords!r}"
        )
    ((dim, labels),) = coords.items()
    labels = np.asarray(labels)
    if labels.shape != (groups,):
        raise ValueError(
            f"coords[{dim!r}] must have {groups} labels, one a group; "
            f"its shape is {labels.shape}"
        )
    return dim, labels


def _replication_dims(count):
    if count == 1:
        return ("replication",)
    return tuple(f"replication_{i}" for i in range(count))


def _active_range(data):
    """Logarithms of tau between which the likelihood can change its shape."""
    smallest, largest = np.sqrt([data.variance.min(), data.variance.max()])
    reach = np.ptp(data.y, axis=1).max()
    if data.mu_precision:
        reach = max(reach, np.abs(data.mu_loc).max(), data.mu_precision**-0.5)
    return np.log(smallest / 4), np.log(4 * max(largest, reach))


def _log_posterior(data, prior, row, log_tau):
    """Log posterior density of log(tau), up to the constant of an improper prior."""
    tau = np.exp(log_tau)
    return (
        _mu_given_tau(data, row, tau).log_likelihood
        + prior.logpdf(tau * data.unit)
        + log_tau
        + np.log(data.unit)
    )


def _mu_given_tau(data, row, tau):
    """BDA3 equations 5.20 and 5.21, with a normal prior of mu where there is one.

    ``row`` has shape (P,) and ``tau`` (P, n), as has each result.
    """
    flat_row, flat_tau = np.repeat(row, tau.shape[1]), tau.ravel()
    groups = data.y.shape[1] if data.sums is None else len(data.sums.count)
    size = max(1, _BLOCK // groups)
    blocks = [
        _mu_block(data, flat_row[i : i + size], flat_tau[i : i + size])
        for i in range(0, len(flat_tau), size)
    ]
    return _Mu(
        *(np.concatenate(b).reshape(tau.shape) for b in zip(*blocks, strict=True))
    )


def _mu_block(data, row, tau):
    loc, precision, sums = data.mu_loc[row], data.mu_precision, data.sums
    if sums is None:
        y, variance = data.y[row], data.variance[row] + tau[:, None] ** 2
        weight = 1 / variance
        total = weight.sum(axis=1)
        mean = (_dot(weight, y) + precision * loc) / (total + precision)
        misfit = _dot(weight, (y - mean[:, None]) ** 2)
        log_determinant = np.log(variance).sum(axis=1)
    else:
        variance = sums.at.points + tau[:, None] ** 2
        weight = 1 / variance
        total, pull = weight @ sums.count, weight @ sums.y
        mean = (pull + precision * loc) / (total + precision)
        misfit = weight @ sums.y_squared - 2 * mean * pull + mean**2 * total
        log_determinant = np.log(variance) @ sums.count
    misfit = misfit + precision * (mean - loc) ** 2
    # With a flat prior of mu the "evidence" is up to that prior's constant.
    normaliser = (
        np.log1p(total / precision) if precision else np.log(total / (2 * np.pi))
    )
    log_determinant = log_determinant + data.y.shape[1] * np.log(2 * np.pi)
    return mean, 1 / (total + precision), -(log_determinant + normaliser + misfit) / 2


def _theta_given_tau(y, variance, tau, mu_mean, mu_variance):
    """BDA3 equation 5.17 with mu integrated out: mean and variance of theta."""
    pull = variance / (variance + tau**2)
    mean = y + pull * (mu_mean - y)
    return mean, pull * tau**2 + pull**2 * mu_variance


def _theta_moments(data, p, tau, mu):
    """Posterior means and sds of theta, (R, J), in blocks of rows and groups."""
    if data.sums is not None:
        return _theta_moments_by_interpolation(data, p[0], tau[0], mu)
    rows, groups = data.y.shape
    mean, sd = np.empty((2, rows, groups))
    row_size = max(1, _BLOCK // (p.shape[1] * min(groups, 512)))
    group_size = max(1, _BLOCK // p.shape[1])
    for i in range(0, rows, row_size):
        r = slice(i, i + row_size)
        for j in range(0, groups, group_size):
            g = slice(j, j + group_size)
            y, weight = data.y[r, None, g], p[r, None, :]
            # How far theta is moved from y, which may be far from zero.
            move, variance = _theta_given_tau(
                0.0,
                data.variance[r, None, g],
                tau[r, :, None],
                mu.mean[r, :, None] - y,
                mu.variance[r, :, None],
            )
            m = weight @ move
            mean[r, g] = (y + m)[:, 0]
            sd[r, g] = np.sqrt(weight @ (variance + (move - m) ** 2))[:, 0]
    return mean, sd


def _theta_moments_by_interpolation(data, p, tau, mu):
    """The same for one replication of very many groups.

    Given tau, the mean of theta is linear in the group's own y, with coefficients that
    depend on the standard error alone. So do their means and covariances over tau.
    """
    v = data.sums.at.points[:, None]
    pull = v / (v + tau**2)
    towards = pull * mu.mean[0]
    own = (pull * tau**2 + pull**2 * mu.variance[0]) @ p
    pull_mean, towards_mean = pull @ p, towards @ p
    pull, towards = pull - pull_mean[:, None], towards - towards_mean[:, None]
    values = np.column_stack(
        [
            pull_mean,
            towards_mean,
            own + towards**2 @ p,
            (pull * towards) @ p,
            pull**2 @ p,
        ]
    )
    found = data.sums.at.evaluate(values).T
    y = data.y[0]
    mean = y + found[1] - found[0] * y
    variance = found[2] - 2 * y * found[3] + y**2 * found[4]
    return mean[None], np.sqrt(variance)[None]


def log_prior_mass(prior, unit):
    """Log of the prior's integral over tau > 0: 0 where it is normalised already."""
    try:
        survey = prior.survey(unit, -1.0, 1.0, 0)
    except ValueError:
        raise ValueError(
            "log_evidence needs proper priors, but tau_prior has no finite integral"
        ) from None

    def log_f(row, x):
        return prior.logpdf(np.exp(x) * unit) + x + np.log(unit)

    mass = _quadrature.integrate(_quadrature.powers(log_f, (0,)), survey.edges, 1)
    return mass.log_totals[0, 0]


def _dot(a, b):
    """Sum of products along the last axis."""
    return np.einsum("...i,...i->...", a, b)
