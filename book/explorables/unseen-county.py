"""The data of the explorable ``unseen-county.js``."""

import numpy as np

from pooling import datasets


def posterior(X, y, county, keep) -> list:
    """Points of tau and sigma with their weights, and some coefficients at each.

    A point is ``[tau, sigma, log weight, means, covariances]`` of the coefficients
    `keep`, the upper triangle row by row. Priors are half-normal of scale 1 for tau
    and sigma, and N(0, 2) for each coefficient.
    """
    n = np.bincount(county)
    tau, sigma = np.meshgrid((np.arange(30) + 0.5) / 50, np.linspace(0.65, 0.82, 9))
    tau, sigma = tau.ravel()[:, None], sigma.ravel()[:, None]
    Z = np.column_stack([X, y])
    mean = np.array([np.bincount(county, z) for z in Z.T]).T / n[:, None]
    within = Z.T @ Z - (mean * n[:, None]).T @ mean
    noise = tau**2 + sigma**2 / n
    S = within / sigma[..., None] ** 2 + (mean.T[None] / noise[:, None]) @ mean
    A = S[:, :-1, :-1] + np.eye(X.shape[1]) / 4
    C = np.linalg.inv(A)
    m = (C @ S[:, :-1, -1:])[..., 0]
    misfit = S[:, -1, -1] - (m * S[:, :-1, -1]).sum(-1)
    log_det = ((n - 1) * np.log(sigma**2) + np.log(n * noise)).sum(-1)
    log_det += np.linalg.slogdet(A)[1] + tau[:, 0] ** 2 + sigma[:, 0] ** 2
    log_p = -(log_det + misfit) / 2
    log_p -= log_p.max()
    upper = [(a, b) for k, a in enumerate(keep) for b in keep[k:]]
    return [
        [
            *np.round([*tau[k], *sigma[k], log_p[k]], 4).tolist(),
            np.round(m[k, keep], 4).tolist(),
            [float(f"{C[k, a, b]:.4g}") for a, b in upper],
        ]
        for k in np.flatnonzero(log_p > -14)
    ]


def data() -> dict:
    """Both posteriors, and the range of the counties' uranium."""
    radon = datasets.load_radon()
    county = radon["county"].cat.codes.to_numpy()
    u, y = radon["log_uranium"].to_numpy(), radon["log_radon"].to_numpy()
    X = np.column_stack([np.ones(len(y)), radon["floor"], u])
    by_county = radon.groupby("county", observed=True)["log_uranium"].first()
    return {
        "known": posterior(X, y, county, [0, 2]),
        "unknown": posterior(X[:, :2], y, county, [0]),
        "counties": by_county.round(2).tolist(),
        "spread": 0.73,
        "start": {"uranium": 0.3, "houses": 0, "reading": 1.0},
        "mostHouses": 60,
    }
