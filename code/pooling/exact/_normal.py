"""The normal hierarchy with known standard errors: one integral, over tau."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
import xarray as xr

from pooling import _check
from pooling.exact import _groups, _mixtures, _quadrature
from pooling.exact._interpolation import Interpolation, nodes_needed
from pooling.exact._priors import Prior, ScalePrior, normal_prior
from pooling.exact.posterior import (
    Posterior,
    Prediction,
    check_same_labels,
    labels_of_groups,
    numbered,
)

# Elements of a temporary array: small enough for a processor's cache.
_BLOCK = 2**17
# Interpolation pays for itself where there are this many groups a node.
_GROUPS_A_NODE = 4
_NAMES = ("mu", "tau", "theta")


class _Data(NamedTuple):
    """The problem in units of its own: R replications of J groups."""

    y: np.ndarray  # (R, J), centred and scaled
    variance: np.ndarray  # (R, J), scaled
    mu_loc: np.ndarray  # (R,) prior mean of mu, centred and scaled
    mu_precision: float  # 0 where the prior is flat
    centre: np.ndarray  # (R,), in the units of the caller
    unit: float
    sums: _Sums | None


class _Sums(NamedTuple):
    """Many groups as weights at few variances, B pieces of n nodes (Interpolation).

    The weights are those of sums over groups of f(variance), of f(variance) times
    the estimate's distance from its piece's centre, and times its square.
    """

    variance: np.ndarray  # (B, n)
    centre: np.ndarray  # (R, B)
    weight: np.ndarray  # (R, 3, B, n)
    interpolation: list  # R of them


class _Mu(NamedTuple):
    """What is known of mu at some tau, and how well that tau explains the data."""

    mean: np.ndarray
    variance: np.ndarray
    log_likelihood: np.ndarray


def normal_hierarchy(
    y: ArrayLike,
    sigma: ArrayLike,
    *,
    mu_prior: Prior | None = None,
    tau_prior: Prior | None = None,
    coords: Mapping[str, ArrayLike] | None = None,
) -> NormalHierarchy:
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
        The groups' dimension and labels in the results. Without it they are those of
        ``y`` if that is a DataArray, or a Series with an index of its own; else the
        dimension is ``"group"`` and has no labels.

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
        Also if ``tau_prior`` is too rough for the quadrature.

    Notes
    -----
    Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 5.4, equations
    5.17-5.21. Means and sds are accurate to at least six digits. A million groups
    take a second or two: sums over many groups, and functions of their variances,
    are interpolated to thirteen digits.

    Examples
    --------
    Eight schools (*Bayesian Data Analysis*, section 5.5), under flat priors:

    >>> import numpy as np
    >>> fit = normal_hierarchy(
    ...     y=[28, 8, -3, 7, -1, 1, 18, 12],
    ...     sigma=[15, 10, 16, 11, 9, 11, 10, 18],
    ...     coords={"school": list("ABCDEFGH")},
    ... )
    >>> fit
    <NormalHierarchy of 8 groups>
    >>> round(fit.mean("tau"), 2), round(fit.sd("tau"), 2)
    (6.58, 5.65)
    >>> round(float(fit.mean("theta").sel(school="A")), 2)
    11.4
    >>> fit.quantile("theta", [0.025, 0.975]).dims
    ('quantile', 'school')
    >>> round(1 - fit.predict("a school not yet seen").cdf(0.0), 2)
    0.85
    >>> draws = fit.sample(1000, np.random.default_rng(1))
    >>> draws["theta"].dims
    ('sample', 'school')
    """
    (replication_dims, dim), labels = labels_of_groups(y, coords, _NAMES)
    data, shape = _prepare(y, sigma, normal_prior("mu_prior", mu_prior))
    if replication_dims is None:
        replication_dims = numbered("replication", len(shape) - 1)
    check_same_labels("sigma", y, sigma)
    prior = ScalePrior("tau_prior", tau_prior)
    groups = shape[-1] - (mu_prior is None)
    survey = prior.survey(data.unit, *_active_range(data), groups)
    with _quadrature.naming("tau_prior"):
        nodes = _quadrature.integrate(
            _quadrature.powers(
                lambda row, x: _log_posterior(data, prior, row, x), survey.tail.found
            ),
            survey.edges,
            len(data.y),
        )
    dims = (*replication_dims, dim)
    return NormalHierarchy(data, prior, survey.tail, nodes, shape, (dims, labels))


class NormalHierarchy(Posterior):
    """The posterior that `normal_hierarchy` found, of ``"mu", "tau", "theta"``.

    ``"theta"`` has the groups' dimension. Replications come first, as dimension
    ``"replication"`` (or ``"replication_0"``, ``"replication_1"``, ...).
    """

    def __init__(self, data, prior, tail, nodes, shape, dimensions):
        names, labels = dimensions
        batch = names[:-1]
        super().__init__(
            dims={"mu": batch, "tau": batch, "theta": names},
            sizes=dict(zip(names, shape, strict=True)),
            coords=labels,
        )
        self._data = data
        self._prior = prior
        self._tail = tail
        self._nodes = nodes
        self._batch = shape[:-1]
        self._groups = shape[-1]

    def __repr__(self):
        replications = "".join(f"{n} × " for n in self._batch)
        return f"<NormalHierarchy of {replications}{self._groups} groups>"

    @property
    def log_evidence(self) -> float | xr.DataArray:
        if not self._data.mu_precision:
            raise ValueError(
                "log_evidence needs proper priors, but mu_prior is flat (None)"
            )
        mass = self._prior.log_mass(self._data.unit)
        jacobian = -self._groups * np.log(self._data.unit)
        values = self._nodes.log_totals[:, 0] - mass + jacobian
        return self._labelled("tau", values.reshape(self._batch))

    def given_tau(self, tau: ArrayLike) -> xr.Dataset:
        """Means and sds of the other quantities where tau is known.

        Parameters
        ----------
        tau : float or array_like, shape (T,), none below zero

        Returns
        -------
        xarray.Dataset
            ``theta_mean``, ``theta_sd``, ``mu_mean``, ``mu_sd``; an array of tau adds
            a dimension ``"tau"`` in front of the groups'.

        Raises
        ------
        ValueError
            If ``tau`` is negative, not finite, or has more than one dimension.
        """
        tau = _check.known_scale("tau", tau)
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
        shape = self._batch + tau.shape
        dims = self.dims["tau"] + ("tau",) * tau.ndim
        coords = self.coords | ({"tau": tau} if tau.ndim else {})
        centre = data.centre.reshape(-1, 1)
        each = {
            "theta_mean": mean * data.unit + centre[..., None],
            "theta_sd": np.sqrt(variance) * data.unit,
            "mu_mean": mu.mean * data.unit + centre,
            "mu_sd": np.sqrt(mu.variance) * data.unit,
        }
        variables = {}
        for key, value in each.items():
            last = self.dims["theta"][-1:] if key.startswith("theta") else ()
            variables[key] = (dims + last, value.reshape((*shape, *value.shape[2:])))
        return xr.Dataset(variables, coords)

    def sample(self, draws: int, rng: np.random.Generator) -> xr.Dataset:
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
        each = {
            "mu": mu * data.unit + centre,
            "tau": tau * data.unit,
            "theta": theta * data.unit + centre[..., None],
        }
        return xr.Dataset(
            {
                name: (
                    ("sample", *self.dims[name]),
                    np.moveaxis(a, 1, 0).reshape(draws, *self._shape(name)),
                )
                for name, a in each.items()
            },
            self.coords,
        )

    def predict(self, group: ArrayLike, sigma: ArrayLike = 0.0) -> Prediction:
        """What the posterior predicts for a new estimate in each of some groups.

        Parameters
        ----------
        group : label or array_like of labels, shape (M,)
            Labels as in `coords`, or numbers from 0 where there are no labels. A
            label that is not there is a new group from the same population.
        sigma : float or array_like, shape (M,)
            Standard errors of the new estimates. Zero, the default, predicts the
            group's true value ``theta``.

        Returns
        -------
        Prediction

        Raises
        ------
        ValueError
            If an argument is unusable.

        Examples
        --------
        >>> fit = normal_hierarchy([28, 8, -3, 7, 18], [15, 10, 16, 11, 10])
        >>> fit.predict([0, "new"], sigma=10).quantile(0.95).dims
        ('row',)
        """
        label = np.asarray(group)
        labels = self.coords.get(self.dims["theta"][-1], np.arange(self._groups))
        position = _groups.match("group", group, labels)
        noise = _check.non_negative_array("sigma", sigma)
        noise = _check.one_a_label("sigma", noise, label) / self._data.unit
        count, dims = len(position), self.dims["tau"] + ("row",) * label.ndim

        def components(index):
            row, which = index // count, index % count
            mean, variance = self._theta_at_nodes(row, position[which])
            unit, centre = self._data.unit, self._data.centre[row, None]
            variance = variance + noise[which, None] ** 2
            return self._nodes.weight[row], mean * unit + centre, variance * unit**2

        def honest(mean, sd):
            new = np.tile(position < 0, len(self._data.y))
            if new.any():
                if not self._data.mu_precision:
                    mean[new] = self._tail.honest(mean[new], 1, "tau", np.nan)
                sd[new] = self._tail.honest(sd[new], 2, "tau", np.inf)
            return mean, sd

        return _mixtures.MixturePrediction(
            (dims, self._batch + label.shape, self._coords_of_rows(label)),
            np.arange(count * len(self._data.y)),
            components,
            honest,
            self._nodes.weight.shape[1],
        )

    def _coords_of_rows(self, label):
        dim = self.dims["theta"][-1]
        coords = {d: c for d, c in self.coords.items() if d != dim}
        return coords | ({dim: ("row", label)} if label.ndim else {})

    def _theta_at_nodes(self, row, group):
        """Mean and variance (N, K) of theta at each node; group -1 is a new one."""
        data, known = self._data, group >= 0
        mean, variance = self._mu.mean[row], self._mu.variance[row]
        tau = self._tau[row]
        if not known.all():
            variance = np.where(known[:, None], variance, variance + tau**2)
        found = _theta_given_tau(
            data.y[row, group][:, None],
            data.variance[row, group][:, None],
            tau,
            mean,
            variance,
        )
        return tuple(
            np.where(known[:, None], of_known, of_new)
            for of_known, of_new in zip(found, (mean, variance), strict=True)
        )

    def _moments(self, name):
        data = self._data
        mean, sd = self._means_and_sds[name]
        mean, sd = mean.reshape(self._shape(name)), sd.reshape(self._shape(name))
        # Under a flat prior mu is as uncertain as tau is large.
        if name == "theta" or (name == "mu" and data.mu_precision):
            return (lambda: mean), (lambda: sd)
        instead = np.inf if name == "tau" else np.nan
        return (
            lambda: self._tail.honest(mean, 1, "tau", instead),
            lambda: self._tail.honest(sd, 2, "tau", np.inf),
        )

    def _quantiles(self, name, q):
        if name == "tau":
            rows = len(self._data.y)
            row = np.tile(np.arange(rows), len(q))
            return self._tau_quantile(row, np.repeat(q, rows)).reshape(len(q), rows)
        found = [self._mixture_quantile(name, each) for each in q]
        return np.reshape(found, (len(q), *self._shape(name)))

    def _cdf(self, name, index, x):
        data, groups = self._data, self._groups if name == "theta" else 1
        row, group = index // groups, index % groups
        if name != "tau":
            z = (x - data.centre[row]) / data.unit
            return self._mixture_cdf(name, row, group, z)[0]
        p = np.zeros(x.shape)
        p[x > 0] = _quadrature.cdf(
            self._nodes, row[x > 0], np.log(x[x > 0] / data.unit)
        )
        return p

    def _density(self, name, index, x):
        data, groups = self._data, self._groups if name == "theta" else 1
        row, group = index // groups, index % groups
        if name != "tau":
            z = (x - data.centre[row]) / data.unit
            return self._mixture_cdf(name, row, group, z)[1] / data.unit
        density, inside = np.zeros(x.shape), x >= 0
        if not inside.any():
            return density
        row, x = row[inside], x[inside]
        log_p = _mu_given_tau(data, row, x[:, None] / data.unit).log_likelihood[:, 0]
        log_p = log_p + self._prior.logpdf(x)
        density[inside] = np.exp(log_p - self._nodes.log_totals[row, 0])
        return density

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
        moments = _theta_moments if data.sums is None else _theta_moments_of_many
        theta_mean, theta_sd = moments(data, p, self._tau, self._mu)
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
        size = max(1, _BLOCK // self._tau.shape[1])
        p, density = np.empty(x.shape), np.empty(x.shape)
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            r = row[part]
            if name == "theta":
                mean, variance = self._theta_at_nodes(r, group[part])
            else:
                mean, variance = self._mu.mean[r], self._mu.variance[r]
            p[part], density[part] = _mixtures.cdf_and_density(
                self._nodes.weight[r], mean, np.sqrt(variance), x[part]
            )
        return p, density

    def _mixture_quantile(self, name, q):
        data, shape = self._data, self._shape(name)
        groups = self._groups if name == "theta" else 1
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
    _check.ordinary_size("sigma", sigma)
    unit = float(np.exp(np.log(sigma).mean()))
    y = np.broadcast_to(y, shape).reshape(-1, groups)
    centre = np.median(y, axis=1)
    y = (y - centre[:, None]) / unit
    variance = np.broadcast_to((sigma / unit) ** 2, shape).reshape(-1, groups)
    mu_loc, mu_precision = (mu.loc - centre) / unit, mu.precision * unit**2
    _check.ordinary_range("y", y, "sigma")
    _check.ordinary_range("the loc of mu_prior", mu_loc, "sigma")
    if mu_precision:
        _check.ordinary_range("the scale of mu_prior", mu_precision**-0.5, "sigma")
        _check.ordinary_range("sigma", mu_precision**0.5, "the scale of mu_prior")
    return (
        _Data(
            y=y,
            variance=variance,
            mu_loc=mu_loc,
            mu_precision=mu_precision,
            centre=centre,
            unit=unit,
            sums=_sums(y, variance),
        ),
        shape,
    )


def _sums(y, variance):
    """Weights at few variances in place of many groups, if that saves anything."""
    if y.shape[1] < _GROUPS_A_NODE * nodes_needed(variance):
        return None
    ends = variance.min(), variance.max()
    found = []
    centres, weights = [], []
    for own_y, own_variance in zip(y, variance, strict=True):
        interpolation = Interpolation(own_variance, *ends)
        piece = interpolation.pieces()
        groups = np.bincount(piece, minlength=len(interpolation.nodes))
        centre = np.bincount(piece, own_y, len(groups)) / np.maximum(groups, 1)
        gap = own_y - centre[piece]
        weights.append(interpolation.sums(np.ones_like(gap), gap, gap**2))
        centres.append(centre)
        found.append(interpolation)
    return _Sums(
        variance=found[0].nodes,
        centre=np.stack(centres),
        weight=np.stack(weights),
        interpolation=found,
    )


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
    terms = data.y.shape[1] if data.sums is None else data.sums.variance.size
    size = max(1, _BLOCK // terms)
    blocks = [
        _mu_block(data, flat_row[i : i + size], flat_tau[i : i + size])
        for i in range(0, len(flat_tau), size)
    ]
    return _Mu(
        *(np.concatenate(b).reshape(tau.shape) for b in zip(*blocks, strict=True))
    )


def _mu_block(data, row, tau):
    groups = data.y.shape[1]
    loc, precision = data.mu_loc[row], data.mu_precision
    if data.sums is None:
        y, variance = data.y[row], data.variance[row] + tau[:, None] ** 2
        weight = 1 / variance
        total = weight.sum(axis=1)
        mean = (_dot(weight, y) + precision * loc) / (total + precision)
        misfit = _dot(weight, (y - mean[:, None]) ** 2)
        log_determinant = np.log(variance).sum(axis=1)
    else:
        sums = data.sums
        variance = sums.variance + tau[:, None, None] ** 2
        # One set of weights for all, or one for each of several replications.
        weights = sums.weight[row] if len(data.y) > 1 else sums.weight
        inverse = 1 / variance
        weight, gap, square = (_dot(inverse, weights[:, c]) for c in range(3))
        centre = sums.centre[row]
        total = weight.sum(axis=1)
        mean = (weight * centre + gap).sum(axis=1) + precision * loc
        mean = mean / (total + precision)
        apart = centre - mean[:, None]
        misfit = (square + 2 * apart * gap + apart**2 * weight).sum(axis=1)
        log_determinant = _dot(np.log(variance), weights[:, 0]).sum(axis=1)
    misfit = misfit + precision * (mean - loc) ** 2
    # With a flat prior of mu the "evidence" is up to that prior's constant.
    normaliser = (
        np.log1p(total / precision) if precision else np.log(total / (2 * np.pi))
    )
    log_determinant = log_determinant + groups * np.log(2 * np.pi)
    return mean, 1 / (total + precision), -(log_determinant + normaliser + misfit) / 2


def _theta_given_tau(y, variance, tau, mu_mean, mu_variance):
    """BDA3 equation 5.17 with mu integrated out: mean and variance of theta."""
    pull = variance / (variance + tau**2)
    mean = y + pull * (mu_mean - y)
    return mean, pull * tau**2 + pull**2 * mu_variance


def _theta_moments(data, p, tau, mu):
    """Posterior means and sds of theta, (R, J), in blocks of rows and groups."""
    rows, groups = data.y.shape
    mean, sd = np.empty((2, rows, groups))
    row_size = max(1, _BLOCK // (p.shape[1] * min(groups, 512)))
    group_size = max(1, _BLOCK // p.shape[1])
    for i in range(0, rows, row_size):
        r = slice(i, i + row_size)
        for j in range(0, groups, group_size):
            g = slice(j, j + group_size)
            each_mean, each_variance = _theta_given_tau(
                data.y[r, None, g],
                data.variance[r, None, g],
                tau[r, :, None],
                mu.mean[r, :, None],
                mu.variance[r, :, None],
            )
            weight = p[r, None, :]
            m = weight @ each_mean
            mean[r, g] = m[:, 0]
            sd[r, g] = np.sqrt(weight @ (each_variance + (each_mean - m) ** 2))[:, 0]
    return mean, sd


def _theta_moments_of_many(data, p, tau, mu):
    """The same where groups are many: polynomials in the group's own estimate.

    With d the distance of an estimate from the mean of mu, the mean of theta is
    linear in d and its variance quadratic, with coefficients that depend smoothly
    on the group's variance.
    """
    mean, sd = np.empty((2, *data.y.shape))
    variance = data.sums.variance[..., None]  # (B, n, 1), for (B, n, K) below
    for r, interpolation in enumerate(data.sums.interpolation):
        weight, square = p[r], tau[r] ** 2
        centre = weight @ mu.mean[r]
        pull = variance / (variance + square)
        shift = pull * (mu.mean[r] - centre)
        own = (pull * square + pull**2 * mu.variance[r]) @ weight
        mean_pull, mean_shift = pull @ weight, shift @ weight
        pull = pull - mean_pull[..., None]
        shift = shift - mean_shift[..., None]
        coefficients = np.stack(
            [
                mean_shift,
                mean_pull,
                own + shift**2 @ weight,
                (shift * pull) @ weight,
                pull**2 @ weight,
            ],
            axis=-1,
        )
        m0, m1, v0, v1, v2 = interpolation(coefficients).T
        d = data.y[r] - centre
        mean[r] = data.y[r] + m0 - m1 * d
        sd[r] = np.sqrt(v0 - 2 * d * v1 + d**2 * v2)
    return mean, sd


def _dot(a, b):
    """Sum of products along the last axis."""
    return np.einsum("...i,...i->...", a, b)
