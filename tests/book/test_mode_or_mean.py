"""The chapter on modes: what has a maximum, where, and the exact means."""

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from pooling import datasets, exact

CHAPTER = "posterior/mode-or-mean"
SCHOOLS = datasets.load_eight_schools()
Y, SE = SCHOOLS["effect"].to_numpy(float), SCHOOLS["se"].to_numpy(float)


@pytest.fixture(scope="module")
def posterior():
    return exact.normal_hierarchy(Y, SE, tau_prior=stats.halfnorm(scale=20))


@pytest.fixture(scope="module")
def flat():
    return exact.normal_hierarchy(Y, SE)


def value(numbers, key):
    return numbers[key]["value"]


def log_noncentered(at, y=Y, se=SE, scale=20.0):
    """Log density of the model of mu, tau and z."""
    mu, tau, z = at[0], at[1], at[2:]
    return (
        stats.norm.logpdf(y, mu + tau * z, se).sum()
        + stats.norm.logpdf(z).sum()
        - (tau / scale) ** 2 / 2
    )


def noncentered_mode(y=Y, se=SE, scale=20.0):
    """mu, tau and z where the density is highest, by a general optimiser."""
    start = np.r_[y.mean(), 10, np.zeros(len(y))]
    found = optimize.minimize(
        lambda at: -log_noncentered(at, y, se, scale), start, tol=1e-10
    )
    return found.x


def restricted(tau):
    """Log restricted likelihood of tau, from the covariance of the estimates."""
    cov = np.diag(SE**2 + tau**2)
    ones, inverse = np.ones(8), np.linalg.inv(cov)
    within = ones @ inverse @ ones
    residual = Y - (ones @ inverse @ Y) / within
    likelihood = -(np.linalg.slogdet(cov)[1] + residual @ inverse @ residual) / 2
    return likelihood - np.log(within) / 2, likelihood


def peak(function, low, high):
    found = optimize.minimize_scalar(
        lambda x: -function(x), bounds=(low, high), method="bounded"
    )
    return found.x


def test_the_only_fit_is_sound(fits):
    (fit,) = fits(CHAPTER)
    assert fit["failures"] == fit["expect"] == []


def test_draws_agree_with_the_exact_means(numbers, close, posterior):
    close(numbers["mm-draws-tau"], posterior.mean("tau"))
    close(numbers["mm-draws-a"], posterior.mean("theta").values[0])
    assert value(numbers, "mm-e-tau") == pytest.approx(posterior.mean("tau"))
    assert value(numbers, "mm-e-a") == pytest.approx(posterior.mean("theta").values[0])


def test_find_map_finds_the_noncentered_mode(numbers, posterior):
    mu, tau, *z = noncentered_mode()
    assert value(numbers, "mm-map-tau") == pytest.approx(tau, abs=0.02)
    assert value(numbers, "mm-map-a") == pytest.approx(mu + tau * z[0], abs=0.05)
    # All effects at the mode lie within their 95 % intervals.
    effects = mu + tau * np.array(z)
    inside = posterior.cdf("theta", effects).values
    assert np.all((inside > 0.025) & (inside < 0.975))
    assert value(numbers, "mm-effect-above") == pytest.approx(
        100 * (1 - inside[0]), abs=0.1
    )


def test_the_jacobian_of_log_tau_moves_the_mode(numbers):
    found = optimize.minimize(
        lambda at: -log_noncentered(at) - np.log(at[1]),
        np.r_[8, 20, np.zeros(8)],
        bounds=[(None, None), (1, None), *8 * [(None, None)]],
    )
    assert value(numbers, "mm-mode-log") == pytest.approx(found.x[1], abs=0.02)


def test_probability_near_a_mode_and_near_the_mean(numbers, posterior):
    for name, tau in (
        ("mode", value(numbers, "mm-map-tau")),
        ("mean", posterior.mean("tau")),
    ):
        taus = np.linspace(tau / 2, 2 * tau, 2001)
        share = integrate.simpson(posterior.density("tau", taus).values, x=taus)
        assert value(numbers, f"mm-near-{name}") == pytest.approx(100 * share, abs=0.01)
    taus = np.linspace(value(numbers, "mm-map-tau"), 200, 20_001)
    above = integrate.simpson(posterior.density("tau", taus).values, x=taus)
    assert value(numbers, "mm-tau-above") == pytest.approx(100 * above, abs=0.001)


def test_the_marginal_density_has_a_top_at_zero(numbers, posterior):
    taus = np.r_[0, np.geomspace(1e-4, 100, 400)]
    density = posterior.density("tau", taus).values
    assert density.argmax() == 0
    rise = np.log(density[0] / posterior.density("tau", posterior.mean("tau")))
    assert value(numbers, "mm-low-rise") == pytest.approx(rise, abs=1e-6)


def test_centered_density_is_unbounded_at_any_common_value(numbers):
    def centered(tau, c):
        return (
            stats.norm.logpdf(Y, c, SE).sum()
            + 8 * stats.norm.logpdf(c, c, tau)
            - (tau / 20) ** 2 / 2
        )

    for c in (-20, 0, 7.69, 30):
        gain = centered(1e-5, c) - centered(1e-4, c)
        assert value(numbers, "mm-gain") == pytest.approx(gain, abs=1e-6)
    assert value(numbers, "mm-gain") == pytest.approx(8 * np.log(10), abs=1e-6)


def test_a_lognormal_prior_puts_the_centered_peak_at_a_tiny_tau(numbers):
    # Where all effects are equal, u = log tau has the density -9 u - u**2 / 8.
    assert value(numbers, "mm-lognormal-peak") == pytest.approx(
        -36 / np.log(10), abs=0.1
    )


def test_profile_and_volume_make_the_marginal(numbers):
    """By the determinant of a numerical second derivative, at two values of tau."""

    def parts(tau):
        def density(rest):
            return log_noncentered(np.r_[rest[0], tau, rest[1:]])

        best = optimize.minimize(lambda rest: -density(rest), np.zeros(9), tol=1e-10)
        # The log density is quadratic in mu and z: differences are exact.
        eye, h = np.eye(9), 0.5
        hessian = np.array(
            [
                [
                    density(best.x + h * (a + b))
                    - density(best.x + h * (a - b))
                    - density(best.x - h * (a - b))
                    + density(best.x - h * (a + b))
                    for b in eye
                ]
                for a in eye
            ]
        ) / (4 * h**2)
        return -best.fun, -np.linalg.slogdet(-hessian)[1] / 2

    low, high = parts(0.5), parts(value(numbers, "mm-map-tau"))
    profile, volume = high[0] - low[0], high[1] - low[1]
    assert value(numbers, "mm-rise-profile") == pytest.approx(profile, abs=1e-4)
    assert value(numbers, "mm-fall-volume") == pytest.approx(-volume, abs=1e-4)
    fall = value(numbers, "mm-fall-marginal")
    assert fall == pytest.approx(-volume - profile, abs=1e-4)


def test_the_volume_explains_the_exact_marginal(numbers, posterior):
    density = posterior.density("tau", [0.5, value(numbers, "mm-map-tau")]).values
    fall = np.log(density[0] / density[1])
    assert value(numbers, "mm-fall-marginal") == pytest.approx(fall, abs=1e-6)


@pytest.mark.parametrize(
    ("key", "published", "rounding"),
    [
        ("mm-flat-mean", 6.58, 0.005),
        ("mm-pooled", 7.69, 0.005),
        ("mm-sd-reml", 4.07, 0.005),
        ("mm-reml", 0.0, 1e-9),
    ],
)
def test_published_values(numbers, close, key, published, rounding):
    close(numbers[key], published, rounding=rounding)


def test_restricted_likelihood_and_penalised_estimates(numbers, flat):
    fall = restricted(0.0)[0] - restricted(10.0)[0]
    assert value(numbers, "mm-reml-10") == pytest.approx(fall, abs=1e-5)
    taus = np.linspace(0, 60, 601)
    assert np.argmax([restricted(t) for t in taus], axis=0).tolist() == [0, 0]
    penalised = peak(lambda t: restricted(t)[1] + np.log(t), 0.1, 60)
    assert value(numbers, "mm-chung") == pytest.approx(penalised, abs=0.01)
    of_log_tau = np.exp(
        peak(lambda x: np.log(flat.density("tau", np.exp(x))) + x, -3, 5)
    )
    assert value(numbers, "mm-chung-reml") == pytest.approx(of_log_tau, abs=0.01)
    assert value(numbers, "mm-flat-median") == pytest.approx(flat.quantile("tau", 0.5))


def test_sds_with_a_plugged_in_tau(numbers, flat):
    full = flat.sd("theta").values
    pooled = np.sqrt(1 / (1 / SE**2).sum())
    assert value(numbers, "mm-sd-ratio-low") == pytest.approx((full / pooled).min())
    assert value(numbers, "mm-sd-ratio-high") == pytest.approx((full / pooled).max())
    # Joint covariance of the effects, given the penalised tau.
    tau = value(numbers, "mm-chung")
    precision = np.diag(np.r_[0, 1 / SE**2])
    for j in range(8):
        tie = np.zeros(9)
        tie[0], tie[1 + j] = -1, 1
        precision += np.outer(tie, tie) / tau**2
    sd = np.sqrt(np.diag(np.linalg.inv(precision)))[1:]
    assert value(numbers, "mm-chung-low") == pytest.approx((sd / full).min(), abs=1e-3)
    assert value(numbers, "mm-chung-high") == pytest.approx((sd / full).max(), abs=1e-3)
    # "for school A"; "in every school ... more than half of what the zero takes"
    assert (sd / full).argmin() == 0
    assert (full - sd < (full - pooled) / 2).all()


@pytest.mark.parametrize(("key", "k"), [("half", 0.5), ("high", 4)])
def test_mode_follows_prior_and_data_alike_and_the_mean_does_not(numbers, key, k):
    deviations = Y.mean() + k * (Y - Y.mean())
    for what, y, scale in (("prior", Y, 20 * k), ("data", deviations, 20)):
        mode = abs(noncentered_mode(y, scale=scale)[1])
        found = value(numbers, f"mm-mode-{what}-{key}")
        assert found == pytest.approx(mode, abs=0.02)
        fit = exact.normal_hierarchy(y, SE, tau_prior=stats.halfnorm(scale=scale))
        mean = value(numbers, f"mm-mean-{what}-{key}")
        assert mean == pytest.approx(fit.mean("tau"))
    if key == "high":
        assert value(numbers, "mm-mean-data-high") > 3 * value(
            numbers, "mm-mean-prior-high"
        )


def test_distances_in_a_hundred_dimensions(numbers):
    square = stats.chi2(100)
    mean = integrate.quad(lambda x: np.sqrt(x) * square.pdf(x), 0, 400)[0]
    assert value(numbers, "mm-radius") == pytest.approx(mean, abs=1e-6)
    sd = np.sqrt(100 - mean**2)
    assert value(numbers, "mm-radius-sd") == pytest.approx(sd, abs=1e-5)


def expected_mode(tau, schools, pupils, replications=400):
    """Mean tau at the non-centered mode, by Newton's method on the profile."""
    rng = np.random.default_rng(404)
    se = np.tile(SE, schools) / np.sqrt(pupils)
    scale = np.sqrt(se**2 + tau**2)
    modes = []
    for _ in range(replications):
        y = 8 + scale * rng.standard_normal(len(se))

        def slope(u, y=y):
            weight = 1 / (se**2 + u)
            mu = (weight * y).sum() / weight.sum()
            return (weight**2 * (y - mu) ** 2).sum() - 1 / 20**2

        u = optimize.brentq(slope, 0, 1e6) if slope(0.0) > 0 else 0.0
        modes.append(np.sqrt(u))
    return np.mean(modes), np.std(modes) / np.sqrt(replications)


@pytest.mark.parametrize(
    ("cell", "schools", "pupils"),
    [("base", 1, 1), ("schools", 100, 1), ("pupils", 1, 100), ("both", 100, 100)],
)
def test_noncentered_mode_in_both_limits(numbers, cell, schools, pupils):
    mean, error = expected_mode(5, schools, pupils, 400 if schools == 1 else 40)
    found = numbers[f"mm-more-joint-{cell}"]
    # 0.5 % for the grid of the chapter.
    allowed = 4 * np.hypot(error, found["mcse"]) + 0.005 * mean
    assert found["value"] == pytest.approx(mean, abs=allowed)


def test_noncentered_mode_is_mended_by_neither_limit(numbers):
    for cell in ("base", "schools", "pupils", "both"):
        found = numbers[f"mm-more-joint-{cell}"]
        assert found["value"] - 4 * found["mcse"] > 2 * 5
    assert value(numbers, "mm-more-joint-schools") > 3 * value(
        numbers, "mm-more-joint-base"
    )
    assert 5 < value(numbers, "mm-times-low") < value(numbers, "mm-times-high")


def test_marginal_mode_and_mean_approach_the_truth_with_more_schools(numbers):
    for key in ("mm-more-marginal-schools", "mm-more-mean-schools"):
        assert value(numbers, key) == pytest.approx(5, abs=0.5)


def test_more_pupils_mend_the_effects(numbers):
    assert (
        value(numbers, "mm-excess-2")
        > value(numbers, "mm-excess-5")
        > value(numbers, "mm-excess-15")
        > -1
    )
    assert value(numbers, "mm-excess-2") < 20
    assert value(numbers, "mm-excess-5") < 5
    # With many schools as well the posterior mean gains, and the mode does not.
    assert 17 < value(numbers, "mm-excess-both") < 27


def test_more_schools_do_not_mend_the_effects(numbers):
    joint, none, mean = (numbers[f"mm-rmse-{key}"] for key in ("joint", "none", "mean"))
    assert joint["value"] > 0.95 * none["value"] > 2 * mean["value"]
    # Raw errors have the standard errors of the schools.
    assert none["value"] == pytest.approx(np.sqrt((SE**2).mean()), abs=4 * none["mcse"])


def test_hump_in_the_limit(numbers):
    """From the slope of the profile, with the expected sum of squares."""
    for sigma, key in ((2.5, "wide"), (1.0, "one"), (0.1, "small")):
        v = sigma**2 + 25

        def slope(tau, sigma=sigma, v=v):
            return v * tau / (sigma**2 + tau**2) ** 2 - 1 / tau

        hump = optimize.brentq(slope, 2.6, 6)
        assert value(numbers, f"mm-hump-{key}") == pytest.approx(hump, abs=1e-6)
    # The sum of squares of 80,000 estimates has a relative sd of 0.5 %.
    assert value(numbers, "mm-hump-simulated") == pytest.approx(
        value(numbers, "mm-hump-wide"), abs=0.1
    )
    # No hump where the standard errors are as large as tau.
    taus = np.linspace(0.01, 50, 5000)
    assert np.all(50 * taus / (25 + taus**2) ** 2 < 1 / taus)


def test_hump_with_more_pupils_and_with_both(numbers):
    # Without standard errors it is at the sd with divisor J; chi with 7 degrees
    # of freedom for eight schools. The standard errors and the prior lower it.
    found = numbers["mm-more-hump-pupils"]
    ceiling = 5 * stats.chi(7).mean() / np.sqrt(8)
    assert ceiling - 0.6 < found["value"] < ceiling + 4 * found["mcse"]
    both = numbers["mm-more-hump-both"]
    assert 4.6 < both["value"] < 5


@pytest.mark.parametrize(
    ("key", "true", "schools", "pupils", "repeats"),
    [
        ("", 5, 1, 1, 1000),
        ("-ten", 5, 1, 10, 1000),
        ("-hundred", 5, 1, 100, 1000),
        ("-two", 2, 100, 1, 60),
    ],
)
def test_how_often_the_marginal_mode_is_zero(
    numbers, key, true, schools, pupils, repeats
):
    rng = np.random.default_rng(77)
    errors = np.tile(SE, schools) / np.sqrt(pupils)
    scale = np.sqrt(errors**2 + true**2)
    taus = np.geomspace(1e-3, 100, 400)
    modes = [
        taus[
            exact_marginal(
                taus, 8 + scale * rng.standard_normal(len(scale)), errors
            ).argmax()
        ]
        for _ in range(repeats)
    ]
    share = 100 * np.mean(np.array(modes) < 0.02)
    found = numbers[f"mm-marginal-zero{key}"]
    # Three in a hundred data sets may be zero where none of them is.
    allowed = 3 + 4 * np.hypot(found["mcse"], np.sqrt(share * (100 - share) / repeats))
    assert found["value"] == pytest.approx(share, abs=allowed)


def exact_marginal(tau, y, errors):
    """Log marginal posterior of tau under the half-normal prior (BDA3, 5.21)."""
    variance = errors**2 + tau[:, None] ** 2
    within = 1 / (1 / variance).sum(1)
    mu = (y / variance).sum(1) * within
    likelihood = stats.norm.logpdf(y, mu[:, None], np.sqrt(variance)).sum(1)
    return likelihood + np.log(within) / 2 - (tau / 20) ** 2 / 2


def test_four_starts_end_at_no_maximum(numbers):
    # The points depend on the machine, so only what all of them share is held.
    assert value(numbers, "mm-find-tau") < 0.5
    assert value(numbers, "mm-find-apart") < 0.5
    assert value(numbers, "mm-find-slope") > 1
    common = [
        value(numbers, f"mm-find-{key}") for key in ("one", "thirty", "low", "data")
    ]
    assert abs(common[0]) < 2 and abs(common[1]) < 2
    assert common[2] < -30
    assert abs(common[3] - value(numbers, "mm-pooled")) < 2


def coverage_by_draws(tau, key, replications=1500):
    """Coverage with a plugged-in tau, on data of another seed."""
    rng = np.random.default_rng(31)
    theta = 8 + tau * rng.standard_normal((replications, 8))
    y = theta + SE * rng.standard_normal((replications, 8))
    taus = np.r_[1e-3, np.linspace(0.05, 120, 1500)]
    share = []
    for truth, data in zip(theta, y, strict=True):
        variance = SE**2 + taus[:, None] ** 2
        within = 1 / (1 / variance).sum(1)
        mu = (data / variance).sum(1) * within
        log_p = -(np.log(variance) + (data - mu[:, None]) ** 2 / variance).sum(1) / 2
        if key == "reml":
            log_p = log_p + np.log(within) / 2
        else:
            log_p = log_p + np.log(taus)
        at = log_p.argmax()
        part = taus[at] ** 2 / variance[at]
        mean = mu[at] + part * (data - mu[at])
        sd = np.sqrt(SE**2 * part + (1 - part) ** 2 * within[at])
        share.append(np.mean(abs(truth - mean) < 1.96 * sd))
    return 100 * np.mean(share), 100 * np.std(share) / np.sqrt(replications)


@pytest.mark.parametrize("key", ["reml", "penalised"])
@pytest.mark.parametrize("tau", [1, 5, 15])
def test_coverage_of_plugged_in_estimates(numbers, tau, key):
    share, error = coverage_by_draws(tau, key)
    found = numbers[f"mm-cover-{key}-{tau}"]
    assert found["value"] == pytest.approx(
        share, abs=4 * np.hypot(error, found["mcse"])
    )


@pytest.mark.parametrize("tau", [5, 15])
def test_plugging_in_reml_covers_too_seldom(numbers, tau):
    reml = numbers[f"mm-cover-reml-{tau}"]
    penalised = numbers[f"mm-cover-penalised-{tau}"]
    full = numbers[f"mm-cover-full-{tau}"]
    assert reml["value"] + 4 * reml["mcse"] < 95
    assert reml["value"] < value(numbers, f"mm-cover-zeros-{tau}") < penalised["value"]
    assert penalised["value"] <= full["value"] + 4 * full["mcse"]


def test_reml_is_not_too_narrow_where_tau_is_one(numbers):
    reml = numbers["mm-cover-reml-1"]
    assert reml["value"] + 4 * reml["mcse"] > 95
    assert value(numbers, "mm-cover-full-1") > reml["value"]


def test_the_penalty_gains_from_zeros_and_from_others(numbers):
    for key in ("zeros", "rest"):
        gain = numbers[f"mm-gain-{key}-15"]
        assert gain["value"] > 4 * gain["mcse"]
    total = value(numbers, "mm-cover-penalised-15") - value(numbers, "mm-cover-reml-15")
    assert value(numbers, "mm-gain-zeros-15") + value(
        numbers, "mm-gain-rest-15"
    ) == pytest.approx(total)


@pytest.mark.parametrize("tau", [5, 15])
def test_zeros_cost_coverage(numbers, tau):
    assert (
        value(numbers, f"mm-cover-zero-{tau}")
        < value(numbers, f"mm-cover-not-{tau}") - 5
    )
    zeros = value(numbers, f"mm-zeros-{tau}") / 100
    mixed = zeros * value(numbers, f"mm-cover-zero-{tau}") + (1 - zeros) * value(
        numbers, f"mm-cover-not-{tau}"
    )
    assert value(numbers, f"mm-cover-reml-{tau}") == pytest.approx(mixed)


def test_intervals_hold_on_average_over_the_prior(numbers):
    average = numbers["mm-cover-average"]
    assert average["value"] == pytest.approx(95, abs=4 * average["mcse"])


def test_monte_carlo_errors_are_the_largest(numbers):
    shown = [
        numbers[f"mm-cover-{name}-{tau}"]["mcse"]
        for name in ("reml", "penalised", "full")
        for tau in (1, 5, 15)
    ]
    assert max(shown) <= value(numbers, "mm-cover-error") < 1
    taus = [
        n["mcse"]
        for key, n in numbers.items()
        if key.startswith("mm-more-") and n["mcse"] and "hump" not in key
    ]
    assert value(numbers, "mm-more-error") >= max(taus)
    effects = [numbers[f"mm-rmse-{key}"]["mcse"] for key in ("joint", "none", "mean")]
    assert value(numbers, "mm-rmse-error") >= max(effects)


@pytest.mark.parametrize("scale", [5, 20, 80, np.inf])
def test_the_centered_climb_has_nowhere_to_stay(scale):
    """For these data the centered profile falls everywhere, with each prior."""
    taus = np.geomspace(1e-2, 300, 20_000)
    weight = 1 / (SE**2 + taus[:, None] ** 2)
    estimates = datasets.load_eight_schools()["effect"].to_numpy()
    mu = (weight @ estimates) / weight.sum(1)
    misfit = (weight * (estimates - mu[:, None]) ** 2).sum(1)
    profile = -misfit / 2 - (taus / scale) ** 2 / 2 - 8 * np.log(taus)
    assert (np.diff(profile) < 0).all()
