"""Posteriors of small normal hierarchies, from dense matrices on fine grids.

They share no formula with `pooling.exact`, which the unit tests and ``make soak`` hold
to them.
"""

import numpy as np
from scipy import stats

NAMES = ("beta", "a", "tau", "sigma")


def normal_hierarchy(y, sigma, mu_prior, tau_prior):
    """Means and sds of tau, mu and theta from dense matrices on a fine grid of tau.

    Everything is joint-normal algebra on (mu, theta, y), with a rule in tau (the
    trapezoid after tau = unit * x / (1 - x), ends left out) that shares nothing
    with the module's.
    """
    y, sigma = np.asarray(y, float), np.asarray(sigma, float)
    groups, unit = len(y), np.exp(np.log(sigma).mean())
    # tanh-sinh on (0, 1): the substitution crowds points to both ends.
    t, step = np.linspace(-4.6, 4.6, 1801, retstep=True)
    x = 1 / (1 + np.exp(-np.pi * np.sinh(t)))
    rest = 1 / (1 + np.exp(np.pi * np.sinh(t)))
    keep = (x > 0) & (rest > 0)
    tau = unit * x[keep] / rest[keep]
    jacobian = tau * np.pi * np.cosh(t[keep]) * step
    covariance = np.eye(groups) * (sigma**2 + tau[:, None, None] ** 2)
    ones = np.ones(groups)
    inverse = np.linalg.inv(covariance)
    precision = np.einsum("tij->t", inverse)
    mean = (inverse @ y).sum(axis=1)
    prior = 0.0, 0.0
    if mu_prior is not None:
        prior = mu_prior.mean(), mu_prior.std() ** -2
    mean = (mean + prior[0] * prior[1]) / (precision + prior[1])
    variance = 1 / (precision + prior[1])
    gap = y - mean[:, None] * ones
    misfit = (
        np.einsum("ti,tij,tj->t", gap, inverse, gap) + prior[1] * (mean - prior[0]) ** 2
    )
    log_p = -np.linalg.slogdet(covariance)[1] / 2 + np.log(variance) / 2 - misfit / 2
    if tau_prior is not None:
        with np.errstate(over="ignore"):
            log_p = log_p + tau_prior.logpdf(tau)
    weight = np.exp(log_p - log_p.max()) * jacobian
    weight /= weight.sum()
    gain = tau[:, None, None] ** 2 * inverse
    theta = mean[:, None] * ones + np.einsum("tij,tj->ti", gain, gap)
    left_over = ones - gain.sum(axis=2)
    theta_variance = (
        tau[:, None] ** 2 * (1 - np.einsum("tii->ti", gain))
        + left_over**2 * variance[:, None]
    )

    def moments(value, own_variance):
        centre = np.einsum("t,t...->...", weight, value)
        spread = own_variance + (value - centre) ** 2
        return centre, np.sqrt(np.einsum("t,t...->...", weight, spread))

    return {
        "tau": moments(tau, 0 * tau),
        "mu": moments(mean, variance),
        "theta": moments(theta, theta_variance),
    }


def varying_intercepts(y, group, x, tau_prior, sigma_prior, beta_prior, new=None):
    """Dense covariance of all rows on a fine grid of (log tau, log sigma)."""
    groups, rows, p = group.max() + 1, len(y), x.shape[1]
    z = np.eye(groups)[group]
    free = rows - np.linalg.matrix_rank(np.hstack([z, x]))
    log_tau, h_tau = np.linspace(-18, 7, 301, retstep=True)
    # Only where groups and predictors explain all rows can sigma be next to nothing.
    # (With rows in common, much smaller ones would make the covariance singular.)
    lowest = -18 if groups == rows else -9 if free == 0 else -5
    log_sigma, h_sigma = np.linspace(lowest, 6, 20 * (6 - lowest) + 1, retstep=True)
    tau, sigma = (g.ravel() for g in np.meshgrid(np.exp(log_tau), np.exp(log_sigma)))
    log_p, means, variances, density = [], [], [], []
    for part in np.array_split(np.arange(tau.size), 60):
        t, s = tau[part, None, None], sigma[part, None, None]
        inverse = np.linalg.inv(t**2 * (z @ z.T) + s**2 * np.eye(rows))
        log_det = 2 * rows * np.log(s[:, 0, 0])
        log_det += np.log1p((t[:, 0] / s[:, 0]) ** 2 * z.sum(axis=0)).sum(axis=1)
        precision = x.T @ inverse @ x
        pull = x.T @ inverse @ y
        misfit = np.einsum("i,kij,j->k", y, inverse, y)
        constant = (rows - p) * np.log(2 * np.pi)
        if beta_prior is not None:
            loc, scale = (
                np.broadcast_to(v, p) for v in (beta_prior.mean(), beta_prior.std())
            )
            precision = precision + np.diag(scale**-2.0)
            pull = pull + loc / scale**2
            misfit = misfit + np.sum(loc**2 / scale**2)
            constant = rows * np.log(2 * np.pi) + 2 * np.log(scale).sum()
        covariance = np.linalg.inv(precision)
        beta = np.einsum("kij,kj->ki", covariance, pull)
        misfit = misfit - np.einsum("ki,ki->k", beta, pull)
        log_det = log_det - np.linalg.slogdet(covariance)[1]
        log_p.append(-(constant + log_det + misfit) / 2)
        gain = t**2 * (z.T @ inverse)
        a = np.einsum("kji,ki->kj", gain, y - beta @ x.T)
        effect = gain @ x
        own = (t * s)[:, 0] ** 2 / (s[:, 0] ** 2 + z.sum(axis=0) * t[:, 0] ** 2)
        a_variance = own + np.einsum("kjp,kpq,kjq->kj", effect, covariance, effect)
        means.append(np.hstack([beta, a, t[:, 0], s[:, 0]]))
        variances.append(
            np.hstack(
                [np.einsum("kpp->kp", covariance), a_variance, 0 * t[:, 0], 0 * s[:, 0]]
            )
        )
        if new is not None:
            y_new, group_new, x_new = new
            known = group_new < groups
            slope = np.where(known[:, None], effect[:, group_new % groups], 0)
            slope = x_new - slope
            centre = np.where(
                known, np.einsum("kji,i->kj", gain, y)[:, group_new % groups], 0
            )
            centre = centre + np.einsum("kmp,kp->km", slope, beta)
            spread = (
                np.where(known, own[:, group_new % groups], t[:, 0] ** 2) + s[:, 0] ** 2
            )
            spread = spread + np.einsum("kmp,kpq,kmq->km", slope, covariance, slope)
            density.append(stats.norm.pdf(y_new, centre, np.sqrt(spread)))
    log_p = np.concatenate(log_p) + np.log(tau) + np.log(sigma)
    for prior, value in ((tau_prior, tau), (sigma_prior, sigma)):
        if prior is not None:
            log_p = log_p + prior.logpdf(value)
    weight = np.exp(log_p - log_p.max())
    evidence = np.log(weight.sum() * h_tau * h_sigma) + log_p.max()
    weight /= weight.sum()
    value, own = np.vstack(means), np.vstack(variances)
    mean = weight @ value
    sd = np.sqrt(weight @ (own + (value - mean) ** 2))
    split = [p, p + groups, p + groups + 1]
    moments = {
        name: (m.squeeze() if name in ("tau", "sigma") else m, s)
        for name, m, s in zip(
            NAMES, np.split(mean, split), np.split(sd, split), strict=True
        )
    }
    predictive = np.log(weight @ np.vstack(density)) if new is not None else None
    return moments, evidence, predictive
