"""The normal hierarchy from rows of data: two integrals, over tau and sigma."""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
import pandas as pd
import xarray as xr

from pooling import _check
from pooling.exact import _groups, _mixtures, _nested, _quadrature
from pooling.exact._priors import Prior, ScalePrior, Tail, frozen_norm, scale_moments
from pooling.exact.posterior import Posterior, Prediction, group_dimension

_NAMES = ("beta", "a", "tau", "sigma")
_PRIORS = "tau_prior or sigma_prior"
_BLOCK = 2**18
# Sizes of y for which the squares of all scales that are looked at are numbers.
_UNITS = 1e-20, 1e20
_INNER_GRID = _nested.far_grid(40, 0.5, 300)
_TAU_GRID = _nested.far_grid(30, 1.0, 140)


class _Model(NamedTuple):
    """Data and priors; coefficients are those of the scaled columns, less `offset`."""

    data: _groups.Groups
    precision: np.ndarray  # (p,) of the prior of the coefficients; 0 where flat
    shift: np.ndarray  # (p,) its mean
    basis: np.ndarray  # (p, p) directions in which `form` writes the coefficients
    form: tuple  # between (U, q, q), within (q, q) and prior (q, q): `_augmented`
    tau_prior: ScalePrior
    sigma_prior: ScalePrior

    @property
    def unit(self):
        return self.data.residual_sd

    @property
    def flat(self):
        return not self.precision.any()


def varying_intercepts(
    y: ArrayLike,
    group: ArrayLike,
    X: ArrayLike | None = None,
    *,
    tau_prior: Prior | None,
    sigma_prior: Prior | None,
    beta_prior: Prior | None = None,
) -> VaryingIntercepts:
    """Exact posterior of a linear model with varying intercepts.

    The model is ``y[i] ~ N(X[i] @ beta + a[group[i]], sigma)``, ``a[j] ~ N(0, tau)``.
    Given tau and sigma, the posterior of beta and a is normal and known in closed
    form; tau and sigma are integrated over by adaptive quadrature on their
    logarithms. The rows are read once, to sum them up by groups.

    Parameters
    ----------
    y : array_like, shape (N,)
    group : array_like, shape (N,)
        Codes, strings, or a pandas categorical, whose categories must all have rows
        (``group.cat.remove_unused_categories()`` sees to that). If it is a Series
        with a name, the name is that of the groups' dimension in the results, else
        ``"group"`` is.
    X : array_like, shape (N,) or (N, p), optional
        Predictors, used exactly as given: put the constant in yourself. Without X
        there is a constant alone. The columns of a DataFrame label the coefficients.
    tau_prior, sigma_prior : None or object with ``logpdf``
        Priors on tau > 0 and sigma > 0; None is flat, and a distribution on the
        whole line is cut off at zero. They may be improper where the posterior is
        proper.
    beta_prior : None or frozen scipy.stats.norm
        Independent priors of the coefficients, with one loc and scale for all or
        one each. None is flat.

    Returns
    -------
    VaryingIntercepts

    Raises
    ------
    ValueError
        If an argument is unusable, if X has dependent columns under a flat prior, if
        the posterior is improper, or if a prior is too rough for the quadrature.

    Notes
    -----
    Given tau and sigma this is a regression with a block-diagonal covariance matrix,
    each block of which the Sherman-Morrison formula inverts. The model is that of
    Gelman et al., *Bayesian Data Analysis*, 3rd ed., chapter 15. Means and sds are
    accurate to at least six digits. The mean of an intercept is linear, and its
    variance quadratic, in the group's mean, with coefficients that depend on the
    group's size alone; they are integrated once a size, so that a million groups take
    little longer than a thousand.

    Examples
    --------
    >>> import numpy as np
    >>> from scipy import stats
    >>> y = [1.0, 1.4, 0.8, 2.1, 2.5, 0.4, 0.1, 0.5]
    >>> county = list("AAABBCCC")
    >>> unit = stats.halfnorm(scale=1)
    >>> fit = varying_intercepts(y, county, tau_prior=unit, sigma_prior=unit)
    >>> fit
    <VaryingIntercepts of 8 rows in 3 groups, 1 coefficient>
    >>> fit.mean("a").dims, round(float(fit.mean("a").sel(group="B")), 2)
    (('group',), 0.97)
    >>> fit.mean("beta").coords["coefficient"].values.tolist()
    ['intercept']
    >>> round(fit.mean("tau"), 2), round(fit.quantile("sigma", 0.5), 2)
    (1.05, 0.33)
    >>> fit.predict(["A", "a new county"]).sd().round(2).values.tolist()
    [0.47, 1.39]
    >>> fit.sample(1000, np.random.default_rng(1))["a"].dims
    ('sample', 'group')
    """
    _check_index(y, group, X)
    y = _check.real_array("y", y, ndim_min=1)
    if y.ndim != 1:
        raise ValueError(f"y must have shape (N,), not {y.shape}")
    size = np.abs(y).max(keepdims=True)
    _check.ordinary_size("y", size[size > 0])
    code, labels = _groups.encode("group", group, len(y))
    x, columns = _groups.design("X", X, len(y))
    precision, loc = _coefficient_prior(beta_prior, len(columns))
    if beta_prior is None and x is not None and _groups.rank(x) < x.shape[1]:
        raise ValueError(
            f"X must have independent columns under a flat beta_prior; of its "
            f"{x.shape[1]} columns only {_groups.rank(x)} are"
        )
    data = _groups.summarise(y, code, labels, x)
    basis = _basis(data)
    model = _Model(
        data=data,
        precision=precision / data.scale**2,
        shift=(loc - data.offset) * data.scale,
        basis=basis,
        form=_form(
            data, precision / data.scale**2, (loc - data.offset) * data.scale, basis
        ),
        tau_prior=ScalePrior("tau_prior", tau_prior),
        sigma_prior=ScalePrior("sigma_prior", sigma_prior),
    )
    low, high = _UNITS
    if not low <= model.unit <= high:
        raise ValueError(
            f"y must vary by {low:g} to {high:g}, so that squares of all tau and sigma "
            f"are numbers; it varies by {model.unit:.0e}: use another unit"
        )
    if not model.flat:
        _check.ordinary_range("the loc of beta_prior", model.shift / model.unit, "y")
        scale = model.precision**-0.5 / model.unit
        _check.ordinary_range("the scale of beta_prior", scale, "y")
        _check.ordinary_range("y", 1 / scale, "the scale of beta_prior")
    model.tau_prior.require_density(model.unit)
    model.sigma_prior.require_density(model.unit)
    with _quadrature.naming(_PRIORS):
        tau, tau_tail = _integrate_tau(model)
        sigma, sigma_tail = _integrate_sigma(model, tau.x[0])
    dim = getattr(group, "name", None)
    dim = dim if isinstance(dim, str) else "group"
    group_dimension("the name of group", dim, (*_NAMES, "coefficient"))
    tails = {"tau": tau_tail, "sigma": sigma_tail}
    constant = x is None
    return VaryingIntercepts(model, tau, sigma, tails, (dim, columns, constant))


class VaryingIntercepts(Posterior):
    """The posterior that `varying_intercepts` found.

    The quantities are ``"beta"``, with dimension ``"coefficient"``, ``"a"``, with
    the groups', ``"tau"`` and ``"sigma"``.

    Attributes
    ----------
    groups : ndarray, shape (J,)
        Labels of the groups, in the order of ``"a"``.
    """

    def __init__(self, model, tau, sigma, tails, names):
        dim, columns, self._constant = names
        self.groups = model.data.labels
        super().__init__(
            dims={"beta": ("coefficient",), "a": (dim,), "tau": (), "sigma": ()},
            sizes={"coefficient": len(columns), dim: len(self.groups)},
            coords={"coefficient": columns, dim: self.groups},
        )
        self._model = model
        self._tau = tau  # one row
        self._sigma = sigma  # one row for each node of tau
        self._tails = tails

    def __repr__(self):
        data, p = self._model.data, len(self._model.shift)
        return (
            f"<VaryingIntercepts of {data.rows} rows in {len(data.count)} groups, "
            f"{p} coefficient{'s'[: p != 1]}>"
        )

    @property
    def log_evidence(self) -> float:
        model = self._model
        if model.flat:
            raise ValueError(
                "log_evidence needs proper priors, but beta_prior is flat (None)"
            )
        masses = [p.log_mass(model.unit) for p in (model.tau_prior, model.sigma_prior)]
        return float(self._tau.log_totals[0, 0] - sum(masses))

    def given_tau(self, tau: ArrayLike) -> xr.Dataset:
        """Means and sds of the other quantities where tau is known.

        Parameters
        ----------
        tau : float or array_like, shape (T,), none below zero

        Returns
        -------
        xarray.Dataset
            ``a_mean``, ``a_sd``, ``beta_mean``, ``beta_sd``, ``sigma_mean`` and
            ``sigma_sd``; an array of tau adds a first dimension ``"tau"``.

        Raises
        ------
        ValueError
            If ``tau`` is negative, not finite, or has more than one dimension.
        """
        tau, model = _check.known_scale("tau", tau), self._model
        with np.errstate(divide="ignore"):
            log_tau = np.log(tau.ravel() / model.unit)
        with _quadrature.naming(model.sigma_prior.name):
            nodes, tail = _integrate_sigma(model, log_tau)
        tails = {"tau": Tail((0, 1, 2), ()), "sigma": tail}
        found = {}
        for each, weight, x in zip(tau.ravel(), nodes.weight, nodes.x, strict=True):
            sigma = np.exp(x) * model.unit
            node = _nodes_at(model, weight, np.full_like(sigma, each), sigma)
            means = {
                "sigma": scale_moments(sigma, weight, tail, "sigma"),
                "beta": _coefficient_moments(model, node, tails),
                "a": _intercept_moments(model, node, tails),
            }
            for name, (mean, sd) in means.items():
                found.setdefault(f"{name}_mean", []).append(mean())
                found.setdefault(f"{name}_sd", []).append(sd())
        variables = {}
        for key, values in found.items():
            own = self.dims[key.partition("_")[0]]
            shape = tau.shape + np.shape(values)[1:]
            dims = ("tau",) * tau.ndim + own
            variables[key] = (dims, np.reshape(values, shape))
        coords = self.coords | ({"tau": tau} if tau.ndim else {})
        return xr.Dataset(variables, coords)

    def predict(self, group: ArrayLike, X: ArrayLike | None = None) -> Prediction:
        """What the posterior predicts for new rows of ``y``, one by one.

        Parameters
        ----------
        group : label or array_like of labels, shape (M,)
            Labels as in the fit. One that was not there is a new group, with an
            intercept from N(0, tau).
        X : array_like, shape (M,) or (M, p), optional
            Predictors, as in the fit. For a single label the shape is (p,).

        Returns
        -------
        Prediction

        Raises
        ------
        ValueError
            If an argument is unusable.

        Examples
        --------
        >>> from scipy import stats
        >>> unit = stats.halfnorm(scale=1)
        >>> fit = varying_intercepts(
        ...     [1.0, 1.4, 2.1, 2.5, 0.4], list("AABBC"), tau_prior=unit,
        ...     sigma_prior=unit,
        ... )
        >>> round(fit.predict("A").cdf(2.0), 2)
        0.87
        """
        label = np.asarray(group)
        position = _groups.match("group", group, self.groups)
        x = self._new_design(X, len(position), label.ndim)
        model, data, node = self._model, self._model.data, self._nodes
        # Rows that share group and predictors have the same distribution.
        kinds, kind = np.unique(
            np.column_stack([position, x]), axis=0, return_inverse=True
        )
        position, x = kinds[:, 0].astype(int), kinds[:, 1:] / data.scale
        centre = kinds[:, 1:] @ data.offset

        def components(index):
            mean, variance = _linear(model, node, position[index], x[index])
            return node.weight, mean + centre[index, None], variance + node.sigma**2

        def honest(mean, sd):
            def variance(node):
                return _linear(model, node, position, x)[1][:, 0] + node.sigma[0] ** 2

            return tuple(f() for f in _honest(model, mean, sd, variance, self._tails))

        dim = self.dims["a"][0]
        coords = {dim: ("row", label)} if label.ndim else {}
        return _mixtures.MixturePrediction(
            (("row",) * label.ndim, label.shape, coords),
            kind.ravel(),
            components,
            honest,
            len(node.weight),
        )

    def _new_design(self, X, rows, several):
        p = len(self._model.shift)
        if self._constant:
            if X is not None:
                raise ValueError("X must be left out, as it was in the fit")
            return np.ones((rows, 1))
        if X is None:
            raise ValueError(f"X must be given, with {p} columns as in the fit")
        columns = getattr(X, "columns", None)
        expected = self.coords["coefficient"]
        if columns is not None and expected.dtype.kind in "OU":
            if list(columns) != list(expected):
                raise ValueError(
                    f"X must have the columns of the fit, {list(expected)}, "
                    f"not {list(columns)}"
                )
        elif not several:
            X = np.reshape(np.asarray(X), (1, -1))
        x, _ = _groups.design("X", X, rows)
        if x.shape[1] != p:
            raise ValueError(f"X must have {p} columns as in the fit, not {x.shape[1]}")
        return x

    def sample(self, draws: int, rng: np.random.Generator) -> xr.Dataset:
        draws, rng = _check.whole_number("draws", draws), _check.generator("rng", rng)
        model, data = self._model, self._model.data
        tau, sigma = self._draw_scales(rng.random(draws), rng.random(draws))
        precision, pull = _coefficients_given(model, tau, sigma)
        root = np.linalg.cholesky(np.linalg.inv(precision))
        beta = np.linalg.solve(precision, pull[..., None])[..., 0]
        beta = beta + np.einsum("kij,kj->ki", root, rng.standard_normal(beta.shape))
        beta = beta @ model.basis.T
        slack = sigma[:, None] ** 2 + data.count * tau[:, None] ** 2
        weight = data.count * tau[:, None] ** 2 / slack
        a = weight * (data.z_mean[:, -1] - beta @ data.z_mean[:, :-1].T)
        spread = sigma[:, None] * tau[:, None] / np.sqrt(slack)
        a = a + spread * rng.standard_normal(a.shape)
        found = {"beta": beta / data.scale + data.offset, "a": a}
        found |= {"tau": tau, "sigma": sigma}
        return xr.Dataset(
            {name: (("sample", *self.dims[name]), a) for name, a in found.items()},
            self.coords,
        )

    @cached_property
    def _nodes(self):
        """The joint nodes of tau and sigma that matter, and the coefficients there."""
        weight = self._tau.weight[0][:, None] * self._sigma.weight
        tau = np.broadcast_to(np.exp(self._tau.x[0])[:, None], weight.shape)
        sigma = np.exp(self._sigma.x)
        # In a heavy tail what has little weight may have a large variance.
        variance = tau**2 + sigma**2
        typical = np.sum(weight * variance)
        keep = weight * np.maximum(1, variance / typical) > 1e-14
        return _nodes_at(
            self._model,
            weight[keep] / weight[keep].sum(),
            tau[keep] * self._model.unit,
            sigma[keep] * self._model.unit,
        )

    def _moments(self, name):
        return self._means_and_sds[name]

    @cached_property
    def _means_and_sds(self):
        model, p = self._model, self._tau.weight[0]
        outer = np.exp(self._tau.x[0]) * model.unit
        inner = np.exp(self._sigma.x).ravel() * model.unit
        joint = (p[:, None] * self._sigma.weight).ravel()
        return {
            "tau": scale_moments(outer, p, self._tails["tau"], "tau"),
            "sigma": scale_moments(inner, joint, self._tails["sigma"], "sigma"),
            "beta": _coefficient_moments(model, self._nodes, self._tails),
            "a": _intercept_moments(model, self._nodes, self._tails),
        }

    def _quantiles(self, name, q):
        model = self._model
        if name in ("tau", "sigma"):
            nodes = self._tau if name == "tau" else self._sigma_outside
            prior = model.tau_prior if name == "tau" else model.sigma_prior
            x = _quadrature.quantile(nodes, np.zeros(len(q), int), q)
            ends = prior.bounds()
            return np.select([q == 0, q == 1], ends, np.exp(x) * model.unit)
        found = [self._normal_quantile(name, float(each)) for each in q]
        return np.reshape(found, (len(q), *self._shape(name)))

    def _cdf(self, name, index, x):
        if name in ("beta", "a"):
            return self._mixture(name, index, x)[0]
        nodes = self._tau if name == "tau" else self._sigma_outside
        p, inside = np.zeros(x.shape), x > 0
        log_x = np.log(x[inside] / self._model.unit)
        p[inside] = _quadrature.cdf(nodes, np.zeros(len(log_x), int), log_x)
        return p

    def _density(self, name, index, x):
        if name in ("beta", "a"):
            return self._mixture(name, index, x)[1]
        model, density, inside = self._model, np.zeros(x.shape), x >= 0
        if not inside.any():
            return density
        x = x[inside]
        if name == "tau":
            with np.errstate(divide="ignore"):
                log_p = _integrate_sigma(model, np.log(x / model.unit))[0].log_totals
            log_p = log_p[:, 0] + model.tau_prior.logpdf(x)
            log_p -= self._tau.log_totals[0, 0]
        else:
            # At zero the limit is meant: the likelihood may be infinite there.
            near = np.maximum(x, 1e-100 * model.unit)
            log_p = _integrate_tau_given_sigma(model, near)
            log_p = log_p + model.sigma_prior.logpdf(near)
            log_p -= self._sigma_outside.log_totals[0, 0]
        density[inside] = np.exp(log_p)
        return density

    def _mixture(self, name, index, x):
        """Probability and density of elements ``index`` at ``x``."""
        model, data, node = self._model, self._model.data, self._nodes
        scale, offset = 1.0, 0.0
        if name == "beta":
            scale, offset = data.scale[index], data.offset[index]
        x = (x - offset) * scale
        found = np.empty((2, len(x)))
        size = max(1, _BLOCK // len(node.weight))
        for start in range(0, len(x), size):
            part = slice(start, start + size)
            mean, variance = _conditional(model, node, name, index[part])
            found[:, part] = _mixtures.cdf_and_density(
                node.weight, mean, np.sqrt(variance), x[part]
            )
        return found[0], found[1] * scale

    def _blocks(self, count):
        size = max(1, _BLOCK // len(self._nodes.weight))
        return [np.arange(i, min(i + size, count)) for i in range(0, count, size)]

    def _normal_quantile(self, name, q):
        data, node = self._model.data, self._nodes
        count = len(data.scale) if name == "beta" else len(data.count)
        found = np.empty(count)
        for part in self._blocks(count):
            mean, variance = _conditional(self._model, node, name, part)
            sd = np.sqrt(variance)
            centre = mean @ node.weight
            width = np.sqrt((variance + (mean - centre[:, None]) ** 2) @ node.weight)

            def at(index, x, mean=mean, sd=sd):
                return _mixtures.cdf_and_density(node.weight, mean[index], sd[index], x)

            found[part] = _mixtures.quantiles(at, q, centre, width)
        return found / data.scale + data.offset if name == "beta" else found

    @cached_property
    def _sigma_outside(self):
        """A second integration, with sigma outside: sigma alone is then resolved."""
        matters = self._tau.weight[0][:, None] * self._sigma.weight > 1e-18
        x = self._sigma.x[matters]
        with _quadrature.naming(_PRIORS):
            return _integrate_sigma_outside(self._model, x.min(), x.max())

    def _draw_scales(self, q_tau, q_sigma):
        """tau by its distribution function; log sigma between four nodes of tau."""
        log_tau, log_sigma = _nested.pairs(self._tau, self._sigma, q_tau, q_sigma)
        unit = self._model.unit
        return np.exp(log_tau) * unit, np.exp(log_sigma) * unit


class _Nodes(NamedTuple):
    """Pairs of tau and sigma, and the posterior of the coefficients at each."""

    weight: np.ndarray  # (K,)
    tau: np.ndarray  # (K,)
    sigma: np.ndarray  # (K,)
    beta: np.ndarray  # (K, p)
    covariance: np.ndarray  # (K, p, p)


def _coefficient_prior(prior, count):
    if prior is None:
        return np.zeros(count), np.zeros(count)
    loc, scale = frozen_norm("beta_prior", prior)
    for what, value in (("loc", loc), ("scale", scale)):
        if value.shape not in ((), (1,), (count,)):
            raise ValueError(
                f"the {what} of beta_prior must be one number or {count}, one a column "
                f"of X; its shape is {value.shape}"
            )
    return np.broadcast_to(scale**-2.0, (count,)), np.broadcast_to(loc, (count,))


def _augmented(model, tau, sigma):
    """Matrix of the quadratic form in (coefficients, -1); tau and sigma (K,).

    Its upper left block is the coefficients' posterior precision, and what is left
    of its corner when the coefficients are eliminated is the misfit.
    """
    sizes, q = model.data.sizes, len(model.shift) + 1
    between, within, prior = model.form
    variance, extra = sigma[:, None] ** 2, tau[:, None] ** 2
    weight = sizes / (variance + sizes * extra)
    matrix = weight @ between.reshape(-1, q * q)
    matrix += within.reshape(-1, q * q) / variance
    return matrix.reshape(-1, q, q) + prior


def _basis(data):
    """Directions in which the coefficients can be eliminated one after another.

    As sigma goes to zero what is known within groups outweighs what is known between
    them, and both outweigh the prior. Where columns of X depend on each other within
    groups, or altogether, the directions that only the weaker source knows of must
    not be found as small differences of large numbers: they come last, with zeros in
    the stronger sources (see `_form`). Elsewhere the columns themselves will do.
    """
    p = len(data.scale)
    within, between = data.within[:p, :p], data.between[:, :p, :p].sum(axis=0)
    inside, rest = _range(within)
    apart, nowhere = _range(rest.T @ between @ rest)
    vary = np.count_nonzero(np.diag(within))
    if inside.shape[1] == vary and vary + apart.shape[1] == p:
        return np.eye(p)
    return np.column_stack([inside, rest @ apart, rest @ nowhere])


def _range(gram):
    """Orthonormal bases of the range and the null space of a positive matrix."""
    value, vector = np.linalg.eigh(gram)
    largest = value.max(initial=0.0)
    known = value > 4 * len(value) * np.finfo(float).eps * largest
    return vector[:, known][:, ::-1], vector[:, ~known]


def _form(data, precision, shift, basis):
    """Products between and within groups, and of the prior, in another basis."""
    q = len(shift) + 1
    prior = np.zeros((q, q))
    prior[:-1, :-1] = np.diag(precision)
    prior[:-1, -1] = prior[-1, :-1] = precision * shift
    prior[-1, -1] = np.sum(precision * shift**2)
    if np.array_equal(basis, np.eye(q - 1)):
        return data.between, data.within, prior
    turn = np.eye(q)
    turn[:-1, :-1] = basis
    between, within = (turn.T @ a @ turn for a in (data.between, data.within))
    # What is zero but for rounding is zero.
    between = between * _present(between.sum(axis=0))
    within = within * _present(within)
    return between, within, turn.T @ prior @ turn


def _present(form):
    """Which elements belong to directions that a form knows of; the last is always."""
    size = np.sqrt(np.maximum(np.diag(form), 0))
    present = size > 1e-7 * size[:-1].max(initial=0.0)
    present[-1] = size[-1] > 0
    return np.outer(present, present)


def _log_likelihood(model, tau, sigma):
    """Log density of the data given tau and sigma, of one shape."""
    shape, tau, sigma = tau.shape, tau.ravel(), sigma.ravel()
    size = max(1, _BLOCK // (len(model.data.sizes) + 9))
    blocks = [
        _log_likelihood_block(model, tau[i : i + size], sigma[i : i + size])
        for i in range(0, len(tau), size)
    ]
    return np.concatenate(blocks).reshape(shape)


def _log_likelihood_block(model, tau, sigma):
    data = model.data
    rows, groups, p = data.rows, len(data.count), len(model.shift)
    log_variance = 2 * (rows - groups) * np.log(sigma)
    each = sigma[:, None] ** 2 + data.sizes * tau[:, None] ** 2
    log_variance += np.log(each) @ data.groups_of_size
    matrix = np.moveaxis(_augmented(model, tau, sigma), 0, -1).copy()
    log_determinant = np.zeros(len(tau))
    for i in range(p):
        pivot, row = matrix[i, i], matrix[i, i + 1 :]
        if not (pivot > 0).all():
            raise ValueError(
                "X has columns that are too close to dependent to be told apart"
            )
        log_determinant += np.log(pivot)
        matrix[i + 1 :, i + 1 :] -= row[:, None] * (row / pivot)
    misfit = np.maximum(matrix[p, p], 0)
    if model.flat:
        constant = (rows - p) * np.log(2 * np.pi)
    else:
        constant = rows * np.log(2 * np.pi) - np.log(model.precision).sum()
    return -(constant + log_variance + log_determinant + misfit) / 2


def _tail(scan, name, zero, infinity):
    """The moments of 0, 1, 2 that are finite; an error if not even the first is."""
    if scan.rise <= 1e-6:
        raise ValueError(f"{name} makes the posterior improper: {zero}")
    if scan.fall <= 1e-6:
        raise ValueError(f"{name} makes the posterior improper: {infinity}")
    if min(scan.rise, scan.fall) < _nested.SLOWEST:
        raise ValueError(
            f"{name} leaves a posterior too close to improper to integrate"
        )
    return Tail(
        found=tuple(m for m in (0, 1, 2) if scan.fall - m > _nested.SLOWEST),
        infinite=tuple(m for m in (1, 2) if scan.fall - m <= 1e-6),
    )


def _marks(prior, unit):
    return np.log(prior.landmarks() / unit)


def _integrate_sigma(model, log_tau):
    """Integrals over log(sigma) for each log(tau), both in the model's unit."""
    unit, prior = model.unit, model.sigma_prior
    tau = np.exp(log_tau) * unit

    def log_f(row, x):
        sigma = np.exp(x) * unit
        fit = _log_likelihood(model, np.broadcast_to(tau[row, None], x.shape), sigma)
        return fit + prior.logpdf(sigma) + x + np.log(unit)

    scan = _nested.scan(log_f, _INNER_GRID, len(tau), _marks(prior, unit))
    tail = _tail(
        scan,
        prior.name,
        "the density does not vanish fast enough as sigma goes to zero; the data "
        "within groups do not rule that out",
        "there are too few rows for so heavy a tail; give a proper prior",
    )
    edges = _nested.edges(scan, _sigma_width(model), _marks(prior, unit))
    return _quadrature.integrate(
        _quadrature.powers(log_f, tail.found), edges, len(tau)
    ), tail


def _integrate_tau(model):
    """The integral over log(tau) of the integrals over log(sigma)."""
    prior, unit = model.tau_prior, model.unit

    def log_totals(x):
        totals = _integrate_sigma(model, x.ravel())[0].log_totals
        here = prior.logpdf(np.exp(x) * unit) + x + np.log(unit)
        return totals.reshape(*x.shape, -1) + here[..., None]

    scan = _nested.scan(
        lambda row, x: log_totals(x)[..., 0], _TAU_GRID, 1, _marks(prior, unit)
    )
    tail = _tail(
        scan,
        prior.name,
        "the density does not vanish fast enough at zero, and the likelihood is "
        "level there",
        "there are too few groups for so heavy a tail; give a proper prior such as "
        "scipy.stats.halfnorm(scale=...)",
    )
    tilt = np.array(tail.found[1:], float)

    def log_f(row, x):
        totals = log_totals(x)
        return np.concatenate([totals, totals[..., :1] + tilt * x[..., None]], axis=-1)

    edges = _nested.edges(scan, _tau_width(model), _marks(prior, unit))
    return _quadrature.integrate(log_f, edges, 1), tail


def _integrate_sigma_outside(model, low, high):
    """The integral over log(sigma), between bounds, of integrals over log(tau)."""
    unit, prior = model.unit, model.sigma_prior

    def log_f(row, x):
        sigma = np.exp(x.ravel()) * unit
        inner = _integrate_tau_given_sigma(model, sigma)
        here = prior.logpdf(sigma) + x.ravel() + np.log(unit)
        return (inner + here).reshape(*x.shape, 1)

    marks = _marks(prior, unit)
    within = marks[(marks > low) & (marks < high)]
    edges = np.sort(np.concatenate([np.linspace(low, high, 7), within]))
    return _quadrature.integrate(log_f, edges, 1)


def _integrate_tau_given_sigma(model, sigma):
    """Log integrals over log(tau), for each of ``sigma`` (S,)."""
    unit, prior = model.unit, model.tau_prior
    marks = _marks(prior, unit)

    def log_f(row, x):
        tau = np.exp(x) * unit
        fit = _log_likelihood(model, tau, np.broadcast_to(sigma[row, None], x.shape))
        return fit + prior.logpdf(tau) + x + np.log(unit)

    scan = _nested.scan(log_f, _INNER_GRID, len(sigma), marks)
    edges = _nested.edges(scan, _tau_width(model), marks)
    nodes = _quadrature.integrate(_quadrature.powers(log_f, (0,)), edges, len(sigma))
    return nodes.log_totals[:, 0]


def _tau_width(model):
    return 1.5 / np.sqrt(2 * len(model.data.count))


def _sigma_width(model):
    return 1.5 / np.sqrt(2 * model.data.rows)


def _coefficients_given(model, tau, sigma):
    """Posterior precision and precision times mean, in the basis of the model."""
    matrix = _augmented(model, tau, sigma)
    return matrix[:, :-1, :-1], matrix[:, :-1, -1]


def _nodes_at(model, weight, tau, sigma):
    precision, pull = _coefficients_given(model, tau, sigma)
    covariance = np.linalg.inv(precision)
    beta = np.einsum("kij,kj->ki", covariance, pull) @ model.basis.T
    covariance = model.basis @ covariance @ model.basis.T
    return _Nodes(weight, tau, sigma, beta, covariance)


def _linear(model, node, position, x):
    """Mean and variance of x'beta + a at each node; a group at -1 is a new one."""
    data, known = model.data, position >= 0
    count = np.where(known, data.count[position], 0)[:, None]
    variance, extra = node.sigma**2, node.tau**2
    weight = count * extra / (variance + count * extra)
    mean = weight * np.where(known, data.z_mean[position, -1], 0.0)[:, None]
    spread = variance * extra / (variance + count * extra)
    slopes = [
        x[:, i, None] - weight * data.z_mean[position, i, None]
        for i in range(x.shape[1])
    ]
    for i, slope in enumerate(slopes):
        mean = mean + slope * node.beta[:, i]
        spread = spread + slope**2 * node.covariance[:, i, i]
        for j in range(i):
            spread = spread + 2 * slope * slopes[j] * node.covariance[:, i, j]
    return mean, spread


def _conditional(model, node, name, index):
    """Means and variances (M, K) at each node, of coefficients or intercepts."""
    if name == "beta":
        return node.beta.T[index], np.einsum("kpp->pk", node.covariance)[index]
    return _linear(model, node, index, np.zeros((len(index), len(model.shift))))


def _coefficient_moments(model, node, tails):
    """Two functions for the means and sds (p,) of the coefficients."""
    mean = node.weight @ node.beta
    spread = node.weight @ (node.beta - mean) ** 2
    variance = spread + node.weight @ np.einsum("kpp->kp", node.covariance)
    data = model.data
    return _honest(
        model,
        mean / data.scale + data.offset,
        np.sqrt(variance) / data.scale,
        lambda node: np.einsum("pp->p", node.covariance[0]),
        tails,
    )


def _intercept_moments(model, node, tails):
    """Two functions for the means and sds (J,) of the intercepts."""
    mean, variance = _intercepts(model, node)
    return _honest(
        model,
        mean,
        np.sqrt(variance),
        lambda node: _intercepts(model, node)[1],
        tails,
    )


def _honest(model, mean, sd, variance, tails):
    """Two functions that give ``mean`` and ``sd``, or inf and nan where that is so.

    A moment of tau or sigma that is not finite matters where ``variance``, a
    function of a single node, grows with tau or sigma without bound.
    """
    one, far = model.unit, model.unit * np.exp([60.0, 61.0])

    def at(tau, sigma):
        node = _nodes_at(model, np.ones(1), np.array([tau]), np.array([sigma]))
        return variance(node)

    def checked(values, moment, instead):
        values = np.array(values)
        for letter, tail in tails.items():
            if moment not in tail.found:
                near, farther = (
                    at(*((f, one) if letter == "tau" else (one, f))) for f in far
                )
                grow = farther > 2 * near
                if grow.any():
                    values[grow] = tail.honest(values[grow], moment, letter, instead)
        return values

    return (lambda: checked(mean, 1, np.nan)), (lambda: checked(sd, 2, np.inf))


def _intercepts(model, node):
    """Means and variances (J,) of the intercepts, over all nodes.

    Given tau and sigma the mean of an intercept is w (r - z'beta), with z and r the
    group's means of the predictors and the residual, and w a function of its size;
    its variance is a function of the size and w**2 z'C z, where C is the covariance
    of the coefficients. All that depends on tau and sigma is averaged once a size.
    """
    data, p = model.data, node.weight
    b = np.column_stack([-node.beta, np.ones(len(p))])
    centre = p @ b
    apart = b - centre
    q = b.shape[1]
    square = apart[:, :, None] * apart[:, None, :]
    square[:, :-1, :-1] += node.covariance
    square = square.reshape(len(p), -1)
    linear = np.empty((len(data.sizes), q))
    own = np.empty(len(data.sizes))
    quadratic = np.empty((len(data.sizes), q, q))
    step = max(1, _BLOCK // len(p))
    for start in range(0, len(data.sizes), step):
        part = slice(start, start + step)
        n = data.sizes[part, None]
        slack = node.sigma**2 + n * node.tau**2
        own[part] = (node.sigma**2 * node.tau**2 / slack) @ p
        w = n * node.tau**2 / slack
        mean_w = w @ p
        gap = w - mean_w[:, None]
        cross = (gap * p) @ apart
        linear[part] = mean_w[:, None] * centre + cross
        mixed = ((gap * w * p) @ apart)[:, :, None] * centre
        quadratic[part] = (
            (gap**2 @ p)[:, None, None] * np.outer(centre, centre)
            + mixed
            + mixed.transpose(0, 2, 1)
            + ((w**2 * p) @ square).reshape(-1, q, q)
            - cross[:, :, None] * cross[:, None, :]
        )
    mean, variance = np.empty((2, len(data.count)))
    step = max(1, _BLOCK // q**2)
    for start in range(0, len(mean), step):
        part = slice(start, start + step)
        z, size = data.z_mean[part], data.size_index[part]
        mean[part] = np.einsum("jq,jq->j", z, linear[size])
        spread = np.einsum("jq,jqr,jr->j", z, quadratic[size], z, optimize=False)
        variance[part] = own[size] + np.maximum(spread, 0)
    return mean, variance


def _check_index(*arguments):
    """An error where pandas objects have rows of different labels."""
    named = list(zip(("y", "group", "X"), arguments, strict=True))
    labelled = [
        (name, a) for name, a in named if isinstance(a, (pd.Series, pd.DataFrame))
    ]
    for name, a in labelled[1:]:
        first, b = labelled[0]
        if len(a) == len(b) and not a.index.equals(b.index):
            raise ValueError(f"{name} must have the index of {first}, in its order")
