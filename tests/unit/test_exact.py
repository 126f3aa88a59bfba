"""The exact posterior of the normal hierarchy, against brute force and print."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest
from scipy import integrate, sparse, stats

import dense_integrals
from pooling import exact
from pooling.exact import _normal

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # What other tests left open is found here by chance, and is not about this module.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

Y = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])
SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
FLAT = {"mu_prior": None, "tau_prior": None}


class LogDensity:
    """A prior that is nothing but a function."""

    def __init__(self, logpdf):
        self.logpdf = logpdf


def brute_force(y, sigma, mu_prior, tau_prior):
    problem = dense_integrals.known_errors(y, sigma, mu_prior, tau_prior)
    return dense_integrals.integrals(problem)[0]


def agree(fit, expected, rtol=1e-6):
    for name, (mean, sd) in expected.items():
        assert np.asarray(fit.sd(name)) == pytest.approx(np.asarray(sd), rel=rtol), name
        gap = np.abs(np.asarray(fit.mean(name)) - np.asarray(mean))
        assert np.all(gap <= rtol * np.asarray(sd)), name


@st.composite
def problems(draw):
    groups = draw(st.integers(1, 6))
    scale = 10.0 ** draw(st.integers(-6, 6))
    unit = st.floats(-3, 3)
    sigma = scale * np.exp(draw(st.lists(unit, min_size=groups, max_size=groups)))
    y = scale * np.array(
        draw(st.lists(st.floats(-20, 20), min_size=groups, max_size=groups))
    )
    mu_prior = draw(st.sampled_from([None, stats.norm(scale, 3 * scale)]))
    tau_priors = [
        stats.halfnorm(scale=3 * scale),
        stats.halfnorm(scale=0.1 * scale),
        stats.gamma(2, scale=scale),
        stats.expon(scale=scale),
    ]
    if groups - (mu_prior is None) >= 4:
        tau_priors += [None, stats.halfcauchy(scale=scale)]
    return y, sigma, mu_prior, draw(st.sampled_from(tau_priors))


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(problems())
def test_agrees_with_brute_force(problem):
    y, sigma, mu_prior, tau_prior = problem
    fit = exact.normal_hierarchy(y, sigma, mu_prior=mu_prior, tau_prior=tau_prior)
    agree(fit, brute_force(y, sigma, mu_prior, tau_prior))


def test_agrees_with_an_integral_over_mu_and_tau():
    """Nothing integrated by hand but theta: a grid of (mu, log tau)."""
    y, sigma = Y[:3], SIGMA[:3]
    mu_prior, tau_prior = stats.norm(3, 8), stats.halfnorm(scale=6)
    mu, width = np.linspace(-80, 80, 801, retstep=True)
    log_tau, step = np.linspace(-24, 5, 801, retstep=True)
    tau = np.exp(log_tau)
    joint = mu_prior.logpdf(mu)[:, None] + tau_prior.logpdf(tau) + log_tau
    for estimate, error in zip(y, sigma, strict=True):
        joint = joint + stats.norm.logpdf(estimate, mu[:, None], np.hypot(error, tau))
    joint = np.exp(joint) * width * step
    total = joint.sum()
    fit = exact.normal_hierarchy(y, sigma, mu_prior=mu_prior, tau_prior=tau_prior)
    assert fit.log_evidence == pytest.approx(np.log(total), abs=1e-8)
    assert np.asarray(fit.mean("mu")) == pytest.approx(
        (joint.sum(axis=1) @ mu) / total, rel=1e-8
    )
    assert np.asarray(fit.mean("tau")) == pytest.approx(
        (joint.sum(axis=0) @ tau) / total, rel=1e-8
    )


class TestEightSchools:
    """Against published results (BDA3 section 5.5) and quadrature done elsewhere."""

    fit = exact.normal_hierarchy(Y, SIGMA)

    def test_tau(self):
        assert np.asarray(self.fit.mean("tau")) == pytest.approx(6.58, abs=0.005)
        assert np.asarray(self.fit.sd("tau")) == pytest.approx(5.65, abs=0.005)
        assert np.asarray(
            self.fit.quantile("tau", [0.025, 0.5, 0.975])
        ) == pytest.approx([0.24, 5.24, 20.75], abs=0.005)

    def test_mu(self):
        assert np.asarray(self.fit.mean("mu")) == pytest.approx(7.93, abs=0.005)
        assert np.asarray(self.fit.sd("mu")) == pytest.approx(5.18, abs=0.005)

    def test_theta(self):
        mean = [11.40, 7.89, 6.13, 7.64, 5.13, 6.14, 10.67, 8.46]
        sd = [8.34, 6.27, 7.77, 6.55, 6.36, 6.71, 6.79, 7.89]
        assert np.asarray(self.fit.mean("theta")) == pytest.approx(mean, abs=0.005)
        assert np.asarray(self.fit.sd("theta")) == pytest.approx(sd, abs=0.005)

    def test_quantiles_of_theta(self):
        upper = self.fit.quantile("theta", 0.975)
        assert upper.values[[5, 7]] == pytest.approx([18.6, 25.6], abs=0.05)

    def test_given_tau(self):
        mean = [9.87, 7.88, 6.89, 7.71, 5.76, 6.68, 9.88, 8.15]
        assert np.asarray(self.fit.given_tau(5).theta_mean) == pytest.approx(
            mean, abs=0.005
        )

    def test_complete_pooling_at_zero(self):
        given = self.fit.given_tau(0)
        assert np.asarray(given.theta_mean) == pytest.approx(
            np.full(8, 7.69), abs=0.005
        )
        assert given.mu_sd == pytest.approx(4.07, abs=0.005)

    def test_largest_effect(self):
        draws = self.fit.sample(100_000, np.random.default_rng(1))
        share = float((draws.theta.max("group") > 28.4).mean())
        assert share == pytest.approx(
            0.069, abs=4 * np.sqrt(0.069 * 0.931 / 1e5) + 0.0005
        )


class TestLimits:
    def test_tight_prior_at_zero_pools_completely(self):
        fit = exact.normal_hierarchy(Y, SIGMA, tau_prior=stats.halfnorm(scale=1e-6))
        agree(fit, {"theta": (7.685616724956, np.full(8, 4.071919158402))})

    def test_tau_far_away_pools_nothing(self):
        fit = exact.normal_hierarchy(Y, SIGMA, tau_prior=stats.uniform(1e7, 1e7))
        agree(fit, {"theta": (Y, SIGMA)})

    def test_useless_data_leave_the_priors(self):
        prior = {"mu_prior": stats.norm(3, 2), "tau_prior": stats.halfnorm(scale=4)}
        fit = exact.normal_hierarchy(Y, SIGMA * 1e8, **prior)
        agree(
            fit,
            {
                "mu": (3, 2),
                "tau": (stats.halfnorm.mean(scale=4), stats.halfnorm.std(scale=4)),
            },
        )
        assert np.asarray(fit.sd("theta")) == pytest.approx(
            np.full(8, np.sqrt(4 + 16)), rel=1e-6
        )

    def test_one_useless_group_does_not_matter(self):
        short = exact.normal_hierarchy(Y[:5], SIGMA[:5])
        long = exact.normal_hierarchy([*Y[:5], 3.0], [*SIGMA[:5], 1e9])
        # Under a flat mu a group without information changes nothing.
        agree(long, {n: (short.mean(n), short.sd(n)) for n in ("mu", "tau")})

    def test_one_group_under_a_flat_mu_keeps_its_prior_of_tau(self):
        fit = exact.normal_hierarchy([3.0], [2.0], tau_prior=stats.gamma(3, scale=2))
        agree(fit, {"tau": (6, np.sqrt(12)), "theta": ([3.0], [2.0])})

    def test_one_group_under_a_normal_mu(self):
        args = [3.0], [2.0], stats.norm(0, 5), stats.halfnorm(scale=2)
        fit = exact.normal_hierarchy(*args[:2], mu_prior=args[2], tau_prior=args[3])
        agree(fit, brute_force(*args))

    def test_equal_estimates(self):
        args = np.full(6, 2.0), np.ones(6), None, None
        agree(exact.normal_hierarchy(*args[:2]), brute_force(*args))

    def test_very_unequal_errors(self):
        args = [1.0, 2, 3, 5, 2.5, 9], [1e-3, 1, 1e3, 3, 0.1, 30], None, None
        agree(exact.normal_hierarchy(*args[:2]), brute_force(*args))


class TestManyGroups:
    @pytest.mark.parametrize("tau", [0, 0.02, 0.3])
    def test_ten_thousand(self, tau):
        """Equal errors: the likelihood of tau is that of a variance, in closed form."""
        groups, rng = 10_000, np.random.default_rng(3)
        y = rng.normal(0, np.hypot(1, tau), groups)
        fit = exact.normal_hierarchy(y, np.ones(groups))
        s = np.sum((y - y.mean()) ** 2)
        grid = np.linspace(0, 1, 400_001)
        v = 1 + grid**2
        log_p = -(groups - 1) / 2 * np.log(v) - s / v / 2
        p = np.exp(log_p - log_p.max())
        p /= integrate.simpson(p, x=grid)
        mean = integrate.simpson(p * grid, x=grid)
        sd = np.sqrt(integrate.simpson(p * (grid - mean) ** 2, x=grid))
        assert np.asarray(fit.mean("tau")) == pytest.approx(mean, rel=1e-6)
        assert np.asarray(fit.sd("tau")) == pytest.approx(sd, rel=1e-6)
        pull = integrate.simpson(p / v, x=grid)
        expected = y + pull * (y.mean() - y)
        assert np.allclose(fit.mean("theta"), expected, rtol=0, atol=1e-8)

    def test_interpolation_in_the_standard_errors_changes_nothing(self, monkeypatch):
        rng = np.random.default_rng(31)
        sigma = np.exp(rng.normal(0, 1.5, 4000))
        y = 100 + rng.normal(0, np.hypot(sigma, 0.7))
        y[:3] += [40, -300, 1e4]
        fits = []
        for groups in (4, 10**9):
            monkeypatch.setattr(_normal, "_GROUPS_A_NODE", groups)
            fits.append(exact.normal_hierarchy(y, sigma))
        fast, plain = fits
        assert fast._data.sums is not None and plain._data.sums is None
        for name in ("mu", "tau", "theta"):
            for ask in (exact.NormalHierarchy.mean, exact.NormalHierarchy.sd):
                np.testing.assert_allclose(ask(fast, name), ask(plain, name), rtol=1e-9)

    def test_far_from_zero_and_tiny(self):
        rng = np.random.default_rng(4)
        z = rng.normal(size=5000) * 1.5
        fit = exact.normal_hierarchy(1e-6 * z, np.full(5000, 1e-6))
        unit = exact.normal_hierarchy(z, np.ones(5000))
        assert np.asarray(fit.mean("tau")) == pytest.approx(
            1e-6 * unit.mean("tau"), rel=1e-9
        )
        assert np.asarray(fit.sd("tau")) == pytest.approx(
            1e-6 * unit.sd("tau"), rel=1e-9
        )


class TestHeavyTails:
    @pytest.mark.parametrize(
        ("groups", "mean_is_finite", "sd_is_finite"),
        [(3, False, False), (4, True, False), (5, True, True)],
    )
    def test_flat_tau(self, groups, mean_is_finite, sd_is_finite):
        fit = exact.normal_hierarchy(Y[:groups], SIGMA[:groups])
        assert np.isfinite(fit.mean("tau")) == mean_is_finite
        assert np.isfinite(fit.mean("mu")) == mean_is_finite
        assert np.isfinite(fit.sd("tau")) == sd_is_finite
        assert np.isfinite(fit.sd("mu")) == sd_is_finite
        assert np.isfinite(fit.sd("theta")).all()
        assert fit.cdf("tau", fit.quantile("tau", 0.9)) == pytest.approx(0.9, abs=1e-9)

    def test_normal_mu_stays_finite(self):
        fit = exact.normal_hierarchy(Y[:2], SIGMA[:2], mu_prior=stats.norm(0, 10))
        assert fit.mean("tau") == np.inf
        assert fit.sd("mu") < 10

    def test_half_cauchy(self):
        """Three groups: the density falls as tau**-4, so the sd is finite, barely."""
        args = Y[:3], SIGMA[:3], None, stats.halfcauchy(scale=5)
        agree(exact.normal_hierarchy(*args[:2], tau_prior=args[3]), brute_force(*args))

    def test_inverse_gamma_on_the_variance(self):
        def logpdf(tau):
            return np.log(2 * tau) + stats.invgamma(0.01, scale=0.01).logpdf(tau**2)

        args = Y, SIGMA, None, LogDensity(logpdf)
        agree(exact.normal_hierarchy(*args[:2], tau_prior=args[3]), brute_force(*args))

    def test_a_finite_moment_too_far_out(self):
        """Three groups: E tau**2 is finite, but only just; nothing else minds."""

        def logpdf(tau):
            return np.log(2 * tau) + stats.invgamma(1e-3, scale=1e-3).logpdf(tau**2)

        fit = exact.normal_hierarchy(Y[:3], SIGMA[:3], tau_prior=LogDensity(logpdf))
        assert 0 < fit.mean("tau") < 10
        assert fit.cdf("mu", fit.quantile("mu", 0.2)) == pytest.approx(0.2)
        with pytest.raises(ValueError, match="tau_prior .* too long to integrate"):
            fit.sd("tau")


class TestPriors:
    def test_uniform_is_flat_up_to_its_end(self):
        cut = exact.normal_hierarchy(Y, SIGMA, tau_prior=stats.uniform(0, 10))
        flat = exact.normal_hierarchy(Y, SIGMA)
        share = flat.cdf("tau", 4.0) / flat.cdf("tau", 10.0)
        assert np.asarray(cut.cdf("tau", 4.0)) == pytest.approx(share, rel=1e-8)
        assert np.asarray(cut.cdf("tau", [10.0, 11.0])) == pytest.approx([1, 1])
        assert cut.quantile("tau", 1) == 10

    def test_a_jump_that_nothing_announces(self):
        told = exact.normal_hierarchy(Y, SIGMA, tau_prior=stats.uniform(0, 10))
        jump = LogDensity(lambda tau: np.where(tau < 10, 0.0, -np.inf))
        found = exact.normal_hierarchy(Y, SIGMA, tau_prior=jump)
        agree(found, {n: (told.mean(n), told.sd(n)) for n in ("mu", "tau", "theta")})

    @pytest.mark.parametrize(("at", "width"), [(3, 1e-9), (1e6, 1e-3), (1e-6, 1e-12)])
    def test_a_spike_fixes_tau(self, at, width):
        fit = exact.normal_hierarchy(Y, SIGMA, tau_prior=stats.norm(at, width))
        given = fit.given_tau(at)
        assert fit.mean("tau") == pytest.approx(at, rel=1e-9)
        agree(fit, {"theta": (given.theta_mean, given.theta_sd)})

    def test_a_prior_too_rough_for_the_quadrature_is_named(self):
        rough = LogDensity(lambda tau: np.where(np.sin(1e12 * tau) > 0, -tau, -np.inf))
        with pytest.raises(ValueError, match="tau_prior can't be integrated over"):
            exact.normal_hierarchy(Y, SIGMA, tau_prior=rough)

    def test_narrow_uniform(self):
        fit = exact.normal_hierarchy(Y, SIGMA, tau_prior=stats.uniform(3, 1e-3))
        agree(fit, {"theta": (fit.given_tau(3.0005).theta_mean, fit.sd("theta"))}, 1e-5)

    def test_a_distribution_on_the_whole_line_is_cut_off_at_zero(self):
        prior = {"mu_prior": stats.norm(0, 20)}
        whole = exact.normal_hierarchy(Y, SIGMA, tau_prior=stats.cauchy(0, 5), **prior)
        half = exact.normal_hierarchy(
            Y, SIGMA, tau_prior=stats.halfcauchy(0, 5), **prior
        )
        assert whole.log_evidence == pytest.approx(half.log_evidence, abs=1e-9)
        assert np.asarray(whole.mean("tau")) == pytest.approx(
            half.mean("tau"), rel=1e-9
        )

    def test_density_that_is_infinite_at_its_end(self):
        fit = exact.normal_hierarchy(Y, SIGMA, tau_prior=stats.beta(0.5, 0.5, scale=20))
        assert 0 < fit.mean("tau") < 20

    def test_positional_loc_and_scale(self):
        by_name = exact.normal_hierarchy(Y, SIGMA, mu_prior=stats.norm(loc=1, scale=3))
        by_place = exact.normal_hierarchy(Y, SIGMA, mu_prior=stats.norm(1, 3))
        assert by_name.mean("mu") == by_place.mean("mu")

    @pytest.mark.parametrize(
        ("groups", "priors"),
        [
            (1, FLAT),
            (2, FLAT),
            (1, {"mu_prior": stats.norm(0, 10), "tau_prior": None}),
            (8, {"tau_prior": LogDensity(lambda tau: -np.log(tau))}),
            (8, {"tau_prior": LogDensity(lambda tau: 8 * np.log(tau))}),
        ],
    )
    def test_improper_posteriors(self, groups, priors):
        with pytest.raises(ValueError, match="tau_prior makes the posterior improper"):
            exact.normal_hierarchy(Y[:groups], SIGMA[:groups], **priors)

    @pytest.mark.parametrize("mu_prior", [None, stats.norm(0, 10)])
    def test_no_evidence_without_proper_priors(self, mu_prior):
        fit = exact.normal_hierarchy(Y, SIGMA, mu_prior=mu_prior)
        with pytest.raises(ValueError, match="log_evidence needs proper priors"):
            _ = fit.log_evidence

    def test_evidence_changes_with_the_unit(self):
        def evidence(unit):
            return exact.normal_hierarchy(
                Y * unit,
                SIGMA * unit,
                mu_prior=stats.norm(0, 10 * unit),
                tau_prior=stats.halfnorm(0, 5 * unit),
            ).log_evidence

        assert evidence(1e3) == pytest.approx(evidence(1) - 8 * np.log(1e3), abs=1e-9)


class TestInvariances:
    fit = exact.normal_hierarchy(Y, SIGMA)

    def test_shift(self):
        far = exact.normal_hierarchy(Y + 1000, SIGMA)
        expected = {
            n: (self.fit.mean(n) + 1000, self.fit.sd(n)) for n in ("mu", "theta")
        }
        agree(
            far, expected | {"tau": (self.fit.mean("tau"), self.fit.sd("tau"))}, 1e-10
        )

    @pytest.mark.parametrize("scale", [1e-6, 1e6])
    def test_scale(self, scale):
        scaled = exact.normal_hierarchy(Y * scale, SIGMA * scale)
        for name in ("mu", "tau", "theta"):
            assert np.asarray(scaled.mean(name)) == pytest.approx(
                scale * self.fit.mean(name), rel=1e-10
            )
            assert np.asarray(scaled.sd(name)) == pytest.approx(
                scale * self.fit.sd(name), rel=1e-10
            )

    def test_order(self):
        order = np.random.default_rng(2).permutation(8)
        shuffled = exact.normal_hierarchy(Y[order], SIGMA[order])
        assert np.asarray(shuffled.mean("theta")) == pytest.approx(
            self.fit.mean("theta")[order], rel=1e-12
        )

    @pytest.mark.slow
    def test_replications_equal_a_loop(self):
        rng = np.random.default_rng(5)
        y = rng.normal(Y, SIGMA, size=(2, 300, 8))
        sigma = SIGMA * np.exp(rng.normal(size=(2, 300, 8)))
        together = exact.normal_hierarchy(y, sigma)
        for i in ((0, 0), (1, 7), (1, 299)):
            alone = exact.normal_hierarchy(y[i], sigma[i])
            at = dict(zip(("replication_0", "replication_1"), i, strict=True))
            for name in ("mu", "tau", "theta"):
                for ask, rtol in (
                    (lambda fit, n: fit.mean(n), 1e-9),
                    (lambda fit, n: fit.sd(n), 1e-9),
                    (lambda fit, n: fit.quantile(n, [0.1, 0.9]), 1e-8),
                ):
                    np.testing.assert_allclose(
                        ask(together, name).isel(at), ask(alone, name), rtol
                    )


class TestResults:
    fit = exact.normal_hierarchy(Y, SIGMA, coords={"where": list("ABCDEFGH")})

    @pytest.mark.parametrize("name", ["mu", "tau", "theta"])
    def test_cdf_undoes_quantile(self, name):
        q = np.array([1e-6, 0.01, 0.3, 0.5, 0.99, 1 - 1e-6])
        x = self.fit.quantile(name, q)
        p = self.fit.cdf(name, x)
        assert np.abs(p - q.reshape(q.shape + (1,) * (p.ndim - 1))).max() < 1e-9

    def test_quantiles_at_the_ends(self):
        assert self.fit.quantile("tau", [0, 1]).values.tolist() == [0, np.inf]
        assert self.fit.quantile("mu", [0, 1]).values.tolist() == [-np.inf, np.inf]

    def test_density_is_that_of_the_distribution_function(self):
        grid = np.linspace(0, 30, 3001)
        density = self.fit.density("tau", grid)
        mass = integrate.cumulative_simpson(density, x=grid, initial=0)
        assert np.asarray(mass) == pytest.approx(self.fit.cdf("tau", grid), abs=1e-9)

    def test_tau_is_not_negative(self):
        assert self.fit.density("tau", [-2.0, -1e-9]).values.tolist() == [0, 0]
        assert self.fit.cdf("tau", [-2.0, 0.0]).values.tolist() == [0, 0]

    def test_given_tau_averages_to_the_posterior(self):
        tau = (np.arange(200_000) + 0.5) * 0.001
        weight = self.fit.density("tau", tau) * 0.001
        mean = weight.values @ self.fit.given_tau(tau).theta_mean.values
        assert mean == pytest.approx(self.fit.mean("theta"), rel=1e-5)

    def test_draws_agree(self):
        draws = self.fit.sample(40_000, np.random.default_rng(6))
        assert draws.theta.dims == ("sample", "where")
        assert draws["where"].values.tolist() == list("ABCDEFGH")
        for name in ("mu", "tau", "theta"):
            mean, sd = (
                draws[name].mean("sample").values,
                draws[name].std("sample").values,
            )
            assert np.all(
                np.abs(mean - self.fit.mean(name)) < 4.5 * self.fit.sd(name) / 200
            )
            assert sd == pytest.approx(self.fit.sd(name), rel=0.03)
            upper = self.fit.quantile(name, 0.95)
            assert (draws[name] <= upper).mean("sample").values == pytest.approx(
                0.95, abs=4.5 * np.sqrt(0.95 * 0.05 / 40_000)
            )

    def test_draws_repeat_with_the_seed(self):
        first, second = (self.fit.sample(5, np.random.default_rng(7)) for _ in range(2))
        assert first.equals(second)

    def test_shapes(self):
        fit = exact.normal_hierarchy(np.zeros((2, 3, 8)), SIGMA)
        assert fit.mean("mu").shape == fit.sd("tau").shape == (2, 3)
        assert fit.mean("theta").shape == (2, 3, 8)
        assert fit.quantile("theta", [0.1, 0.5]).shape == (2, 2, 3, 8)
        assert fit.quantile("tau", 0.5).shape == (2, 3)
        assert fit.cdf("theta", np.zeros((4, 1, 1, 1))).shape == (4, 2, 3, 8)
        assert fit.density("tau", [[[1.0]], [[2.0]]]).shape == (2, 2, 3)
        assert fit.given_tau([1.0, 2.0]).theta_sd.shape == (2, 3, 2, 8)
        assert fit.given_tau(1.0).mu_sd.shape == (2, 3)
        draws = fit.sample(4, np.random.default_rng(8))
        assert draws.theta.dims == (
            "sample",
            "replication_0",
            "replication_1",
            "group",
        )
        assert draws.theta.shape == (4, 2, 3, 8)
        assert (
            np.ndim(self.fit.mean("mu")) == np.ndim(self.fit.quantile("tau", 0.5)) == 0
        )


class TestBadInput:
    @pytest.mark.parametrize(
        ("y", "sigma", "named"),
        [
            ([1, np.nan, 3], [1, 1, 1], r"y must be finite, but y\[1\] is nan"),
            ([1, np.inf, 3], [1, 1, 1], r"y\[1\] is inf"),
            ([[1, 2, 3], [1, 2, np.nan]], [1, 1, 1], r"y\[1, 2\] is nan"),
            ([1, 2, 3], [1, 0, 1], r"sigma must be above zero, but sigma\[1\] is 0"),
            ([1, 2, 3], [1, -2, 1], r"sigma\[1\] is -2"),
            ([1, 2, 3], [1, np.nan, 1], r"sigma\[1\] is nan"),
            ([1, 2, 3], [1, 1], "y has 3 and sigma has 2"),
            (np.ones((2, 3)), np.ones((3, 3)), "sigma must have shape"),
            (["1", "2", "3"], [1, 1, 1], "y must be real numbers"),
            ([1, 2, 3], ["a", "b", "c"], "sigma must be real numbers"),
            ([1, None, 3], [1, 1, 1], "y must be"),
            ([1, 2j, 3], [1, 1, 1], "y must be real numbers"),
            ([[1, 2], [3]], [1, 1], "y must be a rectangular array"),
            ([], [], "y must not be empty"),
            (3.0, 1.0, "y must have at least 1 dimension"),
            (np.ma.array([1, 2, 3], mask=[1, 0, 0]), [1, 1, 1], "y must have no mask"),
            (pd.array([1, None, 3], dtype="Int64"), [1, 1, 1], r"y\[1\] is nan"),
            (pd.date_range("2026", periods=3), [1, 1, 1], "y must be real numbers"),
            (sparse.csr_array([[1, 2, 3]]), [1, 1, 1], "y must be real numbers"),
            (pd.DataFrame({"y": [1, "b"]}), [1], "y must be real numbers"),
            ([1, 2, 3e200], [1, 1, 1], "y must not exceed sigma by"),
            ([1, 2, 3], [1, 1, 1e-200], "sigma must lie between 1e-100 and"),
            ([1e40, 2, 3], [1, 1, 1e-40], "y must not exceed sigma by"),
        ],
    )
    def test_data(self, y, sigma, named):
        with pytest.raises(ValueError, match=named):
            exact.normal_hierarchy(y, sigma)

    @pytest.mark.parametrize(
        ("priors", "named"),
        [
            (
                {"mu_prior": stats.cauchy(0, 5)},
                "mu_prior must be None .flat. or a frozen",
            ),
            ({"mu_prior": stats.norm}, "mu_prior must be"),
            ({"mu_prior": 3}, "mu_prior must be"),
            ({"mu_prior": stats.norm(0, -1)}, "scale of mu_prior"),
            ({"mu_prior": stats.norm(np.nan, 1)}, "loc of mu_prior"),
            ({"mu_prior": stats.norm([0, 1], 1)}, "mu_prior must have one loc"),
            ({"tau_prior": 5}, "tau_prior must be None .flat. or have a method logpdf"),
            ({"tau_prior": stats.uniform(-5, 2)}, "tau_prior has no density"),
            ({"tau_prior": LogDensity(lambda t: np.where(t > 5, np.nan, -t))}, "nan"),
            ({"tau_prior": LogDensity(lambda t: np.zeros(3))}, "tau_prior"),
            ({"tau_prior": LogDensity(lambda t: "a")}, "tau_prior.logpdf must return"),
            ({"tau_prior": LogDensity(lambda t: t + 0j)}, "tau_prior.logpdf must"),
            ({"tau_prior": LogDensity(lambda t: 1 / 0)}, "tau_prior.logpdf must"),
            ({"tau_prior": LogDensity(lambda t: t * np.nan)}, "tau_prior has no"),
            ({"tau_prior": stats.halfnorm(scale=[1, 2])}, "tau_prior must be one"),
            ({"tau_prior": stats.poisson(3)}, "tau_prior must be None"),
            ({"tau_prior": stats.uniform(1, 0)}, "tau_prior must be one"),
            ({"mu_prior": stats.norm(0, 1e-200)}, "scale of mu_prior must lie"),
            ({"mu_prior": stats.norm(1e200, 1)}, "loc of mu_prior must lie"),
            ({"coords": {"school": ["A"]}}, r"coords\['school'\] must have 8 labels"),
            ({"coords": ["A"] * 8}, "coords must map one dimension"),
            ({"coords": {"a": list("ABCDEFGH"), "b": [1]}}, "coords must map one"),
        ],
    )
    def test_options(self, priors, named):
        with pytest.raises(ValueError, match=named):
            exact.normal_hierarchy(Y, SIGMA, **priors)

    @pytest.mark.parametrize(
        ("ask", "named"),
        [
            (lambda fit: fit.mean("sigma"), "name must be one of 'mu', 'tau', 'theta'"),
            (lambda fit: fit.sd(["mu"]), "name must be one of"),
            (
                lambda fit: fit.quantile("mu", 1.5),
                "q must lie between 0 and 1, but q is 1.5",
            ),
            (lambda fit: fit.quantile("mu", [0.5, -0.1]), r"q\[1\] is -0.1"),
            (lambda fit: fit.quantile("mu", np.nan), "q must be finite"),
            (
                lambda fit: fit.cdf("theta", [1.0, 2.0]),
                "x must broadcast against theta",
            ),
            (lambda fit: fit.cdf("tau", "a"), "x must be real numbers"),
            (lambda fit: fit.given_tau(-1), "tau must not be negative, but tau is -1"),
            (lambda fit: fit.given_tau([[1.0]]), "tau must be a number or"),
            (lambda fit: fit.density("tau", [1, np.nan]), r"x\[1\] is nan"),
            (
                lambda fit: fit.sample(0, np.random.default_rng(1)),
                "draws must be at least 1",
            ),
            (
                lambda fit: fit.sample(2.5, np.random.default_rng(1)),
                "draws must be a whole",
            ),
            (lambda fit: fit.sample(10, 1), "rng must be a numpy.random.Generator"),
        ],
    )
    def test_questions(self, ask, named):
        with pytest.raises(ValueError, match=named):
            ask(TestEightSchools.fit)
