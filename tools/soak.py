"""Compare `pooling.exact` with an independent integration on random small problems.

    make soak
    python tools/soak.py --problems 10000 --seed 1 --processes 2

Of four problems one is of rows, one of estimates, one of proportions and one of rates.
The reference is that of `dense_integrals`; for some problems of the first two kinds it
is also nested `scipy.integrate.quad`, on the same dense algebra.
A problem that fails is printed with its number, and is run alone by ``--first``.
"""

import argparse
import functools
import multiprocessing
import os
from pathlib import Path
import sys
import time
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: workers share the cores

import numpy as np  # noqa: E402
from scipy import integrate, stats  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from dense_integrals import (  # noqa: E402
    Counts,
    by_rule,
    counts_integrals,
    dense,
    gap,
    integrals,
    known_errors,
    log_prior,
    rows,
)
from pooling import exact  # noqa: E402

TOLERANCE = 1e-6
EVERY = 100  # one problem in so many is also integrated by `quad`


def scale_prior(rng, scale, heavy):
    """A prior of a standard deviation; heavy tails only where they are finite."""
    kinds = [
        stats.halfnorm(scale=scale),
        stats.gamma(rng.uniform(0.7, 3), scale=scale),
        stats.expon(scale=scale),
        stats.lognorm(rng.uniform(0.3, 1.2), scale=scale),
    ]
    if heavy:
        kinds += [stats.halfcauchy(scale=scale), stats.t(4, 0, scale), None]
    return kinds[rng.integers(len(kinds))]


class NoReference(Exception):
    """The dense integrals of a problem cannot be computed."""


def reference(integrals, *arguments):
    """Dense integrals; a failure of theirs is none of the module's."""
    try:
        return integrals(*arguments)
    except ArithmeticError as error:
        raise NoReference(str(error)) from None


def make_counts(number, seed):
    """A posterior of counts, its problem, and the scalars that have moments."""
    rng = np.random.default_rng([seed, number])
    groups = int(rng.integers(1, 9))
    scale = np.exp(rng.normal(1, 1))
    if number % 4 == 2:
        n = rng.integers(0, 30, groups)
        kappa, mu = np.exp(rng.normal(1, 2)), rng.beta(2, 2)
        y = rng.binomial(n, rng.beta(mu * kappa, (1 - mu) * kappa, groups))
        priors = [None, stats.beta(2, 3), stats.beta(0.7, 1.5)]
        mu_prior = priors[rng.integers(3)]
        kappa_prior = scale_prior(rng, scale, False)
        if ((y > 0) & (y < n)).any() and rng.random() < 0.3:
            kappa_prior = None
        fit = exact.beta_binomial(y, n, mu_prior=mu_prior, kappa_prior=kappa_prior)

        def log_density(alpha, beta):
            kappa = alpha + beta
            log_p = log_prior(mu_prior, alpha / kappa) - np.log(kappa)
            if kappa_prior is None:
                return log_p - 1.5 * np.log(kappa)
            return log_p + kappa_prior.logpdf(kappa)

        names = ("mu", "tau", "alpha", "beta")[: 2 if kappa_prior is None else 4]
        return fit, Counts(y, n, True, log_density), names
    exposure = np.exp(rng.normal(0, 1, groups))
    alpha = np.exp(rng.normal(0.5, 1))
    y = rng.poisson(exposure * rng.gamma(alpha, np.exp(rng.normal(0, 1)), groups))
    alpha_prior = scale_prior(rng, scale, False)
    # Where beta may be close to zero the mean of the population has no variance.
    beta_prior = [stats.lognorm(0.8), stats.gamma(rng.uniform(4, 8))][rng.integers(2)]
    fit = exact.gamma_poisson(
        y, exposure, alpha_prior=alpha_prior, beta_prior=beta_prior
    )

    def log_density(alpha, beta):
        return alpha_prior.logpdf(alpha) + beta_prior.logpdf(beta)

    problem = Counts(y, exposure, False, log_density)
    return fit, problem, ("mu", "tau", "alpha", "beta")


def count_errors(number, seed):
    """Errors of a posterior of counts, by name."""
    fit, problem, names = make_counts(number, seed)
    points, new = np.array([0.02, 0.3, 0.8]), np.arange(3)
    expected = reference(counts_integrals, problem, points, new, names)
    errors = {}
    for name in (*names, "theta"):
        mean, sd = expected[name]
        errors[f"mean {name}"] = gap(fit.mean(name), mean, sd)
        errors[f"sd {name}"] = gap(fit.sd(name), sd, sd)
    if not problem.binomial or "alpha" in names:
        errors["log evidence"] = gap(fit.log_evidence, expected["log_evidence"], 1.0)
    if expected["cdf"] is None:
        return errors
    groups = [*range(len(problem.y)), -1]
    cdf = fit.predict(groups).cdf(points[:, None])
    errors["cdf of theta"] = gap(cdf, expected["cdf"], 1.0)
    further = np.append(problem.size, 1)
    probability = fit.predict(groups, np.where(further, further, 1)).density(
        new[:, None]
    )
    errors["prediction"] = gap(probability, expected["probability"], 1.0)
    return errors


def make(number, seed):
    """A random problem: arguments of one of the functions, and of the reference."""
    rng = np.random.default_rng([seed, number])
    unit = 10.0 ** rng.integers(-3, 4)
    if number % 2:
        groups = int(rng.integers(1, 9))
        se = unit * np.exp(rng.normal(0, rng.choice([0.0, 0.5, 1.5]), groups))
        y = rng.normal(0, rng.exponential(2.0) * unit, groups) + se * rng.normal(
            size=groups
        )
        prior = None
        if rng.random() < 0.5:
            prior = (
                np.array([rng.normal(0, unit)]),
                np.array([unit * rng.exponential() + 0.1 * unit]),
            )
        enough = groups - (prior is None) >= 5
        tau_prior = scale_prior(rng, unit * np.exp(rng.normal()), enough)
        mu = None if prior is None else stats.norm(prior[0][0], prior[1][0])
        arguments = {"y": y, "sigma": se, "mu_prior": mu, "tau_prior": tau_prior}
        return arguments, known_errors(y, se, mu, tau_prior, unit)
    groups = int(rng.integers(2, 7))
    sizes = rng.integers(1, 5, groups)
    code = np.repeat(np.arange(groups), sizes)
    n, p = len(code), int(rng.integers(1, 4))
    x = np.column_stack([np.ones(n), rng.normal(size=(n, 2))])[:, :p]
    if p == 3 and rng.random() < 0.5:
        x[:, 2] = rng.normal(size=groups)[code]
    y = x @ rng.normal(0, 2 * unit, p) + unit * (
        rng.exponential() * rng.normal(size=groups)[code] + rng.normal(size=n)
    )
    prior = None
    # A flat prior needs more groups and rows than coefficients.
    if rng.random() < 0.6 or n - p < 4 or groups <= p + 2 or n == groups:
        prior = rng.normal(0, unit, p), unit * (0.2 + rng.exponential(3, p))
    order = rng.permutation(n)
    code, x, y = code[order], x[order], y[order]
    tau_prior = scale_prior(rng, unit * np.exp(rng.normal()), False)
    sigma_prior = scale_prior(rng, unit * np.exp(rng.normal(0, 0.7)), False)
    arguments = {
        "y": y,
        "group": code,
        "X": x,
        "tau_prior": tau_prior,
        "sigma_prior": sigma_prior,
        "beta_prior": None if prior is None else stats.norm(*prior),
    }
    return arguments, rows(*arguments.values(), unit)


def by_quad(problem):
    """Mean of tau and log evidence by adaptive `scipy.integrate.quad`, nested."""
    unit = problem.unit
    start = by_rule(problem, 0.1)["log_evidence"]

    def f(log_sigma, log_tau, power):
        tau, sigma = unit * np.exp(log_tau), unit * np.exp(log_sigma)
        scales = np.array([tau]), np.array([sigma])
        log_f = dense(problem, *scales)[0][0] - start + log_tau + np.log(unit)
        log_f = log_f + log_prior(problem.tau_prior, scales[0])[0]
        if problem.noise is None:
            log_f = log_f + log_prior(problem.sigma_prior, scales[1])[0]
            log_f = log_f + log_sigma + np.log(unit)
        return np.exp(log_f) * (tau / unit) ** power

    def inner(log_tau, power):
        if problem.noise is not None:
            return f(0.0, log_tau, power)
        # A design that explains every row does not keep sigma from zero.
        return quad(lambda s: f(s, log_tau, power), -20, 9)

    def quad(g, low, high):
        points = np.linspace(low, high, 9)[1:-1]
        return integrate.quad(
            g, low, high, points=points, epsabs=1e-11, epsrel=1e-9, limit=400
        )[0]

    total, first = (quad(lambda t, k=k: inner(t, k), -22, 12) for k in (0, 1))
    return unit * first / total, start + np.log(total)


def normal_errors(number, seed):
    """Errors of a posterior of rows or of estimates, by name."""
    arguments, problem = make(number, seed)
    known = problem.noise is not None
    solve = exact.normal_hierarchy if known else exact.varying_intercepts
    fit = solve(**arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected, log_evidence = reference(integrals, problem)
    errors = {}
    for name, (mean, sd) in expected.items():
        errors[f"mean {name}"] = gap(fit.mean(name), mean, sd)
        errors[f"sd {name}"] = gap(fit.sd(name), sd, sd)
    proper = problem.prior is not None and problem.tau_prior is not None
    if proper and not isinstance(problem.tau_prior.dist, type(stats.t)):
        errors["log evidence"] = gap(fit.log_evidence, log_evidence, 1.0)
    if number % EVERY == 1 or number % (5 * EVERY) == 0:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mean, log_evidence = by_quad(problem)
        sd = expected["tau"][1]
        errors["quad: mean tau"] = gap(fit.mean("tau"), mean, sd)
        if proper and not isinstance(problem.tau_prior.dist, type(stats.t)):
            errors["quad: log evidence"] = gap(fit.log_evidence, log_evidence, 1.0)
    return errors


def run(number, seed):
    """The largest error of one problem, and what went wrong."""
    warnings.simplefilter("error")
    try:
        errors = (count_errors if number % 4 > 1 else normal_errors)(number, seed)
        worst = max(errors, key=errors.get)
        return number, errors[worst], worst
    except NoReference as error:
        return number, np.nan, str(error)
    except Exception as error:
        return number, np.inf, f"{type(error).__name__}: {error}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--problems", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()

    numbers = range(arguments.first, arguments.first + arguments.problems)
    began, largest, where, failed, unknown = time.monotonic(), 0.0, "", 0, 0
    with multiprocessing.get_context("spawn").Pool(arguments.processes) as pool:
        solve = functools.partial(run, seed=arguments.seed)
        for done, (number, error, what) in enumerate(
            pool.imap_unordered(solve, numbers, chunksize=4), start=1
        ):
            if np.isnan(error):
                unknown += 1
                print(f"problem {number}: {what}", flush=True)
            elif error > largest or error > TOLERANCE:
                largest, where = max((error, f"{number}, {what}"), (largest, where))
            if error > TOLERANCE:
                failed += 1
                print(f"problem {number} is off by {error:.1e}: {what}", flush=True)
            if not done % 500:
                seconds = time.monotonic() - began
                print(
                    f"{done} problems in {seconds:.0f} s, largest error "
                    f"{largest:.1e} ({where})",
                    flush=True,
                )
    print(
        f"{done} problems, {done - unknown - failed} agree to {TOLERANCE:.0e}, "
        f"{failed} do not, {unknown} without a reference; "
        f"largest error {largest:.1e} (problem {where})"
    )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
