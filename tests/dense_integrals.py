"""Posteriors of small hierarchies by dense algebra and simple rules.

Nothing of `pooling.exact` is used. For normal hierarchies the marginal likelihood of
the data is the density of a multivariate normal with a dense covariance matrix, and tau
(and sigma) are integrated over by a tanh-sinh rule that is refined until nothing
changes. For counts the likelihood is a product over single events, and the two
hyperparameters are summed over on a grid. The unit tests and ``make soak`` hold the
module to both.
"""

from collections.abc import Callable
import math
from typing import NamedTuple

import numpy as np
from scipy import special, stats

STEPS = 0.1, 0.065, 0.043, 0.029, 0.019, 0.013
FINER_STEPS = 0.009, 0.006, 0.004  # of a single integral, which is quick
_FUNCTIONS = "cdf", "probability"  # what a grid of counts may be too coarse for


class Problem(NamedTuple):
    """A normal hierarchy: N rows in J groups, with p coefficients."""

    y: np.ndarray  # (N,)
    x: np.ndarray  # (N, p) predictors
    z: np.ndarray  # (N, J) which group a row is in
    noise: np.ndarray | None  # (N,) known standard errors; None where sigma is unknown
    prior: tuple | None  # means and sds (p,) of the coefficients; None is flat
    levels: bool  # ask for the groups' levels, not their distances from the mean
    unit: float  # a unit of y
    tau_prior: object
    sigma_prior: object


def known_errors(y, sigma, mu_prior, tau_prior, unit=None):
    """The problem of `pooling.exact.normal_hierarchy`."""
    y, sigma = np.asarray(y, float), np.asarray(sigma, float)
    groups = len(y)
    prior = None
    if mu_prior is not None:
        prior = np.array([mu_prior.mean()]), np.array([mu_prior.std()])
    return Problem(
        y=y,
        x=np.ones((groups, 1)),
        z=np.eye(groups),
        noise=sigma,
        prior=prior,
        levels=True,
        unit=float(np.exp(np.log(sigma).mean())) if unit is None else unit,
        tau_prior=tau_prior,
        sigma_prior=None,
    )


def rows(y, group, x, tau_prior, sigma_prior, beta_prior, unit=1.0):
    """The problem of `pooling.exact.varying_intercepts`, with groups 0, 1, ..."""
    prior = None
    if beta_prior is not None:
        loc, scale = beta_prior.mean(), beta_prior.std()
        prior = tuple(np.broadcast_to(v, x.shape[1]) for v in (loc, scale))
    return Problem(
        y=y,
        x=x,
        z=np.eye(group.max() + 1)[group],
        noise=None,
        prior=prior,
        levels=False,
        unit=unit,
        tau_prior=tau_prior,
        sigma_prior=sigma_prior,
    )


def integrals(problem):
    """Means and sds by name, and the log evidence, from the finest rule needed.

    A rule is trusted when a finer one changes nothing.

    Returns
    -------
    moments : dict of (mean, sd)
    log_evidence : float

    Raises
    ------
    ArithmeticError
        If the finest rule still changes something.
    """
    known = problem.noise is not None
    steps = STEPS[1:] + FINER_STEPS * known
    with np.errstate(all="ignore"):
        finer = by_rule(problem, STEPS[0])
        for step in steps:
            coarser, finer = finer, by_rule(problem, step, finer["box"])
            if largest_gap(coarser, finer) < 1e-7:
                break
        else:
            raise ArithmeticError("the reference did not converge")
    moments = {name: finer[name] for name in ("tau", "sigma")[: 1 if known else 2]}
    if known:
        moments["mu"] = tuple(v.item() for v in finer["coefficients"])
        moments["theta"] = finer["groups"]
    else:
        moments["beta"], moments["a"] = finer["coefficients"], finer["groups"]
    return moments, finer["log_evidence"]


def with_row(problem, y, group, x):
    """The problem with one more row, of one of its groups or (99, say) of a new one.

    The row's predictive density is the ratio of the two evidences.
    """
    groups = problem.z.shape[1]
    z = np.pad(problem.z, ((0, 1), (0, int(group >= groups))))
    z[-1, min(group, groups)] = 1
    return problem._replace(y=np.append(problem.y, y), x=np.vstack([problem.x, x]), z=z)


def log_prior(prior, x):
    return np.zeros_like(x) if prior is None else prior.logpdf(x)


def whole_line(step, end=3.9):
    """Points and log weights of a tanh-sinh rule for the logarithm of a scale.

    The rule is that of the double exponential transformation on (0, inf),
    ``x = exp(pi / 2 * sinh(t))``, of Takahasi and Mori.
    """
    t = np.arange(-end, end + step / 2, step)
    log_x = np.pi / 2 * np.sinh(t)
    return log_x, np.log(np.pi / 2 * np.cosh(t) * step)


def dense(problem, tau, sigma):
    """Log likelihood, and conditional means and variances, by dense algebra.

    All scales of shape (K,). The unknowns are the coefficients followed by the
    groups; with a flat prior of the coefficients the likelihood is the density of
    the data given a limit of ever wider priors, which generalised least squares
    gives.
    """
    y, x, z = problem.y, problem.x, problem.z
    noise = problem.noise  # (N,) known standard errors, or None
    n, p = x.shape
    # V = Q diag(variance) Q', from the eigenvectors of a matrix without scales.
    if noise is None:
        value, q = np.linalg.eigh(z @ z.T)
        value[np.abs(value) < 1e-10] = 0.0
        variance = sigma[:, None] ** 2 + tau[:, None] ** 2 * value
    else:
        q, variance = np.eye(n), noise**2 + tau[:, None] ** 2
    columns = np.column_stack([x, y, z])
    white = (q.T @ columns) / np.sqrt(variance)[..., None]
    log_p = -np.log(variance).sum(axis=1) / 2
    wx, wy, wz = white[..., :p], white[..., p], white[..., p + 1 :]
    # Least squares by QR, with the prior of the coefficients as further rows.
    rows = white[..., : p + 1]
    if problem.prior is not None:
        loc, sd = problem.prior
        more = np.column_stack([np.diag(1 / sd), loc / sd])
        more = np.broadcast_to(more, (len(tau), *more.shape))
        rows = np.concatenate([rows, more], axis=1)
        log_p = log_p - np.log(sd).sum() - n / 2 * np.log(2 * np.pi)
    else:
        log_p = log_p - (n - p) / 2 * np.log(2 * np.pi)
    triangle = np.linalg.qr(rows, mode="r")
    misfit = triangle[:, p, p] ** 2 if triangle.shape[1] > p else 0.0
    triangle, pull = triangle[:, :p, :p], triangle[:, :p, p]
    inverse = np.linalg.inv(triangle)
    covariance = inverse @ np.swapaxes(inverse, 1, 2)
    beta = np.einsum("kpq,kq->kp", inverse, pull)
    log_p = log_p - np.log(np.abs(np.einsum("kpp->kp", triangle))).sum(axis=1)
    log_p = log_p - misfit / 2
    # Groups: a = tau^2 Z' V^-1 (y - X beta), Henderson's predictor.
    gain = tau[:, None, None] ** 2 * np.swapaxes(wz, 1, 2)
    a = np.einsum("kjn,kn->kj", gain, wy - np.einsum("knp,kp->kn", wx, beta))
    effect = gain @ wx
    information = (
        z.T @ noise**-2.0
        if noise is not None
        else (z.sum(axis=0) / sigma[:, None] ** 2)
    )
    spread = 1 / (information + tau[:, None] ** -2.0)
    if problem.levels:  # the groups' levels, not their distances from the mean
        level = a + beta
        slope = 1 - effect
        variance = spread + np.einsum("kjp,kpq,kjq->kj", slope, covariance, slope)
        return log_p, beta, np.einsum("kpp->kp", covariance), level, variance
    variance = spread + np.einsum("kjp,kpq,kjq->kj", effect, covariance, effect)
    return log_p, beta, np.einsum("kpp->kp", covariance), a, variance


def by_rule(problem, step, box=None):
    """Moments and log evidence, by tanh-sinh rules over tau (and sigma).

    What lies outside the ``box``, of logarithms of tau and of sigma, is left out; the
    result has the box in which anything matters.
    """
    log_x, log_w = whole_line(step)
    keep = np.abs(log_x) < 28
    log_x, log_w = log_x[keep], log_w[keep]
    (low, high), (sigma_low, sigma_high) = box or ((-28, 28), (-24, 12))
    outer = (log_x >= low) & (log_x <= high)
    unit = problem.unit
    tau, weight = unit * np.exp(log_x[outer]), log_w[outer]
    sigma, log_f = tau, 0.0
    if problem.noise is None:
        inner = (log_x >= sigma_low) & (log_x <= sigma_high)
        tau, sigma = np.meshgrid(tau, unit * np.exp(log_x[inner]), indexing="ij")
        tau, sigma = tau.ravel(), sigma.ravel()
        weight = (weight[:, None] + log_w[inner]).ravel()
        log_f = log_prior(problem.sigma_prior, sigma) + np.log(sigma)
    log_f = log_f + log_prior(problem.tau_prior, tau) + np.log(tau) + weight
    parts = []
    for part in np.array_split(np.arange(len(tau)), max(1, len(tau) // 2000)):
        use = part[log_f[part] > -1e4]
        found = dense(problem, tau[use], sigma[use])
        parts.append((log_f[use] + found[0], tau[use], sigma[use], *found[1:]))
    log_f, tau, sigma, *of = (np.concatenate(a) for a in zip(*parts, strict=True))
    top = log_f.max()
    p = np.exp(log_f - top)
    total = p.sum()
    p = p / total

    def moments(mean, variance):
        centre = p @ mean
        return centre, np.sqrt(p @ (variance + (mean - centre) ** 2))

    size = np.maximum(tau, sigma) / (p @ np.maximum(tau, sigma))
    matters = log_f + 2 * np.log(np.maximum(size, 1)) > top - 36
    ends = [np.log(a[matters] / unit) for a in (tau, sigma)]
    return {
        "tau": moments(tau, 0 * tau),
        "sigma": moments(sigma, 0 * sigma),
        "coefficients": moments(of[0], of[1]),
        "groups": moments(of[2], of[3]),
        "log_evidence": top + np.log(total),
        "box": [
            (e.min() - margin(e.min(), step), e.max() + margin(e.max(), step))
            for e in ends
        ],
    }


def margin(log_x, step):
    """The distance between points of the rule near ``log_x``."""
    return 1.01 * step * np.hypot(np.pi / 2, log_x)


def largest_gap(a, b):
    """The largest difference between two results, in sds of the second."""
    names = "tau", "sigma", "coefficients", "groups"
    return max(
        *(gap(a[n][i], b[n][i], b[n][1]) for n in names for i in (0, 1)),
        gap(a["log_evidence"], b["log_evidence"], 1.0),
    )


def gap(found, expected, scale):
    """The largest difference, in sds of the reference."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return np.inf
    return float(np.max(np.abs(found - expected) / scale))


class Counts(NamedTuple):
    """Counts of groups, with beta or gamma distributed proportions or rates."""

    y: np.ndarray  # (J,)
    size: np.ndarray  # (J,) trials or exposures
    binomial: bool
    log_prior: Callable  # of alpha and beta: their density, any constant included


def counts_integrals(problem, points=(), new=(), names=("mu", "tau")):
    """Means, sds and probabilities from a rule that is refined until nothing changes.

    The plane is that of log(mu) and log(alpha), or of logit(mu) and log(alpha + beta),
    and the rule the trapezoid one after a transformation by sinh.

    Parameters
    ----------
    problem : Counts
    points : array, shape (P,)
        Where the distribution functions of theta are wanted.
    new : array of int, shape (C,)
        Numbers of which the probability is wanted, among as many further trials (or as
        much further exposure) as each group has, or one.
    names : tuple of str
        The scalars whose mean and sd are wanted, among mu, tau, alpha and beta; their
        second moments must be finite.

    Returns
    -------
    dict
        Pairs of mean and sd by name; ``"log_evidence"``, ``"cdf"`` (P, J + 1) and
        ``"probability"`` (C, J + 1), with a new group last. These two are None where
        groups hardly differ, so that the grid is too coarse for theta given mu.

    Raises
    ------
    ArithmeticError
        If the finest rule still changes something.
    """
    lines = _coarse(problem)
    with np.errstate(all="ignore"):
        finer = _counts_by_rule(problem, lines, 0.1, points, new, names)
        for step in (0.07, 0.05, 0.035, 0.025, 0.018):
            coarser = finer
            finer = _counts_by_rule(problem, lines, step, points, new, names)
            if _largest_change(coarser, finer, ("log_evidence", *_FUNCTIONS)) < 1e-8:
                return finer
    if _largest_change(coarser, finer, ("log_evidence",)) < 1e-8:
        return finer | dict.fromkeys(_FUNCTIONS)
    raise ArithmeticError("the reference did not converge")


def _largest_change(a, b, names):
    changes = [gap(a[n], b[n], 1.0) for n in names]
    for name, found in b.items():
        if isinstance(found, tuple):
            changes += [gap(a[name][i], found[i], found[1]) for i in (0, 1)]
    return max(changes)


def _hyperparameters(problem, p, q):
    """alpha and beta, and mu; p and q are the coordinates of the plane."""
    if problem.binomial:
        kappa = np.exp(q)
        alpha, beta = kappa / (1 + np.exp(-p)), kappa / (1 + np.exp(p))
    else:
        alpha = np.exp(q)
        beta = alpha * np.exp(-p)
    return alpha, beta


def log_counts(problem, p, q):
    """Log joint density of the data and of p and q, by sums over single events."""
    alpha, beta = _hyperparameters(problem, p, q)
    log_f = problem.log_prior(alpha, beta) + np.log(alpha) + np.log(beta)
    for y, size in zip(problem.y, problem.size, strict=True):
        if problem.binomial:
            total = alpha + beta
            for i in range(int(y)):
                log_f = log_f + np.log((alpha + i) / (total + i))
            for i in range(int(size - y)):
                log_f = log_f + np.log((beta + i) / (total + y + i))
            log_f = log_f + np.log(float(math.comb(int(size), int(y))))
        else:
            log_f = log_f - alpha * np.log1p(size / beta)
            for i in range(int(y)):
                log_f = log_f + np.log((alpha + i) / (beta + size) * size / (i + 1))
    return np.where(np.isnan(log_f), -np.inf, log_f)


def _coarse(problem):
    """Centre, scale and ends of each of the two coordinates."""
    p, q = np.arange(-60, 60.1, 0.5), np.arange(-100, 120.1, 0.5)
    with np.errstate(all="ignore"):
        log_f = log_counts(problem, *np.meshgrid(p, q, indexing="ij"))
    matters = log_f > log_f.max() - 44
    f = np.exp(log_f - log_f.max())
    found = []
    for x, axis in ((p, 1), (q, 0)):
        weight, some = f.sum(axis=axis), x[matters.any(axis=axis)]
        mean = weight @ x / weight.sum()
        sd = np.sqrt(weight @ (x - mean) ** 2 / weight.sum() + 0.01)
        found.append((mean, sd, some.min() - 1, some.max() + 1))
    return found


def _counts_by_rule(problem, lines, step, points, new, names):
    axes = []
    for mean, sd, low, high in lines:
        ends = np.arcsinh((np.array([low, high]) - mean) / sd)
        t = np.arange(ends[0], ends[1] + step, step)
        axes.append((mean + sd * np.sinh(t), sd * np.cosh(t) * step))
    (p, p_weight), (q, q_weight) = axes
    p, q = (a.ravel() for a in np.meshgrid(p, q, indexing="ij"))
    weight = np.outer(p_weight, q_weight).ravel()
    log_f = log_counts(problem, p, q) + np.log(weight)
    top = log_f.max()
    keep = log_f > top - 42
    p, q, log_f = p[keep], q[keep], log_f[keep]
    f = np.exp(log_f - top)
    log_evidence, f = top + np.log(f.sum()), f / f.sum()
    alpha, beta = _hyperparameters(problem, p, q)
    mu, tau = alpha / (alpha + beta), np.sqrt(alpha) / beta
    if problem.binomial:
        tau = np.sqrt(mu * (1 - mu) / (alpha + beta + 1))
    else:
        mu = alpha / beta
    found = {"log_evidence": log_evidence}
    scalars = {"mu": mu, "tau": tau, "alpha": alpha, "beta": beta}
    for name in names:
        x = scalars[name]
        mean = f @ x
        found[name] = mean, np.sqrt(f @ (x - mean) ** 2)
    y, size = np.append(problem.y, 0), np.append(problem.size, 0)
    theta, cdf, probability = [], [], []
    for own, of in zip(y, size, strict=True):
        further = of if of else 1
        a, b = alpha + own, beta + (of - own if problem.binomial else of)
        if problem.binomial:
            mean, variance = a / (a + b), a * b / (a + b) ** 2 / (a + b + 1)
            cdf.append([f @ special.betainc(a, b, x) for x in points])
            each = [stats.betabinom.pmf(c, int(further), a, b) for c in new]
        else:
            mean, variance = a / b, a / b**2
            cdf.append([f @ special.gammainc(a, b * x) for x in points])
            each = [stats.nbinom.pmf(c, a, b / (b + further)) for c in new]
        probability.append([f @ e for e in each])
        centre = f @ mean
        theta.append((centre, np.sqrt(f @ (variance + (mean - centre) ** 2))))
    found["theta"] = tuple(np.array(theta[:-1]).T)
    found["cdf"] = np.reshape(cdf, (len(y), -1)).T
    found["probability"] = np.reshape(probability, (len(y), -1)).T
    return found
