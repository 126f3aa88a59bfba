"""Compare `pooling.exact` with an independent integration on random small problems.

    make soak
    python tests/soak.py --problems 10000 --seed 1 --processes 2

Nothing of the module is used for the reference: the marginal likelihood of the data
is the density of a multivariate normal with a dense covariance matrix, and tau (and
sigma) are integrated over by a tanh-sinh rule that is refined until nothing changes;
for some problems also by nested `scipy.integrate.quad`.
A problem that fails is printed with its number, and is run alone by ``--first``.
"""

import argparse
import functools
import multiprocessing
import os
import sys
import time
import warnings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy: workers share the cores

import numpy as np  # noqa: E402
from scipy import integrate, stats  # noqa: E402

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
    y, x, z = problem["y"], problem["x"], problem["z"]
    noise = problem["noise"]  # (N,) known standard errors, or None
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
    if problem["prior"] is not None:
        loc, sd = problem["prior"]
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
    if problem["centre"]:  # the groups' levels, not their distances from the mean
        level = a + beta
        slope = 1 - effect
        variance = spread + np.einsum("kjp,kpq,kjq->kj", slope, covariance, slope)
        return log_p, beta, np.einsum("kpp->kp", covariance), level, variance
    variance = spread + np.einsum("kjp,kpq,kjq->kj", effect, covariance, effect)
    return log_p, beta, np.einsum("kpp->kp", covariance), a, variance


def make(number, seed):
    """A random problem: arguments of one of the functions, and the dense problem."""
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
        names = "mu", "theta"
        x, z, noise, centre = np.ones((groups, 1)), np.eye(groups), se, True
        sigma_prior = None
    else:
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
        rows = rng.permutation(n)
        code, x, y = code[rows], x[rows], y[rows]
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
        names = "beta", "a"
        z, noise, centre = np.eye(groups)[code], None, False
    problem = {
        "y": y,
        "x": x,
        "z": z,
        "noise": noise,
        "prior": prior,
        "centre": centre,
        "unit": unit,
        "tau_prior": tau_prior,
        "sigma_prior": sigma_prior,
    }
    return arguments, names, problem


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
    unit = problem["unit"]
    tau, weight = unit * np.exp(log_x[outer]), log_w[outer]
    sigma, log_f = tau, 0.0
    if problem["noise"] is None:
        inner = (log_x >= sigma_low) & (log_x <= sigma_high)
        tau, sigma = np.meshgrid(tau, unit * np.exp(log_x[inner]), indexing="ij")
        tau, sigma = tau.ravel(), sigma.ravel()
        weight = (weight[:, None] + log_w[inner]).ravel()
        log_f = log_prior(problem["sigma_prior"], sigma) + np.log(sigma)
    log_f = log_f + log_prior(problem["tau_prior"], tau) + np.log(tau) + weight
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


def by_quad(problem):
    """Mean of tau and log evidence by adaptive `scipy.integrate.quad`, nested."""
    unit = problem["unit"]
    start = by_rule(problem, 0.1)["log_evidence"]

    def f(log_sigma, log_tau, power):
        tau, sigma = unit * np.exp(log_tau), unit * np.exp(log_sigma)
        scales = np.array([tau]), np.array([sigma])
        log_f = dense(problem, *scales)[0][0] - start + log_tau + np.log(unit)
        log_f = log_f + log_prior(problem["tau_prior"], scales[0])[0]
        if problem["noise"] is None:
            log_f = log_f + log_prior(problem["sigma_prior"], scales[1])[0]
            log_f = log_f + log_sigma + np.log(unit)
        return np.exp(log_f) * (tau / unit) ** power

    def inner(log_tau, power):
        if problem["noise"] is not None:
            return f(0.0, log_tau, power)
        return quad(lambda s: f(s, log_tau, power), -9, 6)

    def quad(g, low, high):
        points = np.linspace(low, high, 9)[1:-1]
        return integrate.quad(
            g, low, high, points=points, epsabs=1e-11, epsrel=1e-9, limit=400
        )[0]

    total, first = (quad(lambda t, k=k: inner(t, k), -22, 12) for k in (0, 1))
    return unit * first / total, start + np.log(total)


def gap(found, expected, scale):
    """The largest difference, in sds of the reference."""
    found, expected = np.asarray(found, float), np.asarray(expected, float)
    if not (np.isfinite(found).all() and np.isfinite(expected).all()):
        return np.inf
    return float(np.max(np.abs(found - expected) / scale))


def run(number, seed):
    """The largest error of one problem, and what went wrong."""
    warnings.simplefilter("error")
    try:
        arguments, names, problem = make(number, seed)
        known = problem["noise"] is not None
        solve = exact.normal_hierarchy if known else exact.varying_intercepts
        fit = solve(**arguments)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # A rule is trusted when a finer one changes nothing.
            box, finer = None, None
            for step in (0.1, 0.065, 0.043, 0.029, 0.019, 0.013):
                reference, finer = finer, by_rule(problem, step, box)
                box = finer["box"]
                if reference is None:
                    continue
                if _worst(reference, finer, problem) < 1e-7:
                    break
            else:
                return number, np.nan, "the reference did not converge"
        expected = {
            "tau": finer["tau"],
            names[0]: [v.squeeze() if known else v for v in finer["coefficients"]],
            names[1]: finer["groups"],
        }
        if not known:
            expected["sigma"] = finer["sigma"]
        errors = {}
        for name, (mean, sd) in expected.items():
            errors[f"mean {name}"] = gap(fit.mean(name), mean, sd)
            errors[f"sd {name}"] = gap(fit.sd(name), sd, sd)
        proper = problem["prior"] is not None and problem["tau_prior"] is not None
        if proper and not isinstance(problem["tau_prior"].dist, type(stats.t)):
            errors["log evidence"] = gap(fit.log_evidence, finer["log_evidence"], 1.0)
        if number % EVERY == 1 or number % (5 * EVERY) == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                mean, log_evidence = by_quad(problem)
            errors["quad: mean tau"] = gap(fit.mean("tau"), mean, finer["tau"][1])
            if proper and not isinstance(problem["tau_prior"].dist, type(stats.t)):
                errors["quad: log evidence"] = gap(fit.log_evidence, log_evidence, 1.0)
        worst = max(errors, key=errors.get)
        return number, errors[worst], worst
    except Exception as error:
        return number, np.inf, f"{type(error).__name__}: {error}"


def _worst(a, b, problem):
    known = problem["noise"] is not None
    names = ["tau", "coefficients", "groups"] + ["sigma"] * (not known)
    return max(
        *(gap(a[n][i], b[n][i], b[n][1]) for n in names for i in (0, 1)),
        gap(a["log_evidence"], b["log_evidence"], 1.0),
    )


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
