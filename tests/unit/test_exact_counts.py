"""The exact posteriors of counts, against sums over single events and in print."""

import math
import subprocess
import sys

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, special, stats
import xarray as xr

import dense_integrals
from pooling import datasets, exact
from pooling.exact import _conjugate, _counts, _kernels, _quadrature

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # What other tests left open is found here by chance, and is not about this module.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

PUMPS = [5, 1, 5, 14, 3, 19, 1, 1, 4, 22]
HOURS = [94.3, 15.7, 62.9, 126, 5.24, 31.4, 1.05, 1.05, 2.1, 10.5]
POINTS = np.array([0.05, 0.2, 0.5, 0.9])
NEW = np.arange(4)
FINITE = "mu", "tau", "alpha", "beta"


class LogDensity:
    """A prior that is nothing but a function."""

    def __init__(self, logpdf):
        self.logpdf = logpdf


def pumps(**priors):
    given_priors = {"alpha_prior": stats.expon(), "beta_prior": stats.gamma(0.1)}
    return exact.gamma_poisson(PUMPS, HOURS, **(given_priors | priors))


def proportions(y, n, mu_prior=None, kappa_prior=None):
    """The problem of `exact.beta_binomial` for `dense_integrals`."""

    def log_prior(alpha, beta):
        kappa = alpha + beta
        log_p = -1.5 * np.log(kappa) if kappa_prior is None else 0.0
        if kappa_prior is not None:
            log_p = kappa_prior.logpdf(kappa)
        if mu_prior is not None:
            log_p = log_p + mu_prior.logpdf(alpha / kappa)
        return log_p - np.log(kappa)

    return dense_integrals.Counts(np.array(y), np.array(n), True, log_prior)


def rates(y, exposure, alpha_prior, beta_prior):
    """The problem of `exact.gamma_poisson` for `dense_integrals`."""

    def log_prior(alpha, beta):
        return alpha_prior.logpdf(alpha) + beta_prior.logpdf(beta)

    return dense_integrals.Counts(np.array(y), np.array(exposure), False, log_prior)


def agree(fit, problem, names, tolerance=1e-7):
    expected = dense_integrals.counts_integrals(problem, POINTS, NEW, names)
    for name in (*names, "theta"):
        mean, sd = expected[name]
        assert dense_integrals.gap(fit.mean(name), mean, sd) < tolerance, name
        assert dense_integrals.gap(fit.sd(name), sd, sd) < tolerance, name
    if expected["cdf"] is None:
        return expected
    groups = [*range(len(problem.y)), -1]
    cdf = fit.predict(groups).cdf(POINTS[:, None])
    assert np.abs(cdf.values - expected["cdf"]).max() < tolerance
    further = np.append(problem.size, 1)
    probability = fit.predict(groups, further).density(NEW[:, None])
    assert np.abs(probability.values - expected["probability"]).max() < tolerance
    return expected


@st.composite
def successes(draw):
    groups = draw(st.integers(1, 5))
    n = draw(st.lists(st.integers(1, 20), min_size=groups, max_size=groups))
    y = [draw(st.integers(0, each)) for each in n]
    kappa_priors = [stats.gamma(2, scale=5), stats.lognorm(1, scale=10), stats.expon()]
    if any(0 < a < b for a, b in zip(y, n, strict=True)):
        kappa_priors.append(None)
    mu_prior = draw(st.sampled_from([None, stats.beta(2, 3), stats.beta(0.7, 1.5)]))
    return y, n, mu_prior, draw(st.sampled_from(kappa_priors))


@st.composite
def events(draw):
    groups = draw(st.integers(1, 5))
    numbers = st.lists(st.floats(-1.5, 1.5), min_size=groups, max_size=groups)
    exposure = np.exp(draw(numbers))
    y = draw(st.lists(st.integers(0, 12), min_size=groups, max_size=groups))
    alpha_priors = [stats.expon(), stats.gamma(2, scale=3), stats.lognorm(1)]
    beta_priors = [stats.gamma(4), stats.lognorm(1), stats.gamma(5, scale=3)]
    return (
        y,
        exposure,
        draw(st.sampled_from(alpha_priors)),
        draw(st.sampled_from(beta_priors)),
    )


slow = settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.mark.slow
@slow
@given(successes())
def test_proportions_agree_with_a_grid(problem):
    y, n, mu_prior, kappa_prior = problem
    fit = exact.beta_binomial(y, n, mu_prior=mu_prior, kappa_prior=kappa_prior)
    names = FINITE if kappa_prior is not None else FINITE[:2]
    expected = agree(fit, proportions(*problem), names)
    if kappa_prior is not None:
        assert fit.log_evidence == pytest.approx(expected["log_evidence"], abs=1e-8)


@pytest.mark.slow
@slow
@given(events())
def test_rates_agree_with_a_grid(problem):
    y, exposure, alpha_prior, beta_prior = problem
    fit = exact.gamma_poisson(
        y, exposure, alpha_prior=alpha_prior, beta_prior=beta_prior
    )
    expected = agree(fit, rates(*problem), FINITE)
    assert fit.log_evidence == pytest.approx(expected["log_evidence"], abs=1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [100, 2000])
def test_proportions_that_hardly_differ(scale):
    """Each theta is then closer to mu than mu is known, and given mu it is a spike."""
    y, n = [20, 21, 19, 20, 22, 18], [100] * 6
    kappa_prior = stats.gamma(2, scale=scale)
    fit = exact.beta_binomial(y, n, kappa_prior=kappa_prior)
    found = agree(fit, proportions(y, n, None, kappa_prior), FINITE[:2])
    assert found["cdf"] is not None


@pytest.mark.slow
def test_rates_that_hardly_differ():
    priors = stats.gamma(2, scale=1000), stats.gamma(4, scale=2500)
    y, exposure = [20, 21, 19, 20], [100.0] * 4
    fit = exact.gamma_poisson(y, exposure, alpha_prior=priors[0], beta_prior=priors[1])
    agree(fit, rates(y, exposure, *priors), ())


def panels(low, high, count=40):
    """Points and weights of Gauss-Legendre rules, one after another, (..., N)."""
    point, weight = np.polynomial.legendre.leggauss(12)
    edges = np.linspace(low, high, count + 1, axis=-1)[..., None]
    half = np.diff(edges, axis=-2) / 2
    x = edges[..., :-1, :] + half * (1 + point)
    shape = *x.shape[:-2], -1
    return x.reshape(shape), (half * weight).reshape(shape)


def mass(problem, alpha_high, beta_high):
    """Integral of alpha up to a bound, and of beta up to a function of log(alpha)."""
    log_alpha, outer = panels(-14.0, alpha_high)
    log_beta, inner = panels(np.full(len(log_alpha), -14.0), beta_high(log_alpha))
    log_alpha = np.broadcast_to(log_alpha[:, None], log_beta.shape)
    p, q = log_alpha - log_beta, log_alpha
    if problem.binomial:
        q = np.logaddexp(log_alpha, log_beta)
    f = np.exp(dense_integrals.log_counts(problem, p, q))
    return outer @ np.sum(f * inner, axis=1)


@pytest.mark.parametrize("binomial", [True, False])
def test_distributions_agree_with_double_integrals(binomial):
    y, size = [2, 5], [6, 8]
    if binomial:
        prior = stats.gamma(3, scale=2)
        fit = exact.beta_binomial(y, size, kappa_prior=prior)
        problem = proportions(y, size, None, prior)
    else:
        priors = stats.gamma(3), stats.gamma(4, scale=2)
        fit = exact.gamma_poisson(y, size, alpha_prior=priors[0], beta_prior=priors[1])
        problem = rates(y, size, *priors)
    odds = np.log(0.4 / 0.6 if binomial else 0.4)
    far = 6.0
    total = mass(problem, far, lambda a: np.full_like(a, far))
    for name, x, alpha_high, beta_high in (
        ("alpha", 2.0, np.log(2.0), lambda a: np.full_like(a, far)),
        ("beta", 2.0, far, lambda a: np.full_like(a, np.log(2.0))),
        ("mu", 0.4, far, lambda a: a - odds),
    ):
        p = mass(problem, alpha_high, beta_high) / total
        p = 1 - p if name == "mu" else p
        assert fit.cdf(name, x) == pytest.approx(p, abs=1e-9), name


@pytest.mark.slow
def test_distribution_of_tau_and_kappa_by_counting_draws():
    fit = exact.beta_binomial([2, 5, 1], [6, 8, 9], kappa_prior=stats.gamma(3, scale=2))
    draws = fit.sample(50_000, np.random.default_rng(1))
    for name in ("tau", "kappa"):
        for q in (0.05, 0.4, 0.9):
            share = float((draws[name] <= fit.quantile(name, q)).mean())
            assert share == pytest.approx(q, abs=4.5 * np.sqrt(q * (1 - q) / 50_000))


class TestRats:
    """Section 5.3 of BDA3; its numbers are from a grid that ends at kappa = e**5."""

    data = datasets.load_rat_tumours()
    fit = exact.beta_binomial(data["tumours"].to_numpy(), data["rats"].to_numpy())

    def test_the_current_experiment(self):
        """4 of 14 rats: 0.286 alone."""
        assert float(self.fit.mean("theta")[70]) == pytest.approx(0.211, abs=5e-4)
        assert float(self.fit.sd("theta")[70]) == pytest.approx(0.075, abs=5e-4)

    def test_hyperparameters(self):
        """On the book's grid alpha has a mean of 2.4, and beta one of 14.3."""
        for name, expected in (("alpha", 2.403), ("beta", 14.320)):
            x = np.linspace(0, 9 * expected, 2001)
            density = self.fit.density(name, x)
            mean = integrate.simpson(x * density, x=x)
            assert mean == pytest.approx(expected, rel=5e-3), name

    def test_means_of_the_sample_size_are_infinite(self):
        """The prior falls as kappa**-1.5, and the likelihood is level."""
        for name in ("kappa", "alpha", "beta"):
            assert self.fit.mean(name) == self.fit.sd(name) == np.inf
        assert 0 < self.fit.mean("tau") < 0.5

    def test_no_evidence_under_an_improper_prior(self):
        with pytest.raises(ValueError, match="log_evidence needs proper priors"):
            self.fit.log_evidence  # noqa: B018


class TestPumps:
    """Gaver and O'Muircheartaigh's pumps with the priors of George et al. (1993).

    The numbers are those of the BUGS examples, which are means of 10,000 draws.
    """

    fit = pumps()

    def test_hyperparameters(self):
        assert self.fit.mean("alpha") == pytest.approx(0.697, abs=0.01)
        assert self.fit.sd("alpha") == pytest.approx(0.27, abs=0.01)
        assert self.fit.mean("beta") == pytest.approx(0.925, abs=0.02)
        assert self.fit.sd("beta") == pytest.approx(0.54, abs=0.02)

    def test_rates(self):
        expected = [0.060, 0.102, 0.089, 0.116, 0.602, 0.609, 0.89, 0.89, 1.58, 1.99]
        assert self.fit.mean("theta").values == pytest.approx(expected, rel=0.015)

    def test_the_mean_of_the_population_is_infinite(self):
        """The prior of beta is infinite at zero."""
        assert self.fit.mean("mu") == np.inf
        assert self.fit.predict("new").mean() == np.inf
        assert np.isfinite(self.fit.quantile("mu", 0.999))


class TestLimits:
    def test_no_data_leave_the_priors(self):
        mu_prior, kappa_prior = stats.beta(2, 3), stats.gamma(4, scale=2)
        fit = exact.beta_binomial(
            [0, 0], [0, 0], mu_prior=mu_prior, kappa_prior=kappa_prior
        )
        assert fit.mean("mu") == pytest.approx(0.4, rel=1e-9)
        assert fit.sd("kappa") == pytest.approx(4, rel=1e-8)
        assert fit.log_evidence == pytest.approx(0, abs=1e-9)
        assert fit.cdf("kappa", 7) == pytest.approx(kappa_prior.cdf(7), abs=1e-9)
        priors = stats.gamma(3), stats.gamma(5, scale=2)
        fit = exact.gamma_poisson(
            [0], [0.0], alpha_prior=priors[0], beta_prior=priors[1]
        )
        assert fit.mean("alpha") == pytest.approx(3, rel=1e-9)
        assert fit.mean("mu") == pytest.approx(3 / 8, rel=1e-8)
        assert fit.log_evidence == pytest.approx(0, abs=1e-9)

    def test_a_group_without_data_is_new(self):
        fit = exact.beta_binomial([2, 5, 0], [6, 8, 0])
        new = fit.predict("new")
        assert float(fit.mean("theta")[2]) == pytest.approx(new.mean(), rel=1e-12)
        assert float(fit.sd("theta")[2]) == pytest.approx(new.sd(), rel=1e-12)
        assert float(fit.cdf("theta", 0.3)[2]) == pytest.approx(new.cdf(0.3), rel=1e-9)
        fit = exact.gamma_poisson(
            [2, 0], [3.0, 0], alpha_prior=stats.expon(), beta_prior=stats.gamma(4)
        )
        assert float(fit.mean("theta")[1]) == pytest.approx(fit.mean("mu"), rel=1e-9)

    def test_narrow_priors_fix_the_hyperparameters(self):
        """What is then left is conjugate."""
        y, n = np.array([2, 9]), np.array([8, 12])
        fit = exact.beta_binomial(
            y,
            n,
            mu_prior=stats.beta(3e5, 7e5),
            kappa_prior=stats.norm(10, 1e-3),
        )
        assert fit.mean("theta").values == pytest.approx(
            stats.beta.mean(3 + y, 7 + n - y), rel=1e-5
        )
        assert fit.sd("theta").values == pytest.approx(
            stats.beta.std(3 + y, 7 + n - y), rel=1e-5
        )

    def test_one_proportion_for_all(self):
        """A kappa far away pools completely: uniform and binomial are beta."""
        y, n = np.array([2, 9, 4]), np.array([8, 12, 20])
        fit = exact.beta_binomial(y, n, kappa_prior=stats.lognorm(0.1, scale=1e12))
        pooled = stats.beta(1 + y.sum(), 1 + (n - y).sum())
        assert fit.mean("mu") == pytest.approx(pooled.mean(), rel=1e-9)
        for q in (0.001, 0.3, 0.99):
            x = pooled.ppf(q)
            assert fit.cdf("mu", x) == pytest.approx(q, abs=1e-9)
            assert fit.cdf("theta", x).values == pytest.approx(q, abs=1e-7)
            assert fit.quantile("theta", q).values == pytest.approx(x, rel=1e-6)

    def test_bounded_priors(self):
        fit = exact.beta_binomial(
            [2, 9],
            [8, 12],
            mu_prior=stats.uniform(0.3, 0.4),
            kappa_prior=stats.uniform(5, 3),
        )
        assert fit.quantile("kappa", [0, 1]).values.tolist() == [5, 8]
        assert fit.quantile("mu", [0, 1]).values == pytest.approx([0.3, 0.7])
        assert fit.cdf("alpha", 0.3 * 5) == pytest.approx(0, abs=1e-9)
        assert fit.cdf("alpha", 0.7 * 8) == pytest.approx(1, abs=1e-9)
        # tau is between the values at the ends.
        assert fit.cdf("tau", np.sqrt(0.21 / 9)) == pytest.approx(0, abs=1e-9)
        assert fit.cdf("tau", np.sqrt(0.25 / 6)) == pytest.approx(1, abs=1e-9)

    def test_a_flat_alpha_under_a_proper_beta(self):
        fit = pumps(alpha_prior=None)
        assert 0 < fit.quantile("alpha", 0.5) < 10
        with pytest.raises(ValueError, match="alpha_prior has no finite integral"):
            fit.log_evidence  # noqa: B018


class TestManyGroups:
    @pytest.mark.slow
    def test_interpolation_changes_nothing(self, monkeypatch):
        rng = np.random.default_rng(3)
        n = rng.integers(0, 3000, 4000)
        y = rng.binomial(n, rng.beta(2, 6, 4000))
        exposure = np.exp(rng.normal(0, 2, 4000))
        events = rng.poisson(exposure * rng.gamma(2, 20, 4000))
        priors = {"alpha_prior": stats.expon(), "beta_prior": stats.gamma(4)}

        def fits():
            return (
                exact.beta_binomial(y, n),
                exact.gamma_poisson(events, exposure, **priors),
            )

        quick = fits()
        monkeypatch.setattr(_counts, "_FEW", np.inf)
        monkeypatch.setattr(_conjugate, "_SIZES_A_NODE", np.inf)
        for fast, plain in zip(quick, fits(), strict=True):
            for name in ("mu", "tau", "theta"):
                sd = plain.sd(name)
                gap = np.abs(np.asarray(fast.mean(name) - plain.mean(name)) / sd)
                assert np.max(gap) < 1e-7, name
                assert np.max(np.abs(np.asarray(fast.sd(name) / sd) - 1)) < 1e-7

    def test_huge_numbers_of_trials(self):
        """Nearly certain proportions: their own distribution is what is learned."""
        rng = np.random.default_rng(4)
        theta = rng.beta(20, 80, 500)
        fit = exact.beta_binomial(rng.binomial(10**9, theta), np.full(500, 10**9))
        assert fit.mean("theta").values == pytest.approx(theta, rel=1e-3)
        assert fit.mean("mu") == pytest.approx(0.2, abs=5 * fit.sd("mu"))


class TestPredictions:
    def test_counts(self):
        fit = exact.beta_binomial([2, 5, 1], [6, 8, 9])
        prediction = fit.predict([0, 2, "new"], [7, 30, 4])
        counts = np.arange(31)
        p = prediction.density(counts[:, None])
        assert p.sum("x").values == pytest.approx(1, abs=1e-9)
        assert np.allclose(p.cumsum("x"), prediction.cdf(counts[:, None]), atol=1e-9)
        mean = (counts[:, None] * p).sum("x")
        assert mean.values == pytest.approx(prediction.mean().values, rel=1e-8)
        variance = (counts[:, None] ** 2 * p).sum("x") - mean**2
        assert np.sqrt(variance).values == pytest.approx(prediction.sd().values)
        for q in (0.01, 0.5, 0.9, 1.0):
            x = prediction.quantile(q)
            assert (prediction.cdf(x) >= q - 1e-9).all()
            assert (prediction.cdf(x - 1) < q).all()
        assert prediction.density(2.5).values.tolist() == [0, 0, 0]
        assert prediction.cdf(-1).values.tolist() == [0, 0, 0]
        assert prediction.quantile(0).values.tolist() == [0, 0, 0]

    def test_events(self):
        prediction = pumps().predict([0, 9], [20, 3])
        counts = np.arange(120)
        p = prediction.density(counts[:, None])
        assert p.sum("x").values == pytest.approx(1, abs=1e-9)
        mean = (counts[:, None] * p).sum("x")
        assert mean.values == pytest.approx(prediction.mean().values, rel=1e-8)
        assert prediction.quantile(1).values.tolist() == [np.inf, np.inf]

    def test_so_many_trials_that_the_share_is_theta(self):
        fit = exact.beta_binomial([2, 5, 1], [6, 8, 9], kappa_prior=stats.gamma(3))
        count = fit.predict([0, "new"], 10**7)
        for x in (0.1, 0.4):
            assert count.cdf(x * 10**7).values == pytest.approx(
                fit.predict([0, "new"]).cdf(x).values, abs=1e-6
            )

    def test_numbers_beside_strings_are_known_groups(self):
        fit = pumps()
        assert fit.predict([0, "new"]).cdf(0.1)[0] == pytest.approx(
            fit.predict(0).cdf(0.1)
        )

    def test_far_too_large_counts(self):
        prediction = pumps().predict(0, 1.0)
        assert prediction.density(10**9) == 0
        assert prediction.cdf(10**9) == pytest.approx(1, abs=1e-12)


class TestSpecialFunctions:
    def test_log_rising(self):
        for a in (1e-8, 0.3, 7.0, 15.99, 16.01, 300.0, 1e6, 1e12, 1e30):
            for y in (1, 2, 3, 17, 400):
                expected = math.fsum(math.log1p(i / a) for i in range(y))
                found = float(_counts.log_rising(np.array(a), np.array(float(y))))
                assert found == pytest.approx(expected, rel=1e-11, abs=1e-14), (a, y)

    def test_log_rising_between_whole_numbers(self):
        a, y = np.array([0.2, 3.0, 20.0]), np.array([0.5, 2.5, 7.25])
        expected = special.gammaln(a + y) - special.gammaln(a) - y * np.log(a)
        assert _counts.log_rising(a, y) == pytest.approx(expected, rel=1e-11)

    def test_excess(self):
        for x in (-0.999, -0.5, -0.11, -0.09, -1e-5, 1e-12, 0.05, 0.099, 0.101, 3.0):
            expected = x - math.log1p(x)
            if abs(x) < 0.3:
                expected = math.fsum((-x) ** k / k for k in range(2, 40))
            found = float(_counts.excess(np.array(x)))
            assert found == pytest.approx(expected, rel=1e-13), x

    def test_densities_without_cancellation(self):
        t = np.linspace(-3, 1, 9)
        for kernel, a, b in (
            (_kernels.Beta, 3.0, 8.0),
            (_kernels.Beta, 4000.0, 9000.0),
            (_kernels.Gamma, 3.0, 8.0),
            (_kernels.Gamma, 4000.0, 9000.0),
        ):
            plain = kernel.log_density(t, a, b)
            assert kernel.sharp_log_density(t, a, b) == pytest.approx(plain, abs=1e-8)
        sd = 0.5e-15**0.5
        at = special.logit(0.5 + sd)
        # A standard normal density, one sd away, in units of the logit.
        found = _kernels.Beta.sharp_log_density(at, 2.5e14, 2.5e14)
        expected = stats.norm.logpdf(1) - np.log(4 * sd)
        assert found == pytest.approx(expected, abs=1e-5)

    def test_gauss_rules_have_the_moments(self):
        rng = np.random.default_rng(1)
        x, weight = rng.normal(size=(2, 3, 90))
        weight = np.exp(weight) / np.exp(weight).sum(axis=1, keepdims=True)
        points, weights = _quadrature.gauss(x, weight, 6)
        for power in range(12):
            expected = np.einsum("rn,rn->r", weight, x**power)
            found = np.einsum("rn,rn->r", weights, points**power)
            assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)
        # A measure of two points needs no more.
        points, weights = _quadrature.gauss(
            np.array([[0.0, 1.0, 1.0]]), np.array([[0.5, 0.3, 0.2]]), 3
        )
        assert np.sum(points * weights) == pytest.approx(0.5)
        assert np.sum(points**2 * weights) == pytest.approx(0.5)


#: A million groups in a process of its own, whose memory is then known.
MILLION = """
import numpy as np
from scipy import stats
from pooling import exact
rng = np.random.default_rng(1)
J = 1_000_000
size = {size}
if {binomial}:
    y = rng.binomial(size, rng.beta(2, 8, J))
    fit = exact.beta_binomial(y, size)
else:
    y = rng.poisson(size * rng.gamma(2, 1 / 4, J))
    fit = exact.gamma_poisson(
        y, size, alpha_prior=stats.expon(), beta_prior=stats.gamma(0.1)
    )
mean, sd = fit.mean("theta"), fit.sd("theta")
assert mean.shape == sd.shape == (J,) and (sd > 0).all()
assert abs(fit.quantile("alpha", 0.5) - 2) < 0.05
with open("/proc/self/status") as file:
    status = dict(line.split(":", 1) for line in file)
print(int(status["VmHWM"].split()[0]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in kB on Linux")
@pytest.mark.parametrize(
    ("binomial", "size"),
    [
        (True, "rng.integers(1, 51, J)"),
        (True, "rng.integers(1, 5001, J)"),
        (False, "np.exp(rng.normal(size=J))"),
    ],
)
def test_a_million_groups_fit_into_a_gigabyte(binomial, size):
    """All means and sds. `make bench` says how long they take."""
    done = subprocess.run(
        [sys.executable, "-c", MILLION.format(binomial=binomial, size=size)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 1000


def successes_of(y=(1, 2, 3, 5), n=(4, 5, 6, 8), **keywords):
    return exact.beta_binomial(y, n, **keywords)


def events_of(y=(1, 2, 3, 5), exposure=(4.0, 5, 6, 8), **keywords):
    priors = {"alpha_prior": stats.expon(), "beta_prior": stats.gamma(3)}
    return exact.gamma_poisson(y, exposure, **(priors | keywords))


BOTH = pytest.mark.parametrize(
    ("function", "size"), [(successes_of, "n"), (events_of, "exposure")]
)


class TestBadInput:
    """An error that names the argument, whatever is wrong: no warning and no number."""

    @BOTH
    @pytest.mark.parametrize(
        "y",
        [
            [1, 2, 3, 2.5],
            [1, 2, 3, -1],
            [1, 2, 3, np.nan],
            [1, 2, 3, None],
            [1, 2, 3, "4"],
            [1, 2, 3],
            [[1, 2, 3, 4]],
            [],
            3,
            [1e300, 1, 2, 3],
            [True, False, True, True],
            pd.array([1, None, 3, 4], dtype="Int64"),
        ],
    )
    def test_counts(self, function, size, y):
        with pytest.raises(ValueError, match="y"):
            function(y=y)

    @pytest.mark.parametrize(
        "n", [[4, 5, 6, 4], [4, 5, 6, 8.5], [4, 5, 6, np.inf], [4, 5], 8, [0, 5, 6, 8]]
    )
    def test_trials(self, n):
        with pytest.raises(ValueError, match="n"):
            successes_of(n=n)

    @pytest.mark.parametrize(
        "exposure",
        [[1, 2, 3, -4], [1, 2, 3, 0], [1, 2, np.nan, 3], [1, 2], 8, [1e-120, 2, 3, 4]],
    )
    def test_exposures(self, exposure):
        with pytest.raises(ValueError, match="exposure"):
            events_of(exposure=exposure)

    def test_the_unit_of_the_exposure(self):
        with pytest.raises(ValueError, match="exposure must be in a unit"):
            events_of(exposure=1e-20 * np.arange(1, 5))

    @pytest.mark.parametrize(
        ("function", "argument"),
        [
            (successes_of, "mu_prior"),
            (successes_of, "kappa_prior"),
            (events_of, "alpha_prior"),
            (events_of, "beta_prior"),
        ],
    )
    @pytest.mark.parametrize(
        "prior",
        [
            3,
            "norm",
            stats.gamma,
            stats.uniform(-5, 2),
            stats.gamma(3, scale=np.nan),
            stats.gamma([3, 2]),
            LogDensity(lambda x: x * np.nan),
            LogDensity(lambda x: np.full(np.shape(x), -np.inf)),
            LogDensity(lambda x: np.zeros(3)),
        ],
    )
    def test_priors(self, function, argument, prior):
        with pytest.raises(ValueError, match=argument):
            function(**{argument: prior})

    def test_a_mean_beyond_one(self):
        with pytest.raises(ValueError, match="mu_prior"):
            successes_of(mu_prior=stats.uniform(2, 3))

    @pytest.mark.parametrize(
        "fit",
        [
            lambda: successes_of(kappa_prior=LogDensity(np.zeros_like)),
            lambda: successes_of(kappa_prior=LogDensity(np.log)),  # flat in both
            lambda: successes_of(y=[0, 5, 6, 0]),  # no group has both
            lambda: successes_of(mu_prior=LogDensity(lambda m: -6 * np.log(m))),
            lambda: events_of(alpha_prior=None, beta_prior=None),
            lambda: events_of(y=[0, 0, 0, 0], beta_prior=None),
        ],
    )
    def test_improper_posteriors(self, fit):
        with pytest.raises(ValueError, match="_prior makes the posterior improper"):
            fit()

    @BOTH
    @pytest.mark.parametrize(
        "coords",
        [
            3,
            {"s": list("abc")},
            {"s": list("aabc")},
            {"tau": list("abcd")},
            {"alpha": list("abcd")},
            {"theta": list("abcd")},
        ],
    )
    def test_coords(self, function, size, coords):
        with pytest.raises(ValueError, match="coords"):
            function(coords=coords)

    @BOTH
    def test_labels_in_another_order(self, function, size):
        y = pd.Series([1, 2, 3, 5], index=list("abcd"))
        other = pd.Series([4, 5, 6, 8], index=list("abdc"))
        with pytest.raises(ValueError, match=f"{size} must have the labels of y"):
            function(y, other)

    @BOTH
    def test_questions(self, function, size):
        fit = function()
        for bad in (-1, np.nan, "a", [1, 2, 3], 0):
            with pytest.raises(ValueError, match=size):
                fit.predict([0, 1], bad)
        with pytest.raises(ValueError, match="q must"):
            fit.quantile("tau", 2)
        with pytest.raises(ValueError, match="x must"):
            fit.cdf("theta", np.nan)


@BOTH
def test_labels_come_from_the_data(function, size):
    y = pd.Series([1, 2, 3, 5], index=pd.Index(list("abcd"), name="school"))
    for given_y in (y, xr.DataArray(y)):
        fit = function(given_y)
        assert fit.mean("theta").sel(school="b").ndim == 0


@BOTH
def test_outside_the_support(function, size):
    fit = function()
    assert fit.cdf("theta", -1).values.tolist() == [0] * 4
    assert fit.density("theta", -1).values.tolist() == [0] * 4
    assert fit.cdf("tau", [-1, 0]).values.tolist() == [0, 0]
    assert fit.cdf("tau", 1e9) == pytest.approx(1, abs=1e-9)
    assert fit.density("tau", -1) == 0
    ends = fit.quantile("theta", [0, 1]).values
    assert ends[0].tolist() == [0] * 4
    assert ends[1].tolist() == [1 if size == "n" else np.inf] * 4
