"""The chapter on hierarchical priors: published results, and quadrature again."""

import numpy as np
import pytest
from scipy import stats

from pooling import datasets, exact, simulate

CHAPTER = "why-hierarchy/what-is-a-hierarchical-prior"


@pytest.fixture(scope="module")
def data():
    schools = datasets.load_eight_schools()
    return schools["effect"].to_numpy(), schools["se"].to_numpy()


@pytest.fixture(scope="module")
def posterior(data):
    return exact.normal_hierarchy(*data)


# As published: Rubin (1981) and BDA3, section 5.5, with the latter's flat (mu, tau).
PUBLISHED = {
    "hp-pooled": 7.69,
    "hp-pooled-se": 4.07,
    "hp-chi2": 4.71,
    "hp-tau-mean": 6.58,
    "hp-tau-sd": 5.65,
    "hp-tau-median": 5.24,
    "hp-tau-lo": 0.24,
    "hp-tau-hi": 20.75,
    "hp-mu-mean": 7.93,
    "hp-mu-sd": 5.18,
    "hp-f-hi": 18.6,
    "hp-h-hi": 25.6,
    "hp-tau-mode": 0,
    "hp-a-tau-5": 9.87,
    "hp-c-tau-5": 6.89,
}
MEANS_AND_SDS = {
    ("hp-theta-A", "hp-theta-sd-A"): (11.40, 8.34),
    ("hp-theta-B", "hp-theta-sd-B"): (7.89, 6.27),
    ("hp-theta-C", "hp-theta-sd-C"): (6.13, 7.77),
    ("hp-theta-D", "hp-theta-sd-D"): (7.64, 6.55),
    ("hp-theta-E", "hp-theta-sd-E"): (5.13, 6.36),
    ("hp-theta-F", "hp-theta-sd-F"): (6.14, 6.71),
    ("hp-theta-G", "hp-theta-sd-G"): (10.67, 6.79),
    ("hp-theta-H", "hp-theta-sd-H"): (8.46, 7.89),
}
FROM_DRAWS = ["hp-mcmc-mu", "hp-mcmc-tau"] + [
    "hp-mcmc-A", "hp-mcmc-B", "hp-mcmc-C", "hp-mcmc-D",
    "hp-mcmc-E", "hp-mcmc-F", "hp-mcmc-G", "hp-mcmc-H",
]


@pytest.mark.parametrize("key", PUBLISHED)
def test_published_results(numbers, key):
    places = len(str(PUBLISHED[key]).partition(".")[2])
    assert numbers[key]["value"] == pytest.approx(
        PUBLISHED[key], abs=0.51 * 10.0**-places
    )


@pytest.mark.parametrize("keys", MEANS_AND_SDS)
def test_each_school(numbers, keys):
    for key, published in zip(keys, MEANS_AND_SDS[keys], strict=True):
        assert numbers[key]["value"] == pytest.approx(published, abs=0.0051)


@pytest.mark.parametrize("key", FROM_DRAWS)
def test_draws_agree_with_quadrature(numbers, close, posterior, key):
    name = key.removeprefix("hp-mcmc-")
    if name in ("mu", "tau"):
        reference = posterior.mean(name)
    else:
        reference = posterior.mean("theta").values["ABCDEFGH".index(name)]
    close(numbers[key], reference)


def test_fit_is_sound(fits):
    (fit,) = fits(CHAPTER)
    assert not fit["failures"]


def test_largest_effect(numbers, close):
    close(numbers["hp-p-max"], 0.069, rounding=0.0005)


def test_homogeneity_test_has_little_power(numbers, close, data):
    _, sigma = data
    rng = np.random.default_rng(5)
    _, y = simulate.normal_hierarchy(0, 5, sigma, replications=100_000, rng=rng)
    mean = np.average(y, axis=1, weights=sigma**-2)[:, None]
    q = (((y - mean) / sigma) ** 2).sum(axis=1)
    p = np.mean(q < stats.chi2.ppf(0.95, 7))
    se = 100 * np.sqrt(p * (1 - p) / len(y))
    close(numbers["hp-chi2-pass"], 100 * p, mcse_ref=se)


def test_effective_number_is_sum_of_variance_ratios(numbers, data, posterior):
    ratio = np.sum(posterior.sd("theta").values ** 2 / data[1] ** 2)
    assert numbers["hp-p-eff"]["value"] == pytest.approx(ratio)
    assert numbers["hp-trace"]["value"] == pytest.approx(ratio, abs=1e-4)
    assert numbers["hp-slope-ab"]["value"] == pytest.approx(
        numbers["hp-cov-ab"]["value"], abs=1e-4
    )


def test_b_is_highest_where_the_chapter_says(numbers, data):
    y, sigma = data
    at = numbers["hp-b-max-at"]["value"]
    trial = np.tile(y, (3, 1))
    trial[:, 0] = at - 2, at, at + 2
    b = exact.normal_hierarchy(trial, sigma).mean("theta").values[:, 1]
    assert b.argmax() == 1
    assert numbers["hp-b-max"]["value"] == pytest.approx(b[1])


def test_one_point_for_b(numbers, data, posterior):
    y, sigma = data
    moved = y.copy()
    moved[0] = numbers["hp-b-one-at"]["value"]
    gain = exact.normal_hierarchy(moved, sigma).mean("theta") - posterior.mean("theta")
    assert float(gain[1]) == pytest.approx(1, abs=0.01)


def test_flat_on_log_tau_diverges_at_the_rate_of_theory(numbers, posterior):
    # Near zero the integrand is the density at zero over tau.
    assert numbers["hp-log-step"]["value"] == pytest.approx(
        posterior.density("tau", 0.0) * np.log(10), rel=1e-4
    )


def test_hyperpriors(numbers, data):
    for key, prior in {
        "hp-hn5-a": stats.halfnorm(scale=5),
        "hp-hn10-a": stats.halfnorm(scale=10),
    }.items():
        fit = exact.normal_hierarchy(*data, tau_prior=prior)
        assert numbers[key]["value"] == pytest.approx(float(fit.mean("theta")[0]))


def test_the_advice_with_the_recommended_prior(numbers, data):
    fit = exact.normal_hierarchy(*data, tau_prior=stats.halfnorm(scale=10))
    draws = fit.sample(200_000, np.random.default_rng(6))["theta"].to_numpy()[:, 0]
    assert numbers["hp-hn10-over-28"]["value"] == pytest.approx(
        100 * (draws > 28).mean(), abs=0.15
    )
    assert numbers["hp-theta-A-short"]["value"] == numbers["hp-theta-A"]["value"]
    assert numbers["hp-theta-sd-A-short"]["value"] == numbers["hp-theta-sd-A"]["value"]


def test_shortest_interval_begins_at_zero(numbers, posterior):
    assert numbers["hp-tau-hdi"]["value"] == pytest.approx(
        float(posterior.quantile("tau", 0.95)), abs=0.05
    )
    tau = np.linspace(0, 30, 301)
    assert np.diff(posterior.density("tau", tau)).max() < 0


def test_range_of_eight_normal_draws(numbers):
    draws = np.random.default_rng(7).standard_normal((200_000, 8))
    assert numbers["hp-range"]["value"] == pytest.approx(
        np.ptp(draws, axis=1).mean(), abs=0.01
    )


def test_widths_move_a_more_than_hyperpriors_do(numbers):
    value = {key: record["value"] for key, record in numbers.items()}
    width = value["hp-a-tau-20"] - value["hp-a-tau-5"]
    hyper = value["hp-hn20-a"] - value["hp-hn5-a"]
    assert width > 4 * hyper > 0
    assert value["hp-hn1-a"] < value["hp-hn5-a"]
    assert value["hp-a-tau-5"] < value["hp-a-tau-10"] < value["hp-a-tau-20"]
    assert value["hp-c-tau-5"] > value["hp-c-tau-10"] > value["hp-c-tau-20"]
    assert value["hp-sd-b-tau-0"] < value["hp-sd-b-tau-10"] < value["hp-sd-b-tau-100"]


def test_what_is_told_of_a_falling_c(numbers, data):
    """Who turns back, in which order, and what precision does, near and far."""
    y, sigma = data
    turn = {name: numbers[f"hp-turn-{name}"]["value"] for name in "GAHBD"}
    assert turn["A"] > turn["G"] > turn["H"] > turn["B"] > turn["D"] > -56
    for key, at in [("near", -3), ("far", -40)]:
        for error in (16, 2):
            lower, errors = y.copy(), sigma.copy()
            lower[2], errors[2] = at, error
            mean = exact.normal_hierarchy(lower, errors).mean("theta").values
            for name in "AEFGH":
                glued = numbers[f"hp-{key}-{name}-{error}"]["value"]
                assert glued == pytest.approx(mean["ABCDEFGH".index(name)])
    value = {key: record["value"] for key, record in numbers.items()}
    for name in "AEFGH":
        assert value[f"hp-near-{name}-2"] < value[f"hp-near-{name}-16"]
    for name in "AGH":
        assert value[f"hp-far-{name}-2"] > value[f"hp-far-{name}-16"]
    for name in "EF":
        assert value[f"hp-far-{name}-2"] < value[f"hp-far-{name}-16"]


def test_freedom_can_exceed_the_number_of_groups(numbers, data):
    y, sigma = data
    for at in (71, 500):
        raised = y.copy()
        raised[0] = at
        sd = exact.normal_hierarchy(raised, sigma).sd("theta").values
        assert numbers[f"hp-p-eff-{at}"]["value"] == pytest.approx(
            np.sum(sd**2 / sigma**2)
        )
        assert numbers[f"hp-p-eff-{at}"]["value"] < 8
    assert numbers["hp-p-eff-over"]["value"] > 8
    assert numbers["hp-b-lost"]["value"] < numbers["hp-b-gain"]["value"]


def test_the_third_part_is_large_where_the_sd_of_a_is_largest(numbers, data):
    """By draws: the variance of A's mean given tau, over the posterior of tau."""
    y, sigma = data
    raised = y.copy()
    raised[0] = numbers["hp-sd-a-max-at"]["value"]
    fit = exact.normal_hierarchy(raised, sigma)
    tau = fit.sample(40_000, np.random.default_rng(8))["tau"].to_numpy()
    w = 1 / (sigma**2 + tau[:, None] ** 2)
    mu = (w @ raised) / w.sum(axis=1)
    B = sigma[0] ** 2 * w[:, 0]
    mean = (1 - B) * raised[0] + B * mu
    share = 100 * mean.var() / float(fit.sd("theta")[0]) ** 2
    assert numbers["hp-third-71"]["value"] == pytest.approx(share, abs=1.5)
    low, high = np.quantile(tau, [0.05, 0.95])
    assert numbers["hp-tau-71-low"]["value"] == pytest.approx(low, abs=0.5)
    assert numbers["hp-tau-71-high"]["value"] == pytest.approx(high, abs=1)
    assert numbers["hp-sd-a-max"]["value"] > sigma[0]


def test_school_a_is_worked_out_for_one_tau(numbers, data):
    y, sigma = data
    weight = 1 / (sigma**2 + 100)
    mu = weight @ y / weight.sum()
    share = 225 / 325
    assert numbers["hp-b-a-10"]["value"] == pytest.approx(share)
    assert numbers["hp-mu-10"]["value"] == pytest.approx(mu)
    assert numbers["hp-a-tau-10"]["value"] == pytest.approx(28 + share * (mu - 28))


def test_effective_number_approaches_the_number_of_groups_from_below(numbers, data):
    y, sigma = data
    for estimate in (71, 500):
        raised = np.append(estimate, y[1:])
        sd = exact.normal_hierarchy(raised, sigma).sd("theta").values
        found = numbers[f"hp-p-eff-{estimate}"]["value"]
        assert found == pytest.approx(np.sum(sd**2 / sigma**2)) and found < 8
