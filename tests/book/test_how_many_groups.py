"""The chapter on designs against closed forms, noncentral t and adaptive integrals.

The chapter draws its studies, or sums over a grid of tau; here the scatter of groups
is integrated over by ``scipy.integrate``, and so is tau.
"""

from functools import cache

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from pooling import exact

CHAPTER = "pooling/how-many-groups"
EFFECT = 0.3
NAMES = {4: 50, 20: 10, 100: 2}


@pytest.fixture(scope="module")
def rho(value):
    return value["groups-rho"]


def tau_posterior(S, df, noise, scale=0.5):
    """The density of tau, up to a factor, that makes its integral about one."""

    def log_p(tau):
        v = tau**2 + noise
        return -0.5 * (df * np.log(v) + S / v + (tau / scale) ** 2)

    top = log_p(np.linspace(0, 6 * scale, 2000)).max()
    return lambda tau: np.exp(log_p(tau) - top)


def over_tau(function, S, df, noise):
    """The posterior mean of a function of tau."""
    p = tau_posterior(S, df, noise)
    total, _ = integrate.quad(p, 0, 4, limit=200)
    part, _ = integrate.quad(lambda t: function(t) * p(t), 0, 4, limit=200)
    return part / total


def over_scatter(function, df, points=24):
    """The mean of a function of a chi-squared variable, by Gauss and Legendre."""
    x, w = np.polynomial.legendre.leggauss(points)
    level = (x + 1) / 2
    return sum(
        a / 2 * function(stats.chi2.ppf(q, df)) for q, a in zip(level, w, strict=True)
    )


def power_of_t(df, effect, sd):
    cut, away = stats.t.ppf(0.975, df), stats.nct(df, effect / sd)
    return 100 * (away.sf(cut) + away.cdf(-cut))


@cache
def complete(J, n, rho, effect):
    """Claims of complete pooling, in per cent, when whole schools are treated."""
    N, within = J * n, 1 - rho
    sd = np.sqrt(4 * (rho + within / n) / J)

    def claims(x):
        def given(z):
            rss = (n * rho + within) * x + within * z
            cut = 1.96 * np.sqrt(rss / (N - 2) * 4 / N)
            return stats.norm.sf((cut - effect) / sd) + stats.norm.cdf(
                (-cut - effect) / sd
            )

        return over_scatter(given, N - J)

    return 100 * over_scatter(claims, J - 2, 60)


@cache
def partial(df, noise, scatter, rate, effect):
    """Claims of partial pooling, in per cent; the cut is found for each scatter."""
    sd = np.sqrt(scatter * rate)

    def claims(x):
        S = scatter * x

        def short(d):
            sure = over_tau(
                lambda t: stats.norm.cdf(d / np.sqrt((t**2 + noise) * rate)),
                S, df, noise,
            )
            return sure - 0.975

        cut = optimize.brentq(short, 0.01, 5, xtol=1e-6)
        return stats.norm.sf((cut - effect) / sd) + stats.norm.cdf((-cut - effect) / sd)

    return 100 * over_scatter(claims, df, 20)


def test_the_fit_is_sound(fits):
    (fit,) = fits(CHAPTER)
    assert not fit["failures"] and not fit["expect"]


def test_the_planning_values(value):
    """lme4 1.1-31, REML: the null models give 0.180 and 0.131 for rho."""
    assert value["groups-rho"] == pytest.approx(0.18)
    assert value["groups-rho-radon"] == pytest.approx(0.131, abs=0.01)
    assert value["groups-tau"] ** 2 + value["groups-sigma"] ** 2 == pytest.approx(1)
    assert value["groups-worth"] == pytest.approx(1 / 0.18)


def test_grid_and_draws_agree_with_the_exact_posterior(numbers, close):
    assert numbers["groups-one-gap"]["value"] < 1e-6
    close(numbers["groups-one-draws"], numbers["groups-one-unknown"]["value"])
    exact_mean = numbers["groups-one-unknown"]["value"]
    assert numbers["groups-one-grid"]["value"] == pytest.approx(exact_mean, abs=2e-4)


DESIGNS = [(4, "mu"), (200, "mu"), (4, "theta"), (200, "theta"), (2, "tau"),
           (20, "tau"), (40, "tau"), (50, "tau"), (200, "tau")]


@pytest.mark.parametrize("J,name", DESIGNS)
def test_expected_sds_if_sigma_were_known(J, name, numbers, close, rho):
    n = 200 // J
    noise = (1 - rho) / n

    def sd(x):
        S = (rho + noise) * x

        def mean(f):
            return over_tau(f, S, J - 1, noise)

        if name == "mu":
            return mean(lambda t: (t**2 + noise) / J) ** 0.5
        if name == "tau":
            first = mean(lambda t: t)
            return mean(lambda t: (t - first) ** 2) ** 0.5
        B = mean(lambda t: noise / (t**2 + noise))
        return mean(
            lambda t: (1 - noise / (t**2 + noise)) * noise
            + noise**2 / (t**2 + noise) / J
            + (noise / (t**2 + noise) - B) ** 2 * S / J
        ) ** 0.5

    close(numbers[f"groups-sd-known-{name}-{J}"], over_scatter(sd, J - 1),
          rounding=5e-4)


def study_with_unknown_sigma(S, W, J, n):
    """Posterior sds of mu, a theta and tau, by the rule of Gauss and Legendre."""
    (x, a), (z, b) = (np.polynomial.legendre.leggauss(k) for k in (90, 140))
    t, s = 1.5 * (1 + x)[:, None], 1 + z
    noise = s**2 / n
    v = t**2 + noise
    log_p = (-2 * t**2 - s**2 / 8 - (J - 1) / 2 * np.log(v) - S / (2 * v)
             - J * (n - 1) * np.log(s) - W / (2 * s**2))
    p = np.exp(log_p - log_p.max()) * a[:, None] * b
    p /= p.sum()
    B = noise / v
    of_theta = (np.sum(p * ((1 - B) * noise + B**2 * v / J))
                + np.sum(p * (B - np.sum(p * B)) ** 2) * S / J)
    first = np.sum(p * t)
    of_tau = np.sum(p * (t - first) ** 2)
    return np.sqrt([np.sum(p * v) / J, of_theta, of_tau])


@pytest.mark.parametrize("J", [2, 4, 20, 40, 50, 200])
def test_expected_sds(J, numbers, close, rho):
    n = 200 // J
    scatter = rho + (1 - rho) / n

    def given(x):
        def sds(w):
            return study_with_unknown_sigma(scatter * x, (1 - rho) * w, J, n)

        return over_scatter(sds, J * (n - 1), 6) if n > 1 else sds(0.0)

    found = dict(zip(("mu", "theta", "tau"), over_scatter(given, J - 1)))
    for name, sd in found.items():
        if (J, name) in DESIGNS:
            close(numbers[f"groups-sd-{name}-{J}"], sd, rounding=1e-3)


def test_one_study_of_the_exact_posterior_of_pupils():
    """The formula for a theta, on scores: the mean variance over the schools."""
    rng = np.random.default_rng(4)
    J, n = 12, 5
    y = rng.normal(0, 0.4, (J, 1)) + rng.normal(0, 0.9, (J, n))
    school = np.repeat(np.arange(J), n)
    fit = exact.varying_intercepts(
        y.ravel(), school, tau_prior=stats.halfnorm(scale=0.5),
        sigma_prior=stats.halfnorm(scale=2), beta_prior=stats.norm(0, 100))
    S, W = J * y.mean(1).var(), n * y.var(1).sum()
    of_mu, of_theta, of_tau = study_with_unknown_sigma(S, W, J, n)
    assert float(fit.sd("tau")) == pytest.approx(of_tau, rel=1e-3)
    assert float(fit.sd("beta").squeeze()) == pytest.approx(of_mu, rel=1e-3)
    draws = fit.sample(40_000, rng)
    level = draws["beta"].to_numpy().ravel()[:, None] + draws["a"].to_numpy()
    assert level.shape == (40_000, J)
    assert np.sqrt(level.var(axis=0).mean()) == pytest.approx(of_theta, rel=0.01)


def test_one_pupil_for_each_school_says_nothing_of_tau(value):
    """Its sd is nearly that of the prior; with sigma known it would be far below."""
    prior = stats.halfnorm(scale=0.5).std()
    assert value["groups-prior-sd"] == pytest.approx(prior)
    assert value["groups-sd-tau-200"] == pytest.approx(prior, rel=0.03)
    assert value["groups-sd-known-tau-200"] < prior / 2
    assert value["groups-known-gap"] <= 0.005


@pytest.mark.slow
@pytest.mark.parametrize("J,n", NAMES.items())
def test_power_when_whole_groups_are_treated(J, n, numbers, close, rho):
    key, noise = f"groups-b-{J}", (1 - rho) / n
    v = rho + noise
    sd = np.sqrt(4 * v / J)
    close(numbers[f"{key}-means-false"], 5)
    close(numbers[f"{key}-means-power"], power_of_t(J - 2, EFFECT, sd))
    close(numbers[f"{key}-means-at5"], power_of_t(J - 2, EFFECT, sd))
    for what, effect in (("false", 0.0), ("power", EFFECT)):
        close(numbers[f"{key}-complete-{what}"], complete(J, n, rho, effect))
        close(
            numbers[f"{key}-partial-{what}"],
            partial(J - 2, noise, v, 4 / J, effect),
        )


def test_where_four_schools_lose_power(numbers, close, rho):
    """The reason given: few degrees of freedom, and what a prior of tau replaces."""
    sd = np.sqrt(rho + (1 - rho) / 50)
    close(numbers["groups-four-known"], power_of_t(1e6, EFFECT, sd))
    close(numbers["groups-four-t"], power_of_t(2, EFFECT, sd))
    t, flat, half, known = (
        numbers[f"groups-four-{key}"]["value"]
        for key in ("t", "flat", "partial", "known")
    )
    assert t < flat < half < known
    assert numbers["groups-four-estimated"]["value"] == pytest.approx(half, abs=0.3)


def test_the_error_of_a_power_whose_cut_is_estimated(value):
    """Many sets of 10,000 studies, in the design of the largest error."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(400):
        cut = np.quantile(np.abs(rng.standard_normal(10_000)), 0.95)
        found.append(np.mean(np.abs(rng.normal(2.1, 1, 10_000)) > cut))
    assert value["groups-at5-se"] == pytest.approx(100 * np.std(found), rel=0.15)


def test_what_the_tables_say_of_rules_and_designs(value):
    kinds = ("complete", "means", "partial")
    at_5 = {
        J: [value[f"groups-b-{J}-{kind}-at5"] for kind in kinds]
        for J in NAMES
    }
    gaps = [max(row) - min(row) for row in at_5.values()]
    assert value["groups-gap-rules"] == pytest.approx(max(gaps), abs=1e-6)
    assert value["groups-gap-low"] == pytest.approx(max(at_5[4]), abs=1e-6)
    assert value["groups-gap-high"] == pytest.approx(max(at_5[100]), abs=1e-6)
    assert max(gaps) < 7 < 30 < value["groups-gap-high"] - value["groups-gap-low"]
    assert value["groups-false-complete-low"] < 4
    assert value["groups-false-complete-high"] == pytest.approx(
        value["groups-b-4-complete-false"], abs=1e-6
    )


def test_errors_of_sign_and_size(value):
    """More of both where power is lower, for every rule."""
    for kind in ("complete", "means", "partial"):
        for what in ("sign", "more"):
            four, twenty, hundred = (
                value[f"groups-b-{J}-{kind}-{what}"] for J in NAMES
            )
            assert four > twenty > hundred or hundred == twenty == 0
    assert value["groups-prior-20-more"] < value["groups-b-20-partial-more"]
    assert value["groups-prior-20-power"] < value["groups-b-20-partial-power"]
    assert value["groups-prior-20-false"] < 5
    assert value["groups-prior-4-false"] < 0.05 > value["groups-prior-4-power"]
    for key in ("groups-prior-20-sign", "groups-prior-100-sign"):
        assert value[key] < 1
    for key in ("false", "power", "more"):
        assert value[f"groups-prior-100-{key}"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("J,n,sd", [(4, 50, 0), (20, 10, 0), (4, 50, 0.3),
                                    (20, 10, 0.3)])
def test_power_when_every_group_is_split(J, n, sd, numbers, close, rho):
    key = f"groups-w-{J}-{'vary' if sd else 'same'}"
    noise = 4 * (1 - rho) / n
    w = sd**2 + noise
    close(numbers[f"{key}-differences-false"], 5)
    expected = power_of_t(J - 1, EFFECT, np.sqrt(w / J))
    close(numbers[f"{key}-differences-power"], expected)
    close(numbers[f"{key}-differences-at5"], expected)
    for what, effect in (("false", 0.0), ("power", EFFECT)):
        close(
            numbers[f"{key}-partial-{what}"],
            partial(J - 1, noise, w, 1 / J, effect),
        )
    if not sd:
        df = J * n - J - 1
        close(numbers[f"{key}-intercepts-false"], 5)
        expected = power_of_t(df, EFFECT, np.sqrt(w / J))
        close(numbers[f"{key}-intercepts-power"], expected)
        close(numbers[f"{key}-intercepts-at5"], expected)


def test_what_is_said_of_split_groups(value):
    for J in (4, 20):
        for what in ("same", "vary"):
            key = f"groups-w-{J}-{what}"
            at_5 = [
                value[f"{key}-{kind}-at5"]
                for kind in ("complete", "intercepts", "differences", "partial")
            ]
            # Close together with twenty; with four the test of differences is behind.
            if J == 20:
                assert max(at_5) - min(at_5) < 7
            else:
                assert at_5[2] < min(at_5[0], at_5[1], at_5[3])
            assert value[f"{key}-complete-more"] < 1.6
            assert value[f"{key}-intercepts-more"] < 1.6
            assert value[f"{key}-differences-more"] < 1.8
            assert value[f"{key}-partial-more"] < 2
            for kind in ("complete", "intercepts", "differences", "partial"):
                assert value[f"{key}-{kind}-sign"] < 1
    assert value["groups-w-4-vary-intercepts-false"] > 15
    assert value["groups-w-4-vary-complete-false"] > 12
    for J in (4, 20):
        for what in ("false", "power"):
            assert value[f"groups-w-{J}-vary-intercepts-{what}"] > (
                value[f"groups-w-{J}-vary-partial-{what}"]
            )
            assert value[f"groups-w-{J}-vary-complete-{what}"] > (
                value[f"groups-w-{J}-vary-partial-{what}"]
            )
            assert value[f"groups-w-{J}-same-complete-{what}"] < (
                value[f"groups-w-{J}-same-intercepts-{what}"]
            )


def test_widths_of_intervals(value, rho):
    """Those of t have known means; that of complete pooling is too short."""
    for J, n in NAMES.items():
        v = rho + (1 - rho) / n
        mean_chi = stats.chi(J - 2).mean() / np.sqrt(J - 2)
        wide = 2 * stats.t.ppf(0.975, J - 2) * np.sqrt(4 * v / J) * mean_chi
        assert value[f"groups-b-{J}-means-width"] == pytest.approx(wide, rel=0.03)
        assert value[f"groups-b-{J}-complete-width"] < (
            value[f"groups-b-{J}-partial-width"]
        )
        assert value[f"groups-b-{J}-partial-width"] < 1.05 * wide
    for J, n in ((4, 50), (20, 10)):
        for what, sd in (("same", 0), ("vary", 0.3)):
            w = sd**2 + 4 * (1 - rho) / n
            mean_chi = stats.chi(J - 1).mean() / np.sqrt(J - 1)
            wide = 2 * stats.t.ppf(0.975, J - 1) * np.sqrt(w / J) * mean_chi
            key = f"groups-w-{J}-{what}"
            assert value[f"{key}-differences-width"] == pytest.approx(wide, rel=0.03)
            assert value[f"{key}-partial-width"] < 2
            assert value[f"{key}-intercepts-width"] < value[f"{key}-complete-width"]


def test_other_correlations_and_effects(numbers, close, rho):
    """The rules stay close at equal rates; complete pooling's rates by quadrature."""
    assert numbers["groups-others-gap"]["value"] < 5
    assert numbers["groups-w-gap"]["value"] < 7
    close(numbers["groups-others-low"], complete(20, 10, 0.05, 0.0), rounding=0.5)
    close(numbers["groups-others-high"], complete(20, 10, 0.5, 0.0), rounding=0.5)
    for J, n in NAMES.items():
        sd = np.sqrt(4 * (rho + (1 - rho) / n) / J)
        assert numbers[f"groups-right-{J}"]["value"] == pytest.approx(
            100 * stats.norm.cdf(EFFECT / sd)
        )
        if J < 100:
            power = power_of_t(1e6, EFFECT, sd)
            told = numbers[f"groups-known-{J}"]["value"]
            assert told == pytest.approx(power, abs=0.01)
            assert numbers[f"groups-b-{J}-means-at5"]["value"] < told + 1


def test_the_best_split(value, rho):
    """Against a search; and how flat it is."""
    for c, key in ((1, "groups-best-1"), (20, "groups-best-20")):
        found = optimize.minimize_scalar(
            lambda n, c=c: (c + n) * (rho + (1 - rho) / n), bounds=(1, 500),
            method="bounded",
        )
        assert value[key] == pytest.approx(found.x, abs=1e-3)
    assert 5 < value["groups-flat"] < 7
    for c in (10, 50):
        cost = 20 * (c + 10)
        power = {
            J: power_of_t(
                J - 2, EFFECT, np.sqrt(4 * (rho + (1 - rho) / (cost / J - c)) / J)
            )
            for J in range(4, cost // (c + 2) + 1, 2)
        }
        assert value[f"groups-peak-{c}"] == max(power, key=power.get)
    for J, N in ((4, 360), (20, 200)):
        expected = power_of_t(N - J - 1, EFFECT, np.sqrt(4 * (1 - rho) / N))
        assert value[f"groups-split-{J}"] == pytest.approx(expected, abs=1e-3)
    # Two pupils and fifty in a school: equally precise for the money.
    c = value["groups-turn"]
    two, fifty, best = (
        (c + n) * (rho + (1 - rho) / n) for n in (2, 50, value["groups-turn-n"])
    )
    assert two == pytest.approx(fifty)
    assert value["groups-turn-above"] == pytest.approx(100 * ((two / best) ** 0.5 - 1))
    assert value["groups-best-05"] == pytest.approx(np.sqrt(20 * 19))
    assert value["groups-best-50"] == pytest.approx(np.sqrt(20))
    assert value["groups-normal-cut"] == pytest.approx(200 * stats.t.sf(1.96, 2))


@pytest.mark.slow
@pytest.mark.parametrize("J", [2, 3, 5, 20])
def test_few_groups(J, value, rho):
    """Coverage by drawn studies, against the chapter's quantiles of the scatter."""
    rng = np.random.default_rng(1)
    noise = (1 - rho) / 10
    kinds = {
        "normal": stats.halfnorm(scale=0.5), "cauchy": stats.halfcauchy(scale=0.5),
        "wide": stats.halfnorm(scale=5), "flat": None,
    }
    for kind, prior in kinds.items():
        if J == 2 and prior is None:
            with pytest.raises(ValueError, match="improper"):
                exact.normal_hierarchy([0, 1], [1, 1], tau_prior=None)
            continue
        for true, what in ((rho**0.5, "cover"), (1.0, "cover1")):
            y = rng.normal(0, np.sqrt(true**2 + noise), (1000, J))
            fit = exact.normal_hierarchy(y, np.full(J, noise**0.5), tau_prior=prior)
            low, high = fit.quantile("mu", [0.025, 0.975]).to_numpy()
            share = np.mean((low < 0) & (high > 0))
            error = 4 * np.sqrt(max(share * (1 - share), 0.002) / 1000)
            key = f"groups-few-{J}-{kind}-{what}"
            assert value[key] / 100 == pytest.approx(share, abs=error), key
            if what == "cover":
                width = value[f"groups-few-{J}-{kind}-width"]
                assert width == pytest.approx(np.median(high - low), rel=0.2)
    assert value["groups-few-20-normal-width"] < value["groups-few-2-normal-width"]
    assert value["groups-few-2-wide-width"] > value["groups-few-t"]


def test_how_often_the_vague_prior_is_longer_than_t(value, rho):
    S = (rho + (1 - rho) / 10) * np.random.default_rng(3).chisquare(1, 2000)
    fit = exact.normal_hierarchy(
        np.sqrt(S / 2)[:, None] * [-1, 1], np.full(2, np.sqrt((1 - rho) / 10)),
        tau_prior=stats.halfnorm(scale=5),
    )
    of_t = stats.t.ppf(0.975, 1) * np.sqrt(S / 2)
    longer = fit.quantile("mu", 0.975).to_numpy() > of_t
    assert value["groups-few-longer"] == pytest.approx(100 * longer.mean(), abs=4)


@pytest.mark.slow
def test_a_prior_that_is_too_narrow(numbers, close):
    close(numbers["groups-few-odd"], partial(2, 0.04, 0.64, 1.0, 0.0))


def test_the_proposal_of_the_first_exercise(value, rho):
    sd = np.sqrt(4 * (rho + (1 - rho) / 50) / 8)
    assert value["groups-ex1-power"] == pytest.approx(power_of_t(6, EFFECT, sd))
    assert value["groups-ex1-stated"] == pytest.approx(85, abs=0.5)
    assert value["groups-ex1-false"] == pytest.approx(
        200 * stats.norm.sf(0.196 / sd)
    )
    J = int(value["groups-ex1-needed"])
    power = [
        power_of_t(k - 2, EFFECT, np.sqrt(4 * (rho + (1 - rho) / 50) / k))
        for k in (J - 2, J)
    ]
    assert power[0] < 80 <= power[1]


def test_shares_that_differ(numbers, close, rho):
    """Normal estimates with known variances, of the third exercise."""
    sigma2 = 1 - rho
    within, between = 20 * 10 * 0.09 / sigma2, 20 * 0.16 / (rho + sigma2 / 10)
    sds = {
        "complete": np.sqrt(20 * 0.08**2 * rho + 4 * sigma2 / 200),
        "free": within**-0.5,
        "partial": (within + between) ** -0.5,
    }
    for kind, sd in sds.items():
        power = stats.norm.sf(1.96 - EFFECT / sd) + stats.norm.cdf(-1.96 - EFFECT / sd)
        close(numbers[f"groups-ex3-{kind}"], 100 * power)
    weight = numbers["groups-ex3-weight"]["value"]
    assert weight == pytest.approx(within / (within + between))
    # Without an effect, and with shares that go along with levels.
    for r in (0.25, 0.5):
        bias = (1 - weight) * r * rho**0.5 / 0.4
        variance = weight**2 / within + (1 - weight) ** 2 * (
            (1 - r**2) * rho + sigma2 / 10
        ) / (20 * 0.16)
        key = f"groups-ex3-{100 * r:.0f}"
        close(numbers[f"{key}-bias"], bias)
        close(numbers[f"{key}-free-false"], 5)
        found = [
            stats.norm.sf((1.96 * sds["partial"] + side * bias) / variance**0.5)
            for side in (-1, 1)
        ]
        close(numbers[f"{key}-partial-false"], 100 * sum(found))
