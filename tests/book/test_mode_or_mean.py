"""The chapter on modes: what has a maximum, where, and the exact means."""

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from pooling import datasets, exact

CHAPTER = "posterior/mode-or-mean"
SCHOOLS = datasets.load_eight_schools()
Y, SE = SCHOOLS["effect"].to_numpy(float), SCHOOLS["se"].to_numpy(float)


@pytest.fixture(scope="module")
def numbers(glued):
    return glued(CHAPTER)


@pytest.fixture(scope="module")
def posterior():
    return exact.normal_hierarchy(Y, SE, tau_prior=stats.halfnorm(scale=20))


def value(numbers, key):
    return numbers[key]["value"]


def test_the_only_fit_is_sound(fits):
    (fit,) = fits(CHAPTER)
    assert fit["failures"] == fit["expect"] == []


def test_draws_agree_with_the_exact_means(numbers, close, posterior):
    theta = posterior.mean("theta").values
    close(numbers["mm-draws-mu"], posterior.mean("mu"))
    close(numbers["mm-draws-tau"], posterior.mean("tau"))
    close(numbers["mm-draws-a"], theta[0])
    close(numbers["mm-draws-c"], theta[2])


def test_find_map_finds_the_noncentered_mode(numbers):
    def minus_log_density(at):
        mu, tau, z = at[0], at[1], at[2:]
        misfit = (Y - mu - tau * z) / SE
        return (misfit @ misfit + z @ z + (tau / 20) ** 2) / 2

    best = optimize.minimize(minus_log_density, np.r_[8, 10, np.zeros(8)], tol=1e-10)
    mu, tau, z = best.x[0], best.x[1], best.x[2:]
    assert value(numbers, "mm-map-tau") == pytest.approx(tau, abs=0.02)
    assert value(numbers, "mm-map-a") == pytest.approx(mu + tau * z[0], abs=0.05)
    assert value(numbers, "mm-map-c") == pytest.approx(mu + tau * z[2], abs=0.05)


def test_probability_near_a_mode_and_near_the_mean(numbers, posterior):
    for name, tau in (
        ("mode", value(numbers, "mm-map-tau")),
        ("mean", posterior.mean("tau")),
    ):
        taus = np.linspace(tau / 2, 2 * tau, 2001)
        share = integrate.simpson(posterior.density("tau", taus).values, x=taus)
        assert value(numbers, f"mm-near-{name}") == pytest.approx(100 * share, abs=0.01)


def test_the_marginal_density_has_a_top_at_zero(numbers, posterior):
    taus = np.r_[0, np.geomspace(1e-4, 100, 400)]
    density = posterior.density("tau", taus).values
    assert density.argmax() == 0
    rise = np.log(density[0] / posterior.density("tau", posterior.mean("tau")))
    assert value(numbers, "mm-low-rise") == pytest.approx(rise, abs=1e-6)


def test_centered_density_is_unbounded(numbers):
    # Eight schools: eight powers of tau for every factor of ten.
    assert value(numbers, "mm-gain") == pytest.approx(8 * np.log(10), abs=1e-6)
    assert value(numbers, "mm-j-log10") == pytest.approx(8 * np.log(10))


@pytest.mark.parametrize(
    ("key", "published", "rounding"),
    [
        ("mm-flat-mean", 6.58, 0.005),
        ("mm-flat-sd", 5.65, 0.005),
        ("mm-sd-full", 8.34, 0.005),
        ("mm-sd-full-e", 6.36, 0.005),
        ("mm-pooled", 7.69, 0.005),
        ("mm-sd-reml", 4.07, 0.005),
        ("mm-reml", 0.0, 1e-9),
    ],
)
def test_published_values(numbers, close, key, published, rounding):
    close(numbers[key], published, rounding=rounding)


def test_penalised_mode_is_the_peak_of_log_tau(numbers):
    flat = exact.normal_hierarchy(Y, SE)
    peak = optimize.minimize_scalar(
        lambda x: -(np.log(flat.density("tau", np.exp(x))) + x),
        bounds=(-3, 5),
        method="bounded",
    )
    assert value(numbers, "mm-chung") == pytest.approx(np.exp(peak.x), abs=0.01)


def test_modes_follow_the_prior_and_means_do_not(numbers):
    modes = [
        value(numbers, key) for key in ("mm-mode-10", "mm-mode-20", "mm-mode-80")
    ]
    assert modes == sorted(modes)
    assert value(numbers, "mm-mode-5") == 0
    assert modes[-1] > 4 * modes[0]
    assert value(numbers, "mm-mean-80") < 1.5 * value(numbers, "mm-mean-10")


def test_no_draw_is_near_the_mode(numbers):
    assert value(numbers, "mm-short-median") == pytest.approx(5, abs=0.3)
    assert value(numbers, "mm-short-least") > 0
    assert value(numbers, "mm-within-10") == pytest.approx(
        1e6 * stats.chi2(10).cdf(1), rel=1e-6
    )


def test_joint_mode_leaves_the_truth_as_groups_are_added(numbers):
    joint = [value(numbers, f"mm-more-joint-{groups}") for groups in (8, 80, 800)]
    assert joint[2] > 50
    assert abs(value(numbers, "mm-more-mean-800") - 5) < 3 * value(
        numbers, "mm-more-sd-800"
    )


@pytest.mark.parametrize("tau", [5, 15])
def test_plugging_in_reml_covers_too_seldom(numbers, tau):
    reml = numbers[f"mm-cover-reml-{tau}"]
    penalised = numbers[f"mm-cover-penalised-{tau}"]
    full = numbers[f"mm-cover-full-{tau}"]
    assert reml["value"] + 4 * reml["mcse"] < 95
    assert reml["value"] < penalised["value"] <= full["value"] + 4 * full["mcse"]


def test_plugging_in_a_zero_is_what_costs_coverage(numbers):
    assert value(numbers, "mm-cover-zero") < value(numbers, "mm-cover-not") - 5
    errors = [
        numbers[f"mm-cover-{name}-{tau}"]["mcse"]
        for name in ("reml", "penalised", "full")
        for tau in (5, 15)
    ]
    assert value(numbers, "mm-cover-error") == pytest.approx(max(errors))
