"""The normal hierarchy from rows of data: two integrals, over tau and sigma."""

from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import special
import xarray as xr

from pooling.exact import _check, _groups, _mixtures, _quadrature
from pooling.exact._normal import log_prior_mass
from pooling.exact._priors import ScalePrior, frozen_norm

_NAMES = ("beta", "a", "tau", "sigma")
_BLOCK = 2**18
_DROP = 42.0
# Sizes of y for which the squares of all scales that are looked at are numbers.
_UNITS = 1e-20, 1e20
# Tails that fall more slowly than this power are too long for the scan's grid.
_SLOWEST = 0.2


class _Model(NamedTuple):
    """Data and priors; coefficients are those of the scaled columns, less `offset`."""

    data: _groups.Groups
    precision: np.ndarray  # (p,) of the prior of the coefficients; 0 where flat
    shift: np.ndarray  # (p,) its mean
    tau_prior: ScalePrior
    sigma_prior: ScalePrior

    @property
    def unit(self):
        return self.data.residual_sd

    @property
    def flat(self):
        return not self.precision.any()


class _Scan(NamedTuple):
    """What a coarse look at functions of a logarithm shows, row by row."""

    start: np.ndarray  # (R,) below here a function is negligible
    stop: np.ndarray  # (R,) above here too
    mode: np.ndarray  # (R,)
    rise: float  # the smallest slope at the far left
    fall: float  # the smallest downward slope at the far right


def varying_intercepts(y, group, X=None, *, tau_prior, sigma_prior, beta_prior=None):
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
        (``group.cat.remove_unused_categories()`` sees to that).
    X : array_like, shape (N,) or (N, p), optional
        Predictors, used exactly as given: put the constant in yourself. Without X
        there is a constant alone.
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
        If an argument is unusable, if X has dependent columns, if the posterior is
        improper, or if a prior is too rough for the quadrature.

    Notes
    -----
    Given tau and sigma this is a regression with a block-diagonal covariance matrix,
    each block of which the Sherman-Morrison formula inverts. The model is that of
    Gelman et al., *Bayesian Data Analysis*, 3rd ed., chapter 15. Means and sds are
    accurate to at least six digits.
    """
    y = _check.real_array("y", y, ndim_min=1)
    if y.ndim != 1:
        raise ValueError(f"y must have shape (N,), not {y.shape}")
    code, labels = _groups.encode("group", group, len(y))
    x, columns = _groups.design("X", X, len(y))
    precision, loc = _coefficient_prior(beta_prior, x.shape[1])
    rank = np.linalg.matrix_rank(x / np.maximum(np.abs(x).max(axis=0), 1e-300))
    if rank < x.shape[1]:
        raise ValueError(
            f"X must have independent columns; of its {x.shape[1]} columns only "
            f"{rank} are"
        )
    data = _groups.summarise(y, code, labels, x)
    _check.not_tiny("the size of each column of X", data.scale)
    low, high = _UNITS
    if not low <= data.residual_sd <= high:
        raise ValueError(
            f"y must vary by {low:g} to {high:g}, so that squares of all tau and sigma "
            f"are numbers; it varies by {data.residual_sd:.0e}: use another unit"
        )
    model = _Model(
        data=data,
        precision=precision / data.scale**2,
        shift=(loc - data.offset) * data.scale,
        tau_prior=ScalePrior("tau_prior", tau_prior),
        sigma_prior=ScalePrior("sigma_prior", sigma_prior),
    )
    model.tau_prior.require_density(model.unit)
    model.sigma_prior.require_density(model.unit)
    with _quadrature.naming("tau_prior or sigma_prior"):
        tau, tau_tail = _integrate_tau(model)
        sigma, sigma_tail = _integrate_sigma(model, tau.x[0])
    names = getattr(group, "name", None) or "group", columns
    return VaryingIntercepts(model, tau, sigma, (tau_tail, sigma_tail), names)


class VaryingIntercepts:
    """The posterior that `varying_intercepts` found.

    Attributes
    ----------
    groups : ndarray, shape (J,)
        Labels of the groups, in the order of ``"a"``.
    """

    def __init__(self, model, tau, sigma, tails, names):
        self._model = model
        self._tau = tau  # one row
        self._sigma = sigma  # one row for each node of tau
        self._tails = tails
        self._dim, self._columns = names
        self.groups = model.data.labels

    def __repr__(self):
        data = self._model.data
        return (
            f"<VaryingIntercepts of {data.rows} rows in {len(data.count)} groups, "
            f"{len(data.scale)} coefficients>"
        )

    def mean(self, name):
        """Posterior mean of ``"beta"`` (p,), ``"a"`` (J,), ``"tau"`` or ``"sigma"``.

        It is inf for a tau or sigma without a finite mean, and nan for a coefficient
        without one.

        Raises
        ------
        ValueError
            If the mean is finite, but in too long a tail to integrate.
        """
        return self._moment(name, 1)

    def sd(self, name):
        """Posterior sd, shaped as the mean; inf where it is not finite."""
        return self._moment(name, 2)

    def _moment(self, name, order):
        """The mean, of order 1, or the sd, of order 2."""
        mean_and_sd = self._means_and_sds[_check.one_of("name", name, _NAMES)]
        for grows, tail, prior in zip(
            self._grows[name],
            self._tails,
            (self._model.tau_prior, self._model.sigma_prior),
            strict=True,
        ):
            if order not in tail.found + tail.infinite and np.any(grows):
                raise ValueError(
                    f"{prior.name} leaves moment {order} of {name} finite, but in a "
                    "tail too long to integrate"
                )
        return mean_and_sd[order - 1]

    def quantile(self, name, q):
        """Posterior quantiles.

        Parameters
        ----------
        name : {"beta", "a", "tau", "sigma"}
        q : float or array_like of floats from 0 to 1

        Returns
        -------
        float or ndarray, shape of ``q``, then that of the mean
        """
        _check.one_of("name", name, _NAMES)
        q = _check.probabilities("q", q)
        if name == "tau":
            x = _quadrature.quantile(self._tau, np.zeros(q.size, int), q.ravel())
            return (np.exp(x) * self._model.unit).reshape(q.shape)[()]
        each = self._sigma_quantile if name == "sigma" else self._normal_quantile
        at = [each(name, float(p)) for p in q.ravel()]
        return np.reshape(at, q.shape + np.shape(self.mean(name)))[()]

    @property
    def log_evidence(self):
        """Log density of the data, with every parameter integrated out.

        Priors of tau and sigma are normalised over positive numbers.

        Raises
        ------
        ValueError
            If a prior is improper: the evidence is then not defined.
        """
        model = self._model
        if model.flat:
            raise ValueError(
                "log_evidence needs proper priors, but beta_prior is flat (None)"
            )
        masses = [
            log_prior_mass(p, model.unit) for p in (model.tau_prior, model.sigma_prior)
        ]
        return float(self._tau.log_totals[0, 0] - sum(masses))

    def log_predictive(self, y_new, group_new, X_new=None):
        """Log posterior predictive density of new rows, one by one.

        Parameters
        ----------
        y_new : array_like, shape (M,)
        group_new : array_like, shape (M,)
            Labels as in training. One that was not there is a new group, with an
            intercept from N(0, tau).
        X_new : array_like, shape (M,) or (M, p), optional
            Predictors, as in training.

        Returns
        -------
        ndarray, shape (M,)
            In logs of one over the units of ``y``.
        """
        y = _check.real_array("y_new", y_new, ndim_min=1)
        position = _groups.match("group_new", group_new, self.groups)
        x, _ = _groups.design("X_new", X_new, len(y))
        data = self._model.data
        if len(position) != len(y):
            raise ValueError(
                f"group_new must have one label a row, {len(y)} in all, "
                f"not {len(position)}"
            )
        if x.shape[1] != len(data.scale):
            raise ValueError(
                f"X_new must have {len(data.scale)} columns as in training, "
                f"not {x.shape[1]}"
            )
        node = self._nodes
        residual, x = y - x @ data.offset, x / data.scale
        # Rows that share group and predictors share all but their y.
        kinds, kind = np.unique(
            np.column_stack([position, x]), axis=0, return_inverse=True
        )
        order = np.argsort(kind, kind="stable")
        result = np.empty(len(y))
        size = max(1, _BLOCK // len(node.weight))
        for start in range(0, len(y), size):
            part = order[start : start + size]
            present, which = np.unique(kind[part], return_inverse=True)
            mean, variance = _linear(
                self._model, node, kinds[present, 0].astype(int), kinds[present, 1:]
            )
            variance = variance + node.sigma**2
            log_scale = np.log(node.weight) - np.log(2 * np.pi * variance) / 2
            log_p = log_scale[which]
            log_p = (
                log_p - (residual[part, None] - mean[which]) ** 2 / variance[which] / 2
            )
            result[part] = special.logsumexp(log_p, axis=1)
        return result

    def sample(self, draws, rng):
        """Independent draws from the joint posterior.

        Parameters
        ----------
        draws : int
        rng : numpy.random.Generator

        Returns
        -------
        xarray.Dataset
            ``tau`` and ``sigma`` with dimension ``sample``, ``beta`` with (``sample``,
            ``coefficient``) and ``a`` with (``sample``, the groups'). The groups'
            dimension is named like ``group`` if that is a named column, else
            ``"group"``.
        """
        draws, rng = _check.whole_number("draws", draws), _check.generator("rng", rng)
        model, data = self._model, self._model.data
        tau, sigma = self._draw_scales(rng.random(draws), rng.random(draws))
        precision, pull = _coefficients_given(model, tau, sigma)
        root = np.linalg.cholesky(np.linalg.inv(precision))
        beta = np.linalg.solve(precision, pull[..., None])[..., 0]
        beta = beta + np.einsum("kij,kj->ki", root, rng.standard_normal(beta.shape))
        slack = sigma[:, None] ** 2 + data.count * tau[:, None] ** 2
        weight = data.count * tau[:, None] ** 2 / slack
        a = weight * (data.z_mean[:, -1] - beta @ data.z_mean[:, :-1].T)
        spread = sigma[:, None] * tau[:, None] / np.sqrt(slack)
        a = a + spread * rng.standard_normal(a.shape)
        return xr.Dataset(
            {
                "beta": (("sample", "coefficient"), beta / data.scale + data.offset),
                "a": (("sample", self._dim), a),
                "tau": ("sample", tau),
                "sigma": ("sample", sigma),
            },
            coords={"coefficient": self._columns, self._dim: self.groups},
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

    @cached_property
    def _means_and_sds(self):
        model, data = self._model, self._model.data
        p, outer = self._tau.weight[0], np.exp(self._tau.x[0]) * model.unit
        joint = p[:, None] * self._sigma.weight
        inner = np.exp(self._sigma.x) * model.unit
        tau, sigma = _moments(outer, p), _moments(inner.ravel(), joint.ravel())
        found = {
            "tau": [
                v * self._tails[0].factor(m) for v, m in zip(tau, (1, 2), strict=True)
            ],
            "sigma": [
                v * self._tails[1].factor(m) for v, m in zip(sigma, (1, 2), strict=True)
            ],
        }
        moments = {
            "beta": _coefficient_moments(self._nodes),
            "a": _intercept_moments(model, self._nodes),
        }
        for name, (mean, sd) in moments.items():
            if name == "beta":
                mean, sd = mean / data.scale + data.offset, sd / data.scale
            for grows, tail in zip(self._grows[name], self._tails, strict=True):
                mean[grows] *= 1.0 if 1 in tail.found else np.nan
                sd[grows] *= tail.factor(2)
            found[name] = mean, sd
        return found

    @cached_property
    def _grows(self):
        """By quantity: which variances grow without bound with tau, and with sigma."""
        counts = {"beta": len(self._model.shift), "a": len(self.groups)}
        grow = {name: _grow(self._model, name, n) for name, n in counts.items()}
        return {"tau": (True, False), "sigma": (False, True), **grow}

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

    def _sigma_quantile(self, _, q):
        """By a second integration, with sigma outside: it alone is then resolved."""
        x = _quadrature.quantile(self._sigma_outside, np.zeros(1, int), np.array([q]))
        return float(np.exp(x[0]) * self._model.unit)

    @cached_property
    def _sigma_outside(self):
        matters = self._tau.weight[0][:, None] * self._sigma.weight > 1e-18
        x = self._sigma.x[matters]
        return _integrate_sigma_outside(self._model, x.min(), x.max())

    def _draw_scales(self, q_tau, q_sigma):
        """tau by its distribution function; log sigma between four nodes of tau."""
        log_tau = _quadrature.quantile(self._tau, np.zeros(len(q_tau), int), q_tau)
        nodes = self._tau.x[0][self._tau.weight[0] > 0]
        first = np.clip(np.searchsorted(nodes, log_tau) - 2, 0, len(nodes) - 4)
        near = first[:, None] + np.arange(4)
        log_sigma = _quadrature.quantile(
            self._sigma, near.ravel(), np.repeat(q_sigma, 4)
        ).reshape(near.shape)
        weight = _lagrange(nodes[near], log_tau[:, None])
        log_sigma = np.einsum("kn,kn->k", weight, log_sigma)
        unit = self._model.unit
        return np.exp(log_tau) * unit, np.exp(log_sigma) * unit


def _lagrange(nodes, x):
    """Weights of the values at ``nodes`` (K, n) in the polynomial at ``x`` (K, 1)."""
    weight = np.ones_like(nodes)
    for i in range(nodes.shape[1]):
        others = np.arange(nodes.shape[1]) != i
        gap = nodes[:, [i]] - nodes[:, others]
        weight[:, i] = np.prod((x - nodes[:, others]) / gap, axis=1)
    return weight


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
    data, q = model.data, len(model.shift) + 1
    variance, extra = sigma[:, None] ** 2, tau[:, None] ** 2
    weight = data.sizes / (variance + data.sizes * extra)
    matrix = weight @ data.between.reshape(-1, q * q)
    matrix += data.within.reshape(-1, q * q) / variance
    matrix = matrix.reshape(-1, q, q)
    prior = np.zeros((q, q))
    prior[:-1, :-1] = np.diag(model.precision)
    prior[:-1, -1] = prior[-1, :-1] = model.precision * model.shift
    prior[-1, -1] = np.sum(model.precision * model.shift**2)
    return matrix + prior


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
        log_determinant += np.log(pivot)
        matrix[i + 1 :, i + 1 :] -= row[:, None] * (row / pivot)
    misfit = np.maximum(matrix[p, p], 0)
    if model.flat:
        constant = (rows - p) * np.log(2 * np.pi)
    else:
        constant = rows * np.log(2 * np.pi) - np.log(model.precision).sum()
    return -(constant + log_variance + log_determinant + misfit) / 2


def _far_grid(fine, step, far):
    """Even steps within ``fine`` of zero and wide ones from there to ``far``."""
    wide = np.arange(fine, far, 10.0) + 10
    return np.concatenate([-wide[::-1], np.arange(-fine, fine + step / 2, step), wide])


_INNER_GRID = _far_grid(40, 0.5, 300)
_TAU_GRID = _far_grid(30, 1.0, 140)


def _scan(log_f, grid, rows, marks):
    """Look at ``log_f(row, x)`` on a grid, then closer around its highest point."""
    grid = np.unique(np.concatenate([grid, marks[np.abs(marks) < grid[-1]]]))
    every = np.arange(rows)
    value = log_f(every, np.broadcast_to(grid, (rows, len(grid))))
    with np.errstate(invalid="ignore"):
        rise = (value[:, 1] - value[:, 0]) / (grid[1] - grid[0])
        fall = (value[:, -2] - value[:, -1]) / (grid[-1] - grid[-2])
    # A huge negative logarithm has no digits left for a slope: it is zero enough.
    rise = np.where(value[:, 0] < -1e9, np.inf, rise).min()
    fall = np.where(value[:, -1] < -1e9, np.inf, fall).min()
    best = value.argmax(axis=1)
    # The tail must be long enough for the highest moment that is finite.
    moment = max((m for m in (0, 1, 2) if fall - m > _SLOWEST), default=0)
    matters = np.zeros(value.shape, bool)
    for tilted in (value, value + moment * grid):
        matters |= tilted >= tilted.max(axis=1, keepdims=True) - _DROP
    first = np.maximum(matters.argmax(axis=1) - 1, 0)
    last = len(grid) - 1 - matters[:, ::-1].argmax(axis=1)
    last = np.minimum(last + 1, len(grid) - 1)
    low = grid[np.maximum(best - 1, 0)]
    high = grid[np.minimum(best + 1, len(grid) - 1)]
    for _ in range(5):
        x = np.linspace(low, high, 9, axis=1)
        best = log_f(every, x).argmax(axis=1)
        low, high = x[every, np.maximum(best - 1, 0)], x[every, np.minimum(best + 1, 8)]
    return _Scan(grid[first], grid[last], (low + high) / 2, rise, fall)


def _edges(scan, width, marks):
    """Edges of panels that grow away from the mode, and at the marks."""
    reach = np.ptp(np.concatenate([scan.start, scan.stop]))
    away = width * 2.5 ** np.arange(
        max(1, np.ceil(np.log(reach / width) / np.log(2.5)))
    )
    offsets = np.concatenate([-away[::-1], [0], away])
    edges = np.concatenate(
        [
            scan.mode[:, None] + offsets,
            np.broadcast_to(marks, (len(scan.mode), len(marks))),
            scan.start[:, None],
            scan.stop[:, None],
        ],
        axis=1,
    )
    return np.sort(np.clip(edges, scan.start[:, None], scan.stop[:, None]), axis=1)


class _Tail(NamedTuple):
    """Which moments of a scale were found, and which are infinite."""

    found: tuple
    infinite: tuple

    def factor(self, moment):
        """1 for a moment that was found, inf for one that is infinite."""
        return 1.0 if moment in self.found else np.inf


def _tail(scan, name, zero, infinity):
    """The moments of 0, 1, 2 that are finite; an error if not even the first is."""
    if scan.rise <= 1e-6:
        raise ValueError(f"{name} makes the posterior improper: {zero}")
    if scan.fall <= 1e-6:
        raise ValueError(f"{name} makes the posterior improper: {infinity}")
    if min(scan.rise, scan.fall) < _SLOWEST:
        raise ValueError(
            f"{name} leaves a posterior too close to improper to integrate"
        )
    return _Tail(
        found=tuple(m for m in (0, 1, 2) if scan.fall - m > _SLOWEST),
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

    scan = _scan(log_f, _INNER_GRID, len(tau), _marks(prior, unit))
    tail = _tail(
        scan,
        prior.name,
        "the density does not vanish fast enough as sigma goes to zero; the data "
        "within groups do not rule that out",
        "there are too few rows for so heavy a tail; give a proper prior",
    )
    edges = _edges(scan, _sigma_width(model), _marks(prior, unit))
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

    scan = _scan(
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

    edges = _edges(scan, _tau_width(model), _marks(prior, unit))
    return _quadrature.integrate(log_f, edges, 1), tail


def _integrate_sigma_outside(model, low, high):
    """The integral over log(sigma), between bounds, of integrals over log(tau)."""
    unit, inner_prior, outer_prior = model.unit, model.tau_prior, model.sigma_prior
    marks = _marks(inner_prior, unit)

    def log_f(row, x):
        sigma = np.exp(x.ravel()) * unit

        def log_inner(row, x):
            tau = np.exp(x) * unit
            fit = _log_likelihood(
                model, tau, np.broadcast_to(sigma[row, None], x.shape)
            )
            return fit + inner_prior.logpdf(tau) + x + np.log(unit)

        scan = _scan(log_inner, _INNER_GRID, len(sigma), marks)
        edges = _edges(scan, _tau_width(model), marks)
        inner = _quadrature.integrate(
            _quadrature.powers(log_inner, (0,)), edges, len(sigma)
        )
        here = outer_prior.logpdf(sigma) + x.ravel() + np.log(unit)
        return (inner.log_totals + here[:, None]).reshape(*x.shape, 1)

    outer_marks = _marks(outer_prior, unit)
    within = outer_marks[(outer_marks > low) & (outer_marks < high)]
    edges = np.sort(np.concatenate([np.linspace(low, high, 7), within]))
    return _quadrature.integrate(log_f, edges, 1)


def _tau_width(model):
    return 1.5 / np.sqrt(2 * len(model.data.count))


def _sigma_width(model):
    return 1.5 / np.sqrt(2 * model.data.rows)


def _coefficients_given(model, tau, sigma):
    """Posterior precision of the coefficients, and precision times mean."""
    matrix = _augmented(model, tau, sigma)
    return matrix[:, :-1, :-1], matrix[:, :-1, -1]


def _nodes_at(model, weight, tau, sigma):
    precision, pull = _coefficients_given(model, tau, sigma)
    covariance = np.linalg.inv(precision)
    beta = np.einsum("kij,kj->ki", covariance, pull)
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


def _coefficient_moments(node):
    """Posterior means and sds of the scaled coefficients, each (p,)."""
    mean = node.weight @ node.beta
    own = np.einsum("kpp->kp", node.covariance)
    return mean, np.sqrt(node.weight @ (own + (node.beta - mean) ** 2))


def _intercept_moments(model, node):
    """Posterior means and sds of the intercepts, each (J,).

    Given tau and sigma, the mean of an intercept is linear in its group's own means of
    y and of the predictors, with coefficients that depend on the group's size alone.
    So these coefficients' means and covariances over tau and sigma are computed once
    for each size, and a group takes a few multiplications.
    """
    data, p = model.data, len(model.shift)
    size, extra, noise = data.sizes[:, None], node.tau**2, node.sigma**2
    weight = size * extra / (noise + size * extra)  # (U, K)
    own = (noise * extra / (noise + size * extra)) @ node.weight
    # The coefficients of y's mean and of minus the predictors' means.
    mean, spread = np.empty((len(size), p + 1)), np.empty((len(size), p + 1, p + 1))
    for u, w in enumerate(weight):
        slopes = np.column_stack([w, w[:, None] * node.beta])
        mean[u] = node.weight @ slopes
        slopes -= mean[u]
        spread[u] = (slopes * node.weight[:, None]).T @ slopes
        spread[u, 1:, 1:] += np.tensordot(node.weight * w**2, node.covariance, 1)
    which = np.searchsorted(data.sizes, data.count)
    own_means = np.column_stack([data.z_mean[:, -1], -data.z_mean[:, :-1]])
    found = np.einsum("ji,ji->j", own_means, mean[which])
    variance = own[which]
    for i in range(p + 1):
        for j in range(p + 1):
            variance += own_means[:, i] * own_means[:, j] * spread[which, i, j]
    return found, np.sqrt(variance)


def _grow(model, name, count):
    """Which variances grow without bound: with tau (count,), and with sigma."""
    one, far = np.full(2, model.unit), model.unit * np.exp([60.0, 61.0])
    answers = []
    for tau, sigma in ((far, one), (one, far)):
        node = _nodes_at(model, np.ones(2), tau, sigma)
        variance = np.concatenate(
            [
                _conditional(model, node, name, np.arange(i, min(i + 2**16, count)))[1]
                for i in range(0, count, 2**16)
            ]
        )
        answers.append(variance[:, 1] > 2 * variance[:, 0])
    return answers


def _moments(x, weight):
    mean = float(x @ weight)
    return mean, float(np.sqrt((x - mean) ** 2 @ weight))
