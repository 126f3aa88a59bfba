"""What the chapter on students in schools claims, against other computations."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from pooling import datasets

CHAPTER = "why-hierarchy/students-in-schools"


class Posterior(NamedTuple):
    """Posterior means and sds; `mean["beta"]` has one entry a column."""

    mean: dict
    sd: dict


def on_a_grid(y, group, X, prior_mean, prior_sd, points=61):
    """Posterior of ``y ~ N(X beta + a[group], sigma), a ~ N(0, tau)`` on a grid.

    Given the two sds the coefficients are normal and are integrated out. The
    priors are the chapter's: tau half-normal with scale 5, sigma with scale 10.
    It shares no code with `pooling.exact`. The grid spans six posterior sds
    either way, where the trapezoidal rule is accurate to far more digits than
    the comparison needs.
    """
    n = np.bincount(group).astype(float)
    P = np.linalg.cholesky  # one Cholesky factor a point
    XX, Xy, yy = X.T @ X, X.T @ y, y @ y
    sums = np.stack([np.bincount(group, column) for column in X.T])
    total = np.bincount(group, y)
    prior_precision = np.diag(1 / np.square(prior_sd))

    def given(tau, sigma):
        # The inverse of sigma² I + tau² 11' in a group, by Woodbury.
        shared = tau**2 / (sigma**2 + n * tau**2)
        A = (XX - (sums * shared) @ sums.T) / sigma**2
        b = (Xy - (sums * shared) @ total) / sigma**2
        c = (yy - (shared * total) @ total) / sigma**2
        log_det = (n - 1).sum() * 2 * np.log(sigma) + np.log(
            sigma**2 + n * tau**2
        ).sum()
        precision = A + prior_precision
        h = b + prior_precision @ prior_mean
        L = P(precision)
        mean = np.linalg.solve(precision, h)
        log_p = (
            -0.5 * (c + log_det)
            - 0.5 * prior_mean @ prior_precision @ prior_mean
            + 0.5 * h @ mean
            - np.log(np.diag(L)).sum()
            + stats.halfnorm.logpdf(tau, scale=5)
            + stats.halfnorm.logpdf(sigma, scale=10)
        )
        return log_p, mean, np.linalg.inv(precision)

    J, N = len(n), len(y)
    sigma_0 = np.sqrt((yy - (total**2 / n).sum()) / (N - J))
    centre_s, width_s = sigma_0, sigma_0 / np.sqrt(2 * (N - J))
    # The between-group sd: find its mode at sigma_0, and its curvature there.
    taus = np.geomspace(0.05, 20, 400)
    scan = np.array([given(tau, sigma_0)[0] for tau in taus])
    weight = np.exp(scan - scan.max()) * np.gradient(taus)
    weight /= weight.sum()
    centre_t = weight @ taus
    width_t = np.sqrt(weight @ (taus - centre_t) ** 2)

    offsets = np.linspace(-6, 6, points)
    grid = [
        (tau, sigma)
        for tau in centre_t + width_t * offsets
        for sigma in centre_s + width_s * offsets
        if tau > 0 and sigma > 0
    ]
    cells = [given(tau, sigma) for tau, sigma in grid]
    log_p = np.array([cell[0] for cell in cells])
    weight = np.exp(log_p - log_p.max())
    weight /= weight.sum()
    means = np.array([cell[1] for cell in cells])
    variances = np.array([np.diag(cell[2]) for cell in cells])
    scales = np.array(grid)
    mean = weight @ means
    scale_mean = weight @ scales
    scale_sd = np.sqrt(weight @ (scales - scale_mean) ** 2)
    return Posterior(
        {"beta": mean, "tau": scale_mean[0], "sigma": scale_mean[1]},
        {
            "beta": np.sqrt(weight @ (variances + (means - mean) ** 2)),
            "tau": scale_sd[0],
            "sigma": scale_sd[1],
        },
    )
