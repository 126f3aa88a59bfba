"""The radon chapter against exact posteriors, least squares and published fits."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from pooling import datasets, exact

CHAPTER = "pooling/radon"
HALF_NORMAL = stats.halfnorm(scale=1)


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


@pytest.mark.slow
def test_half_the_way_at_the_ratio_of_variances(numbers, close):
    found = posterior().sample(200_000, np.random.default_rng(1))
    half = (found["sigma"] / found["tau"]) ** 2
    error = float(half.std() / len(half) ** 0.5)
    close(numbers["radon-half-mean"], float(half.mean()), mcse_ref=error)
    assert numbers["radon-half-median"]["value"] == pytest.approx(
        float(half.median()), abs=0.3
    )


@pytest.mark.slow
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
    # "perhaps behind": by less than two standard errors.
    ahead = value["radon-small-complete-over-none"]
    assert 0 < ahead < 2 * value["radon-small-complete-over-none-se"]


def test_counties_are_compared_as_told(numbers):
    value = {key: record["value"] for key, record in numbers.items()}
    assert value["radon-scatter-few-partial"] < value["radon-scatter-many-partial"]
    assert value["radon-scatter-few-none"] > value["radon-scatter-many-none"]
    # "most of the scatter": by the noise of few houses alone.
    few = sizes()[sizes() <= 4]
    assert value["radon-scatter-few-noise"] == pytest.approx(
        SIGMA**2 * np.mean(1 / few), abs=0.003
    )
    variance = value["radon-scatter-few-variance"]
    assert variance == pytest.approx(value["radon-scatter-few-none"] ** 2)
    assert value["radon-scatter-few-noise"] > variance / 2
    assert numbers["radon-worst-none"]["text"] == "Lac Qui Parle"
    assert value["radon-gain-lqp-none"] > 0
    # "about half", and "most": another shuffle moves these by a few points.
    assert 40 < value["radon-ahead-complete"] < 65
    assert 75 < value["radon-ahead-none"] < 95
    large = value["radon-gain-large-complete"]
    assert value["radon-gain-st-louis-complete"] > large / 3
    # "about one standard error", where counties are smaller.
    assert 0.3 < value["radon-lead-2-complete"] < 1.8
    assert 0.3 < value["radon-lead-5-complete"] < 1.8


@pytest.mark.slow
def test_the_exact_level_of_lac_qui_parle(numbers):
    """By the conditional normal, averaged over draws of the two sds."""
    value = {key: record["value"] for key, record in numbers.items()}
    found = posterior()
    level = float(found.mean("beta")[0] + found.mean("a").sel(county="Lac Qui Parle"))
    assert value["radon-exact-lqp"] == pytest.approx(level, abs=1e-6)
    assert value["radon-pci-exact"] == pytest.approx(np.exp(level) - 0.1, abs=1e-6)
    draws = found.sample(200_000, np.random.default_rng(4))
    level = draws["beta"][:, 0] + draws["a"].sel(county="Lac Qui Parle")
    assert value["radon-exact-lqp-sd"] == pytest.approx(float(level.std()), abs=0.002)
    half = (found.mean("sigma") / found.mean("tau")) ** 2
    assert value["radon-weight-lqp"] == pytest.approx(100 * 2 / (2 + half), abs=0.1)


def test_warnings_depend_on_the_cut(numbers):
    value = {key: record["value"] for key, record in numbers.items()}
    assert value["radon-warn-cut-partial"] < value["radon-warn-cut-none"] / 2
    assert value["radon-warn-highest"] == pytest.approx(0.747, abs=0.02)


def test_the_sd_of_no_pooling_is_that_of_its_posterior(numbers):
    """Quadrature over sigma, with the chapter's priors, in place of the t."""
    y, county, design = houses()
    each = np.eye(85)[county.cat.codes]
    X = np.column_stack([each, design[:, 1]])
    prior = np.zeros(86)
    prior[-1] = 1 / 4
    sigma = np.linspace(0.6, 0.9, 301)
    column = list(county.cat.categories).index("Lac Qui Parle")
    log_p, variance, mean = [], [], []
    for s in sigma:
        A = X.T @ X / s**2 + np.diag(prior)
        b = X.T @ y / s**2
        found = np.linalg.solve(A, b)
        log_p.append(
            -len(y) * np.log(s)
            - 0.5 * np.linalg.slogdet(A)[1]
            - 0.5 * (y @ y / s**2 - b @ found)
            + HALF_NORMAL.logpdf(s)
        )
        mean.append(found[column])
        variance.append(np.linalg.inv(A)[column, column])
    p = np.exp(log_p - np.max(log_p))
    p /= p.sum()
    mean, variance = np.array(mean), np.array(variance)
    sd = np.sqrt(p @ variance + p @ (mean - p @ mean) ** 2)
    assert numbers["radon-none-lqp-sd"]["value"] == pytest.approx(sd, abs=0.003)


def with_houses(county_name, readings, floors):
    """The exact fit with other houses in one county."""
    y, county, design = houses()
    keep = (county != county_name).to_numpy()
    X = np.column_stack([np.ones(len(readings)), floors])
    names = [*county[keep], *[county_name] * len(readings)]
    return exact.varying_intercepts(
        np.r_[y[keep], readings],
        names,
        np.vstack([design[keep], X]),
        tau_prior=HALF_NORMAL,
        sigma_prior=HALF_NORMAL,
        beta_prior=stats.norm(0, 2),
    )


def level_of_all(fit):
    """Every county's deviation, by name."""
    return fit.mean("a").to_series()


def test_what_is_told_of_houses_added_and_taken_away(numbers):
    y, county, design = houses()
    beta = float(posterior().mean("beta")[1])
    own = {
        name: np.mean((y - beta * design[:, 1])[(county == name).to_numpy()])
        for name in county.cat.categories
    }
    here = (county == "St Louis").to_numpy()
    others = min(level for name, level in own.items() if name != "St Louis")
    for k in (1, 4):
        readings, floors = y[here][:k], design[here][:k, 1]
        assert np.mean(readings - beta * floors) < others
        level = level_of_all(with_houses("St Louis", readings, floors))
        assert level.min() < level["St Louis"]
    here = (county == "Lac Qui Parle").to_numpy()
    readings = np.r_[y[here], np.full(3, own["Lac Qui Parle"])]
    fit = with_houses("Lac Qui Parle", readings, np.r_[design[here][:, 1], 0, 0, 0])
    assert level_of_all(fit).idxmax() == "Lac Qui Parle"



def test_zeros_are_as_rare_as_the_exact_posterior_says(numbers, close):
    found = posterior().sample(2000, np.random.default_rng(3))
    y, county, design = houses()
    level = (
        found["beta"].to_numpy() @ design.T + found["a"].to_numpy()[:, county.cat.codes]
    )
    chance = stats.norm.cdf(
        (np.log(0.15) - level) / found["sigma"].to_numpy()[:, None]
    ).sum(axis=1)
    close(
        numbers["radon-zeros-expected"],
        chance.mean(),
        mcse_ref=chance.std() / len(chance) ** 0.5,
    )


def test_noise_is_counted_twice_in_the_copies_of_no_pooling(numbers):
    value = {key: record["value"] for key, record in numbers.items()}
    seen = value["radon-spread-small"] ** 2
    once, twice = (value[f"radon-spread-{key}"] ** 2 for key in ("once", "twice"))
    assert twice - seen == pytest.approx(2 * (once - seen))
    assert value["radon-spread-small-none"] == pytest.approx(twice**0.5, abs=0.03)


# --------------------------------------------------------------------- power

MIDDLE, TAU, SIGMA = 1.491, 0.32, 0.727


@cache
def sizes():
    _, county, _ = houses()
    return county.value_counts(sort=False).to_numpy()


@pytest.mark.parametrize(("place", "step"), [("lower", -1), ("mean", 0), ("higher", 1)])
def test_power_of_no_pooling_is_an_integral(numbers, close, place, step):
    se = SIGMA / np.sqrt(sizes())[:, None]
    theta = np.linspace(-6, 6, 4001)
    density = stats.norm.pdf(theta)
    claim = stats.norm.sf(stats.norm.ppf(0.95) + (step - theta) * TAU / se)
    above = theta > step
    power = (claim * density * above).sum() / (density * above).sum() / 85
    false = (claim * density * ~above).sum() / (density * ~above).sum() / 85
    close(numbers[f"radon-power-{place}-none"], 100 * power)
    close(numbers[f"radon-power-{place}-none-false"], 100 * false)
    wrong = (claim * density * ~above).sum() / (claim * density).sum()
    close(numbers[f"radon-power-{place}-none-wrong"], 100 * wrong)


@pytest.mark.parametrize(("place", "step"), [("lower", -1), ("mean", 0), ("higher", 1)])
def test_complete_pooling_claims_all_or_nothing(numbers, close, place, step):
    w = sizes() / SIGMA**2
    sd = np.sqrt(w**2 @ (TAU**2 + 1 / w)) / w.sum()
    share = stats.norm.sf((step * TAU + 1.645 / np.sqrt(w.sum())) / sd)
    # A data set's counties above the line are more when its mean is.
    for key in (f"radon-power-{place}-complete", f"radon-power-{place}-complete-false"):
        close(numbers[key], 100 * share, rounding=4)


@pytest.mark.parametrize(("place", "step"), [("lower", -1), ("mean", 0), ("higher", 1)])
def test_power_of_partial_pooling_is_near_that_with_known_parameters(
    numbers, close, place, step
):
    """With the mean and tau known, the posterior is normal: integrate again."""
    se = SIGMA / np.sqrt(sizes())[:, None]
    keep = TAU**2 / (TAU**2 + se**2)
    sd = np.sqrt(keep) * se
    line = step * TAU
    # Claimed if the reading is this far out.
    least = (line + stats.norm.ppf(0.95) * sd) / keep
    theta = np.linspace(-6, 6, 4001) * TAU
    density = stats.norm.pdf(theta / TAU)
    claim = stats.norm.sf((least - theta) / se)
    above = theta > line
    power = (claim * density * above).sum() / (density * above).sum() / 85
    wrong = (claim * density * ~above).sum() / (claim * density).sum()
    # Not knowing the two changes these by a few points.
    close(numbers[f"radon-power-{place}-partial"], 100 * power, rounding=2)
    assert wrong < 0.05
    assert numbers[f"radon-power-{place}-partial-wrong"]["value"] < 8
    assert numbers[f"radon-power-{place}-partial-false"]["value"] < 8


def test_at_equal_false_positives_pooling_finds_no_more(numbers):
    value = {key: record["value"] for key, record in numbers.items()}
    assert -8 < value["radon-power-gap-low"] < 0.5
    assert value["radon-power-gap-high"] < 3
    # With the parameters known, no other rule can find more.
    assert value["radon-power-gap-tau"] == 0.16
    assert 0 < value["radon-power-known-there"] < 4
    assert value["radon-power-wrong-most"] < 9
    for place in ("lower", "mean", "higher"):
        none = numbers[f"radon-power-{place}-none-at-five"]["value"]
        partial = numbers[f"radon-power-{place}-partial-at-five"]["value"]
        assert abs(none - partial) < 6


@pytest.mark.parametrize("tau", [16, 32, 64])
def test_slopes_of_counties_against_their_variances(numbers, close, tau):
    """Least squares is linear: its sd, and its naive error, from formulas."""
    radon = datasets.load_radon()
    u = radon.groupby("county", observed=True)["log_uranium"].first().to_numpy()
    u, n = (u - u.mean()) / u.std(ddof=1), sizes()
    variance = (tau / 100) ** 2 + SIGMA**2 / n
    d = n * (u - np.average(u, weights=n))
    sd = np.sqrt((d**2) @ variance) / (d @ u)
    # The naive residual variance, in expectation and nearly.
    naive = np.sqrt(((tau / 100) ** 2 + SIGMA**2) / (d @ u))
    false = 2 * stats.norm.sf(1.96 * naive / sd)
    close(numbers[f"radon-slope-{tau}-complete-false"], 100 * false, rounding=5)
    # A claim of the wrong sign counts as well.
    power = stats.norm.sf((1.96 * naive - 0.1) / sd)
    power += stats.norm.cdf((-1.96 * naive - 0.1) / sd)
    close(numbers[f"radon-slope-{tau}-complete-power"], 100 * power, rounding=4)
    for kind in ("means", "partial"):
        close(numbers[f"radon-slope-{tau}-{kind}-false"], 5.0, rounding=1)
    # With tau known the weighted estimate has the least variance there is.
    w = 1 / variance
    best = 1 / np.sqrt(w @ (u - np.average(u, weights=w)) ** 2)
    power = stats.norm.sf(1.96 - 0.1 / best)
    close(numbers[f"radon-slope-{tau}-partial-power"], 100 * power, rounding=3)
    plain = np.sqrt((u - u.mean()) ** 2 @ variance) / ((u - u.mean()) @ u)
    power = stats.norm.sf(1.96 - 0.1 / plain)
    close(numbers[f"radon-slope-{tau}-means-power"], 100 * power, rounding=3)
    names = ("complete", "means", "partial")
    at_five = [numbers[f"radon-slope-{tau}-{k}-at-five"]["value"] for k in names]
    assert at_five[0] < at_five[2] + 3
    assert at_five[1] < at_five[2] + 4


def test_enough_houses_are_the_fewest_that_are_enough(numbers):
    """One house fewer does not halve the sd."""
    y, county, design = houses()
    here = (county == "Lac Qui Parle").to_numpy()
    own = numbers["radon-none-lqp"]["value"]

    def level_sd(count):
        extra = max(count - 2, 0)
        about = np.arange(extra) - (extra - 1) / 2
        about = about * 0.727 / about.std(ddof=1) if extra > 1 else about
        fit = with_houses(
            "Lac Qui Parle",
            np.r_[y[here], own + about],
            np.r_[design[here][:, 1], np.zeros(extra)],
        )
        house = fit.predict("Lac Qui Parle", [1, 0]).sd()
        return np.sqrt(house**2 - fit.mean("sigma") ** 2 - fit.sd("sigma") ** 2)

    enough = numbers["radon-explore-enough"]["value"]
    assert level_sd(enough) <= level_sd(2) / 2 < level_sd(enough - 1)


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
