"""Hold the exact posteriors to dense integrals on many random small problems.

    make soak                                 10,000 problems, about an hour
    python tests/soak.py --problems 200       fewer
    python tests/soak.py --first 1234 --problems 1    one of them again

Every problem is drawn from its own number, so that one that fails can be repeated. A
mean may be off by one millionth of its sd, and an sd by one millionth of itself.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
import os
import sys

import numpy as np
from scipy import stats

from dense_integrals import normal_hierarchy, varying_intercepts
from pooling import exact

TOLERANCE = 1e-6


def scale_prior(rng):
    """A proper prior on a standard deviation, on the scale of the data."""
    scale = np.exp(rng.uniform(-1.5, 1.5))
    return [
        stats.halfnorm(scale=scale),
        stats.expon(scale=scale),
        stats.gamma(2, scale=scale),
    ][rng.integers(3)]


def known_errors(rng) -> tuple[object, dict]:
    """A normal hierarchy with known standard errors, and its dense integrals."""
    groups = int(rng.integers(1, 7))
    sigma = np.exp(rng.normal(0, 1, groups))
    y = rng.normal(rng.normal(0, 3), rng.choice([0, 0.3, 3, 20]), groups)
    y = rng.normal(y, sigma)
    mu_prior = None if rng.random() < 0.5 else stats.norm(rng.normal(), 5)
    free = groups - (mu_prior is None)
    tau_prior = None if free >= 5 and rng.random() < 0.5 else scale_prior(rng)
    fit = exact.normal_hierarchy(y, sigma, mu_prior=mu_prior, tau_prior=tau_prior)
    return fit, normal_hierarchy(y, sigma, mu_prior, tau_prior)


def rows(rng) -> tuple[object, dict]:
    """A model of rows with varying intercepts, and its dense integrals."""
    sizes = rng.integers(1, 5, int(rng.integers(2, 6)))
    # The grid of the dense integrals begins at a sigma that four rows rule out.
    sizes[0] += 3
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = np.column_stack([np.ones(len(group)), rng.normal(size=len(group))])
    x = x[:, : int(rng.integers(1, 3))]
    beta_prior = None if len(group) > 6 and rng.random() < 0.5 else stats.norm(0, 3)
    a = rng.normal(0, rng.choice([0, 0.3, 2]), len(sizes))
    y = x @ rng.normal(size=x.shape[1]) + a[group]
    y = rng.normal(y, np.exp(rng.uniform(-1, 1)))
    priors = scale_prior(rng), scale_prior(rng)
    fit = exact.varying_intercepts(
        y,
        group,
        x,
        tau_prior=priors[0],
        sigma_prior=priors[1],
        beta_prior=beta_prior,
    )
    return fit, varying_intercepts(y, group, x, *priors, beta_prior)[0]


def error(number: int) -> float:
    """The largest error of one problem, in sds for means and relative for sds."""
    rng = np.random.default_rng(number)
    try:
        fit, expected = (rows if number % 2 else known_errors)(rng)
    except ValueError as refused:
        print(f"problem {number}: {refused}", flush=True)
        return np.inf
    worst = 0.0
    for name, (mean, sd) in expected.items():
        own = np.abs(fit.mean(name) - mean) / sd
        worst = max(worst, np.max(own), np.max(np.abs(fit.sd(name) / sd - 1)))
    # NaN is no agreement.
    return float(worst) if np.isfinite(worst) else np.inf


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    asked = parser.parse_args()
    numbers = range(asked.first, asked.first + asked.problems)
    failed, worst = [], 0.0
    with ProcessPoolExecutor(asked.processes) as pool:
        for number, found in zip(numbers, pool.map(error, numbers, chunksize=4)):
            worst = max(worst, found)
            if found > TOLERANCE:
                failed.append(number)
                print(f"problem {number} is off by {found:.1e}", flush=True)
            if (number + 1) % 500 == 0:
                print(f"{number + 1} problems, largest error {worst:.1e}", flush=True)
    print(f"{asked.problems} problems, largest error {worst:.1e}")
    print(f"{asked.problems - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
