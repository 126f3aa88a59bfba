"""The radon chapter against exact posteriors, least squares and published fits."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from pooling import datasets, exact

CHAPTER = "pooling/radon"
HALF_NORMAL = stats.halfnorm(scale=1)


@pytest.fixture(scope="module")
def numbers(glued):
    return glued(CHAPTER)


@cache
def houses():
    """Response, county names, and the design with the floor."""
    radon = datasets.load_radon()
    design = np.column_stack([np.ones(len(radon)), radon["floor"]])
    return radon["log_radon"].to_numpy(), radon["county"], design


@cache
def posterior(columns=2):
    """The exact posterior of the chapter's partially pooled model."""
    y, county, design = houses()
    return exact.varying_intercepts(
        y,
        county,
        design[:, :columns],
        tau_prior=HALF_NORMAL,
        sigma_prior=HALF_NORMAL,
        beta_prior=stats.norm(0, 2),
    )


@cache
def separate():
    """Least squares with an intercept for each county: names, and coefficients."""
    y, county, design = houses()
    names = list(county.cat.categories)
    each = np.eye(len(names))[county.cat.codes]
    return names, np.linalg.lstsq(np.column_stack([each, design[:, 1]]), y)[0]


def test_every_fit_is_sound(fits):
    records = fits(CHAPTER)
    assert [record["name"] for record in records] == ["complete", "none", "partial"]
    assert not any(record["failures"] or record["expect"] for record in records)


@pytest.mark.parametrize("name", ["tau", "sigma"])
def test_partial_pooling_agrees_with_the_exact_posterior(numbers, close, name):
    close(numbers[f"radon-{name}-mean"], posterior().mean(name))
    close(numbers[f"radon-{name}-sd"], posterior().sd(name))


@pytest.mark.parametrize(("name", "column"), [("mu", 0), ("beta", 1)])
def test_coefficients_agree_with_the_exact_posterior(numbers, close, name, column):
    close(numbers[f"radon-{name}-mean"], float(posterior().mean("beta")[column]))
    close(numbers[f"radon-{name}-sd"], float(posterior().sd("beta")[column]))


@pytest.mark.parametrize(
    ("key", "county"),
    [
        ("lqp", "Lac Qui Parle"),
        ("st-louis", "St Louis"),
        ("murray", "Murray"),
        ("lake", "Lake"),
        ("fillmore", "Fillmore"),
    ],
)
def test_counties_agree_with_exact_answers(numbers, close, key, county):
    found = posterior()
    level = found.mean("beta")[0] + found.mean("a").sel(county=county)
    close(numbers[f"radon-partial-{key}"], float(level))
    names, coefficients = separate()
    # The prior of the floor's effect moves least squares by less than this.
    close(
        numbers[f"radon-none-{key}"], coefficients[names.index(county)], rounding=0.003
    )


def test_draws_are_off_by_their_monte_carlo_error_and_no_more(numbers):
    assert numbers["radon-worst-gap"]["value"] < 4.5
    assert 0.75 < numbers["radon-gap-sd"]["value"] < 1.3


@pytest.mark.parametrize(
    ("key", "lme4", "sd"),
    [
        # lme4 1.1-31 by REML; the exact posterior mean need not be the estimate,
        # but with 85 counties it is within a fraction of the posterior sd.
        ("radon-exact-mu", 1.492, 0.050),
        ("radon-exact-beta", -0.663, 0.068),
        ("radon-exact-tau", 0.315, 0.045),
        ("radon-exact-sigma", 0.726, 0.018),
    ],
)
def test_exact_posterior_is_near_lme4(numbers, key, lme4, sd):
    assert numbers[key]["value"] == pytest.approx(lme4, abs=0.2 * sd)


@pytest.mark.parametrize(("column", "lme4_se"), [(0, 0.050), (1, 0.068)])
def test_posterior_sd_is_near_the_se_of_lme4(column, lme4_se):
    assert float(posterior().sd("beta")[column]) == pytest.approx(lme4_se, rel=0.03)


def test_without_the_floor_near_lme4(numbers):
    assert numbers["radon-ex2-mu"]["value"] == pytest.approx(1.350, abs=0.005)
    assert numbers["radon-ex2-tau"]["value"] == pytest.approx(0.298, abs=0.01)
    assert numbers["radon-ex2-sigma"]["value"] == pytest.approx(0.766, abs=0.003)
    assert numbers["radon-ex2-tau"]["value"] == pytest.approx(
        posterior(1).mean("tau"), abs=1e-6
    )


def test_complete_pooling_is_the_published_regression(numbers, close):
    assert numbers["radon-intercept-shifted"]["text"] == "1.362"
    assert numbers["radon-slope-shifted"]["text"] == "−0.586"
    close(numbers["radon-complete-alpha"], 1.362, rounding=0.001)
    close(numbers["radon-complete-beta"], -0.586, rounding=0.002)


def test_shrinkage_factors_are_shares_of_the_way(numbers):
    for key in ("lqp", "st-louis", "lake", "fillmore"):
        share = numbers[f"radon-B-{key}"]["value"]
        distance = numbers[f"radon-distance-{key}"]["value"]
        move = numbers[f"radon-move-{key}"]["value"]
        assert move == pytest.approx(share * distance, abs=0.02)
    assert numbers["radon-move-lake"]["value"] > numbers["radon-move-fillmore"]["value"]
    assert numbers["radon-B-lake"]["value"] < numbers["radon-B-fillmore"]["value"]


def test_half_the_way_at_the_ratio_of_variances(numbers, close):
    found = posterior().sample(200_000, np.random.default_rng(1))
    half = (found["sigma"] / found["tau"]) ** 2
    error = float(half.std() / len(half) ** 0.5)
    close(numbers["radon-half-mean"], float(half.mean()), mcse_ref=error)
    assert numbers["radon-half-median"]["value"] == pytest.approx(
        float(half.median()), abs=0.3
    )


def test_share_above_the_action_level(numbers, close):
    rng = np.random.default_rng(2)
    found = posterior().sample(100_000, rng)
    for key, county in [("lqp", "Lac Qui Parle"), ("blue-earth", "Blue Earth")]:
        level = found["beta"][:, 0] + found["a"].sel(county=county)
        share = stats.norm.sf((np.log(4.1) - level) / found["sigma"])
        close(
            numbers[f"radon-share-partial-{key}"],
            share.mean(),
            mcse_ref=share.std() / len(share) ** 0.5,
        )


def test_hidden_houses_prefer_partial_pooling(numbers):
    value = {key: record["value"] for key, record in numbers.items()}
    assert value["radon-undefined"] == 3
    assert value["radon-hidden"] == 916
    for kind in ("none", "complete"):
        # Another shuffle of the houses moves these by one or so.
        assert value[f"radon-elpd-{kind}"] > 2 * value[f"radon-elpd-{kind}-se-county"]
        assert value["radon-rmse-partial"] < value[f"radon-rmse-{kind}"]
    assert value["radon-elpd-none"] == pytest.approx(24.9, abs=2)
    assert value["radon-elpd-complete"] == pytest.approx(52, abs=3)
    assert value["radon-rmse-small-none"] > value["radon-rmse-small-complete"]
    assert value["radon-rmse-large-complete"] > value["radon-rmse-large-none"]


def test_errors_saved_are_told_with_what_is_known_about_them(numbers):
    value = {key: record["value"] for key, record in numbers.items()}
    for kind in ("none", "complete"):
        saved = value[f"radon-saved-{kind}"]
        squares = value[f"radon-rmse-{kind}"] ** 2 - value["radon-rmse-partial"] ** 2
        assert saved == pytest.approx(squares, abs=1e-12)
        assert saved > 2 * value[f"radon-saved-{kind}-se"]
    # "perhaps behind": likelier than not, and within two standard errors.
    ahead = value["radon-small-complete-over-none"]
    assert 0 < ahead < 2 * value["radon-small-complete-over-none-se"]


def test_only_partial_pooling_makes_data_like_the_data(numbers):
    share = {
        (size, kind): numbers[f"radon-spread-{size}-{kind}-above"]["value"]
        for size in ("small", "large")
        for kind in ("complete", "none", "partial")
    }
    assert share["small", "none"] > 99
    assert share["large", "none"] > 85
    assert share["large", "complete"] < 1
    assert 10 < share["small", "partial"] < 90
    assert 10 < share["large", "partial"] < 90
