"""The chapter on group-level predictors against lme4, refits and dense matrices."""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from pooling import datasets, exact

CHAPTER = "pooling/group-predictors"
PRIORS = {
    "tau_prior": stats.halfnorm(scale=1),
    "sigma_prior": stats.halfnorm(scale=1),
    "beta_prior": stats.norm(0, 2),
}


@cache
def houses():
    """Readings, counties, and all columns: constant, floor, uranium, share."""
    radon = datasets.load_radon()
    share = radon.groupby("county", observed=True)["floor"].transform("mean")
    X = np.column_stack(
        [np.ones(len(radon)), radon["floor"], radon["log_uranium"], share]
    )
    return radon["log_radon"].to_numpy(), radon["county"].astype(str).to_numpy(), X


@cache
def fitted(columns, without=None):
    y, county, X = houses()
    keep = county != without
    return exact.varying_intercepts(y[keep], county[keep], X[keep, :columns], **PRIORS)


def test_every_fit_is_sound(fits):
    records = fits(CHAPTER)
    assert [record["name"] for record in records] == ["fit"]
    assert not any(record["failures"] or record["expect"] for record in records)


def test_the_fits_of_lme4(value):
    """REML by lme4 1.1-31 (R: lmer), of log(activity + 0.1), with log_uranium.

    y ~ floor + (1 | county): tau 0.315408, sigma 0.725780.
    y ~ floor + log_uranium + (1 | county): floor -0.638778 (0.0660473),
    uranium 0.697499 (0.0876270), tau 0.147666, sigma 0.728458.
    The same + share: floor -0.689228 (0.0708302), share 0.392487 (0.1927682),
    tau 0.132969. lm(y ~ floor + county): floor -0.689228 (0.070619).
    """
    assert value["pred-tau-plain"] == pytest.approx(0.3154, abs=0.01)
    assert value["pred-tau-rich"] == pytest.approx(0.1477, abs=0.01)
    assert value["pred-sigma-rich"] == pytest.approx(0.7285, abs=0.005)
    assert value["pred-slope"] == pytest.approx(0.6975, abs=0.002)
    assert value["pred-slope-sd"] == pytest.approx(0.0876, abs=0.005)
    assert value["pred-rich-beta"] == pytest.approx(-0.6388, abs=0.002)
    assert value["pred-context-floor"] == pytest.approx(-0.6892, abs=0.002)
    assert value["pred-context-share"] == pytest.approx(0.3925, abs=0.005)
    assert value["pred-context-share-sd"] == pytest.approx(0.1928, abs=0.01)
    assert value["pred-tau-context"] == pytest.approx(0.1330, abs=0.01)
    assert value["pred-free"] == pytest.approx(-0.689228, abs=1e-6)
    assert value["pred-free-se"] == pytest.approx(0.070619, abs=1e-6)


def test_the_slope_with_the_share_does_not_depend_on_tau(value):
    assert value["pred-slope-spread"] < 1e-9
    assert value["pred-slope-far"] == pytest.approx(value["pred-free"], abs=5e-4)
    y, _, X = houses()
    assert value["pred-slope-ols"] == pytest.approx(
        np.linalg.lstsq(X[:, :3], y)[0][1], abs=1e-9
    )


def test_a_share_of_few_houses_has_an_attenuated_coefficient(value):
    """By whole surveys with noise and a slope of the floor, house by house."""
    _, county, X = houses()
    _, code, n = np.unique(county, return_inverse=True, return_counts=True)
    rng = np.random.default_rng(6)
    tau, sigma, mean, sd = 0.135, 0.73, 0.2, value["pred-recover-sd-middle"]
    kappa = mean * (1 - mean) / sd**2 - 1
    V = np.where(code[:, None] == code, tau**2, 0) + sigma**2 * np.eye(len(code))
    inverse = np.linalg.inv(V)
    found = []
    for _ in range(400):
        true = rng.beta(mean * kappa, (1 - mean) * kappa, len(n))
        floor = (rng.random(len(code)) < true[code]).astype(float)
        share = np.bincount(code, floor) / n
        level = true + rng.normal(0, tau, len(n))
        y = level[code] - 0.69 * floor + rng.normal(0, sigma, len(code))
        columns = np.column_stack([X[:, 0], floor, X[:, 2], share[code]])
        half = columns.T @ inverse
        found.append(np.linalg.solve(half @ columns, half @ y))
    _, slope, _, coefficient = np.transpose(found)
    error = coefficient.std() / len(found) ** 0.5
    now = value["pred-recover-middle-now"]
    assert coefficient.mean() == pytest.approx(now, abs=4 * error + 0.01)
    assert slope.mean() == pytest.approx(-0.69, abs=0.02)
    for column in ("now", "ten"):
        keys = [f"pred-recover-{sd}-{column}" for sd in ("small", "middle", "large")]
        assert value[keys[0]] < value[keys[1]] < value[keys[2]] < 1
    # "may well be three times the one above"
    assert 2.5 < 1 / now < 4
    assert value["pred-true-sd-low"] < sd < value["pred-true-sd-high"]


def test_r_squared_of_draws_from_the_exact_posterior(numbers, value):
    fit = fitted(3)
    _, county, X = houses()
    draw = fit.sample(4000, np.random.default_rng(1))
    first = [np.flatnonzero(county == name)[0] for name in fit.groups]
    beta = draw["beta"].transpose("sample", ...).to_numpy()
    a = draw["a"].transpose("sample", ...).to_numpy()
    level = a + beta[:, [0, 2]] @ X[first][:, [0, 2]].T
    right = 1 - a.var(axis=1).mean() / level.var(axis=1).mean()
    assert value["pred-r2-counties"] == pytest.approx(right, abs=0.02)
    assert value["pred-r2-means"] > value["pred-r2-counties"]
    assert value["pred-r2-low"] < 0.6 and value["pred-r2-high"] > 0.9


def test_useless_predictors_often_raise_tau(value):
    assert 40 < value["pred-permuted-negative"] < 90
    assert value["pred-permuted-largest"] < value["pred-fall"] / 2
    assert value["pred-rise"] > 0


def test_exact_cross_validation_against_fits_without_them(value):
    """One county, by the evidence of two fits; one house, by a fit without it."""
    whole, without = fitted(3), fitted(3, "Lac Qui Parle")
    joint = whole.log_evidence - without.log_evidence
    assert value["pred-lqp-joint"] == pytest.approx(joint, abs=1e-4)
    y, county, X = houses()
    rest = exact.varying_intercepts(y[1:], county[1:], X[1:, :3], **PRIORS)
    alone = rest.predict(county[0], X[0, :3]).log_density(y[0])
    assert value["pred-first-house"] == pytest.approx(float(alone), abs=1e-4)


def test_arviz_with_levels_drawn_is_wrong_and_integrated_right(value):
    for key, slack in (("house", 0.5), ("marginal", 0.7), ("plain-marginal", 0.7)):
        gap = value[f"pred-loo-{key}"] - value[f"pred-loo-{key}-exact"]
        assert abs(gap) < slack, key
    gap = value["pred-loo-plain-drawn"] - value["pred-loo-plain-drawn-exact"]
    assert gap > 4 and value["pred-loo-plain-drawn-bad"] > 10
    assert value["pred-lead-county"] > value["pred-lead-house"] > 0
    assert value["pred-loo-gain-drawn"] < value["pred-lead-county"] - 3


def test_uranium_matters_more_for_a_county_than_for_a_house(value):
    more = value["pred-lead-county"] - value["pred-lead-house"]
    assert value["pred-lead-more"] == pytest.approx(more)
    assert value["pred-lead-more"] > 2 * value["pred-lead-more-se"]
    apart = value["pred-each-few"] - value["pred-each-many"]
    assert apart > 2 * np.hypot(value["pred-each-few-se"], value["pred-each-many-se"])


@pytest.mark.slow
def test_three_predictions(value):
    """By another way: the level's variance from the posterior of the coefficients."""
    u = houses()[2][houses()[1] == "Lac Qui Parle"][0, 2]
    draw = fitted(3).sample(100_000, np.random.default_rng(2))
    beta = draw["beta"].transpose("coefficient", ...).to_numpy()
    line = beta[0] + u * beta[2]
    sd = np.sqrt(line.var() + np.mean(draw["tau"].to_numpy() ** 2))
    assert value["pred-b-level"] == pytest.approx(line.mean(), abs=0.005)
    assert value["pred-b-level-sd"] == pytest.approx(sd, abs=0.003)
    assert value["pred-c-level-sd"] > 1.8 * value["pred-b-level-sd"]
    assert abs(value["pred-a-level-sd"] - value["pred-b-level-sd"]) < 0.01
    ratio = value["pred-a-house-sd"] / value["pred-c-house-sd"]
    assert 0.9 < ratio < 1


def test_as_many_houses_as_uranium_is_worth(value):
    """A whole fit with that many houses and no uranium, read as expected or not."""
    y, county, X = houses()
    m = round(value["pred-needed"])
    scatter = np.arange(m) - (m - 1) / 2
    scatter *= value["pred-sigma-plain"] / scatter.std(ddof=1)
    for away in (0, value["pred-c-level-sd"]):
        fit = exact.varying_intercepts(
            np.r_[y, value["pred-c-level"] + away + scatter],
            [*county, *["new"] * m],
            np.vstack([X[:, :2], np.tile([1, 0], (m, 1))]),
            **PRIORS,
        )
        noise = fit.mean("sigma") ** 2 + fit.sd("sigma") ** 2
        sd = np.sqrt(fit.predict("new", [1, 0]).sd() ** 2 - noise)
        assert float(sd) == pytest.approx(value["pred-b-level-sd"], abs=0.005)


def test_the_houses_that_the_department_measures(value):
    sigma, target = value["pred-sigma-rich"], 0.1
    for key, letter in (("known", "b"), ("unknown", "c")):
        needed = sigma**2 * (1 / target**2 - value[f"pred-{letter}-level-sd"] ** -2)
        assert value[f"pred-houses-{key}-fine"] == np.ceil(needed)
        for name, slack in (("near", 0.008), ("typical", 0.002), ("far", 0.01)):
            after = value[f"pred-after-{key}-{name}"]
            assert after == pytest.approx(target, abs=slack)
    assert value["pred-houses-known-coarse"] == 0


def test_a_county_with_one_house_is_predicted_as_by_a_fit_without_it(numbers, value):
    y, county, X = houses()
    name = numbers["pred-single"]["text"]
    (row,) = np.flatnonzero(county == name)
    right = fitted(3, name).predict("new", X[row, :3]).cdf(y[row])
    assert value["pred-single-probability"] == pytest.approx(float(right), abs=1e-4)


def test_coverage_of_counties_left_out(value):
    for key in ("rich", "plain"):
        gap = abs(value[f"pred-held-{key}-right"] - 80)
        assert gap < 2 * value["pred-cover-se"]
    assert value["pred-held-plain-forget"] < 65
    assert value["pred-held-plain-forget-large"] < 55
    assert value["pred-held-rich-forget"] < value["pred-held-rich-right"]
    assert value["pred-large"] == 22


def test_the_mistakes_cost_more_where_tau_is_larger(value):
    for way in ("forget", "reuse"):
        cost = {key: value[f"pred-lost-{key}-{way}"] for key in ("rich", "plain")}
        missed = {key: value[f"pred-missed-{key}-{way}"] for key in ("rich", "plain")}
        assert cost["plain"] > cost["rich"] > 0
        assert missed["plain"] > missed["rich"] > 0
        error = value[f"pred-missed-plain-{way}-se"]
        assert missed["plain"] > 4 * error
    assert value["pred-lost-rich-forget"] < value["pred-lost-rich-forget-se"]
    assert value["pred-lost-plain-forget"] > 1.5 * value["pred-lost-plain-forget-se"]
    # "each of the choices costs something", and some choices gain with uranium
    assert value["pred-reuse-plain-low"] > 0 > value["pred-reuse-rich-low"]
    assert 0 < value["pred-reuse-rich-gains"] < 30
    # A level brings another county's uranium: each choice costs more than a deviation
    # does on average, and their mean more than any other mistake.
    assert value["pred-level-rich-low"] > value["pred-lost-plain-reuse"]
    others = [value[f"pred-lost-{key}-{way}"] for key in ("rich", "plain")
              for way in ("forget", "reuse")]
    assert value["pred-lost-rich-level"] > max(others)
    assert value["pred-held-rich-level"] < value["pred-held-rich-forget"] - 5
    # A neighbour by uranium: "no cost can be shown"
    assert abs(value["pred-similar-plain"]) < value["pred-similar-plain-se"]


@pytest.mark.slow
def test_a_re_used_county_against_a_fit_without_the_new_one(value):
    """One county's log density with another's deviation, or level: draws of a fit."""
    y, county, X = houses()
    names = np.array(sorted(set(county)))
    assert value["pred-others"] == len(names) - 1
    new, old = names[0], names[1]
    rows = county == new
    fit = fitted(3, new)
    draw = fit.sample(60_000, np.random.default_rng(4))
    beta = draw["beta"].transpose("sample", ...).to_numpy()
    effect = draw["a"].sel(group=old).to_numpy()
    sd = draw["sigma"].to_numpy() / rows.sum() ** 0.5
    here = X[rows, :3].mean(0)
    level = np.array([1, here[1], X[county == old][0, 2]])
    for key, x in (("reuses", here), ("level-of", level)):
        density = stats.norm.pdf(y[rows].mean(), beta @ x + effect, sd)
        error = density.std() / density.mean() / len(density) ** 0.5
        found = value[f"pred-first-{key}-second"]
        assert found == pytest.approx(np.log(density.mean()), abs=4 * error)


def test_the_two_lines_of_draws(numbers, close):
    for name in ("level", "house"):
        right = numbers[f"pred-b-{name}-sd"]["value"]
        close(numbers[f"pred-b-drawn-{name}-sd"], right)
    close(numbers["pred-b-drawn-above"], numbers["pred-b-above"]["value"])


def test_a_new_county_by_hand(value):
    tau, sigma = value["pred-tau-rich"], value["pred-sigma-rich"]
    weight = 3 * tau**2 / (3 * tau**2 + sigma**2)
    assert value["pred-ex1-weight"] == pytest.approx(weight)
    assert value["pred-ex1-sd"] == pytest.approx(tau * (1 - weight) ** 0.5)
    hand = value["pred-ex1-prior"] + weight * (2 - value["pred-ex1-prior"])
    assert value["pred-ex1-hand"] == pytest.approx(hand)
    gain = value["pred-ex1-exact"] - value["pred-ex1-hand"]
    assert value["pred-ex1-gain"] == pytest.approx(gain)
    assert 0.5 < value["pred-ex1-line-gain"] / gain < 0.65
    assert value["pred-ex1-tau"] > value["pred-tau-rich"]


def test_the_level_of_a_new_county_without_tau_is_too_sure(value):
    assert value["pred-ex3-level-wrong"] > 0.999
    assert value["pred-ex3-miss"] > 0.02


def test_centring_changes_words_and_no_answer(value):
    assert value["pred-ex2-share"] == pytest.approx(
        value["pred-ex2-share-given"] + value["pred-ex2-floor"], abs=1e-6
    )
