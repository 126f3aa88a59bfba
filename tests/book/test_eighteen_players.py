"""The players' chapter against published results, integrals and the exact posterior."""

from functools import cache

import numpy as np
import pytest
from scipy import integrate, stats

from pooling import datasets, exact

CHAPTER = "why-hierarchy/eighteen-players"
N = 45


@cache
def table():
    """Hits, averages, and averages over the rest of the season."""
    players = datasets.load_baseball()
    hits = players["hits"].to_numpy()
    return hits, hits / N, players["rest_average"].to_numpy()


@cache
def posterior():
    """Points in mu and kappa, and their weights: by another rule than the chapter's."""
    hits, _, _ = table()
    (x, a), (z, b) = (np.polynomial.legendre.leggauss(k) for k in (60, 120))
    mu, w = 0.275 + 0.125 * x[:, None], 0.25 * (1 + z)
    kappa = w**-2
    log_like = sum(
        stats.betabinom.logpmf(y, N, mu * kappa, (1 - mu) * kappa) for y in hits
    )
    mass = np.exp(log_like - log_like.max()) * a[:, None] * b
    return mu, kappa, mass / mass.sum()


def test_every_fit_is_sound(fits):
    records = fits(CHAPTER)
    assert [record["name"] for record in records] == ["first", "second"]
    assert not any(record["failures"] or record["expect"] for record in records)


def test_the_published_results(numbers):
    """Efron and Morris (1975, 1977): what was kept, and the errors."""
    text = {key: record["text"] for key, record in numbers.items()}
    assert text["ball-kept"] == "0.212"
    assert text["ball-error-printed"] == "0.0754"
    assert text["ball-error-none"] == "0.0753"
    assert text["ball-error-shrunk"] == "0.0213"
    assert text["ball-better"] == "16"
    assert text["ball-x-kept"] == "0.209"


def test_the_weights_add_up(value):
    data, prior = value["ball-precision-data"], value["ball-precision-prior"]
    assert data / (data + prior) == pytest.approx(value["ball-kept"])
    assert value["ball-B"] + value["ball-kept"] == pytest.approx(1)
    assert (data + prior) ** -0.5 == pytest.approx(value["ball-sd"])
    between = value["ball-kept"] * 0.4 + value["ball-B"] * value["ball-mean"]
    assert between == pytest.approx(value["ball-clemente-shrunk"])


def test_equal_players_scatter_as_much_as_a_chi_squared_says(numbers, close):
    """Against the normal approximation, whose error is a point or so."""
    _, average, _ = table()
    mean = average.mean()
    chance = mean * (1 - mean) / N
    scatter = 17 * average.var(ddof=1)
    for key, tau in (("alike", 0), ("different", 0.035)):
        share = stats.chi2.sf(scatter / (chance + tau**2), 17)
        close(numbers[f"ball-{key}-above"], 100 * share, rounding=1.5)
    tau = numbers["ball-tau"]["value"]
    zero = stats.chi2.cdf(15 * chance / (chance + tau**2), 17)
    close(numbers["ball-guess-zero"], 100 * zero, rounding=1.5)
    high = stats.chi2.ppf(0.9, 17) * (chance + tau**2) / 15 - chance
    assert numbers["ball-guess-high"]["value"] == pytest.approx(high**0.5, abs=0.002)
    assert numbers["ball-guess-low"]["value"] == 0


def test_the_two_for_whom_it_is_worse(numbers):
    assert numbers["ball-worse-one"]["text"] == "Ron Swoboda"
    assert numbers["ball-worse-two"]["text"] == "Ellie Rodriguez"


def test_draws_of_the_first_fit_agree_with_the_formula(numbers, close):
    kappa = numbers["ball-kappa-0"]["value"]
    mean = numbers["ball-mean"]["value"]
    close(numbers["ball-first-clemente"], (kappa * mean + 18) / (kappa + N))
    # The largest of eighteen gaps, in standard errors.
    assert numbers["ball-first-worst"]["value"] < 4.5
    assert numbers["ball-second-worst"]["value"] < 4
    assert numbers["ball-normal-gap"]["value"] < 0.0005


@pytest.mark.parametrize("name", ["mu", "tau", "clemente"])
def test_grid_and_draws_agree_with_another_quadrature(numbers, close, name):
    mu, kappa, mass = posterior()
    right = {
        "mu": mu,
        "tau": np.sqrt(mu * (1 - mu) / (kappa + 1)),
        "clemente": (mu * kappa + 18) / (kappa + N),
    }[name]
    right = np.sum(mass * right)
    assert numbers[f"ball-exact-{name}"]["value"] == pytest.approx(right, abs=2e-5)
    close(numbers[f"ball-draws-{name}"], right)


def test_what_is_said_of_the_exact_posterior(numbers):
    hits, average, rest = table()
    mu, kappa, mass = posterior()
    rates = [np.sum(mass * (mu * kappa + y) / (kappa + N)) for y in hits]
    error = np.sum((rates - rest) ** 2)
    assert numbers["ball-exact-error"]["value"] == pytest.approx(error, abs=2e-6)
    assert numbers["ball-exact-better"]["value"] == np.sum(
        np.abs(rates - rest) < np.abs(average - rest)
    )
    share = np.sum(mass * kappa / (kappa + N))
    assert numbers["ball-exact-B"]["value"] == pytest.approx(share, abs=2e-4)
    fit = exact.beta_binomial(hits, np.full(18, N))
    low, high = fit.quantile("tau", [0.025, 0.975]).values
    assert numbers["ball-tau-lo"]["value"] == pytest.approx(low, abs=5e-5)
    assert numbers["ball-tau-hi"]["value"] == pytest.approx(high, abs=5e-5)
    a, b = mu * kappa + 18, (1 - mu) * kappa + N - 18
    second = np.sum(mass * a * (a + 1) / ((a + b) * (a + b + 1)))
    sd = (second - rates[0] ** 2) ** 0.5
    assert numbers["ball-exact-sd"]["value"] == pytest.approx(sd, abs=2e-4)
    assert numbers["ball-exact-sd"]["value"] > numbers["ball-first-sd"]["value"]


def test_another_prior_of_the_width(numbers):
    hits, _, _ = table()
    mu, kappa, mass = posterior()
    other = mass * kappa**-0.5 / (1 + N / kappa) ** 2
    other /= other.sum()
    tau = np.sum(other * np.sqrt(mu * (1 - mu) / (kappa + 1)))
    clemente = np.sum(other * (mu * kappa + 18) / (kappa + N))
    assert numbers["ball-other-tau"]["value"] == pytest.approx(tau, abs=5e-5)
    assert numbers["ball-other-clemente"]["value"] == pytest.approx(clemente, abs=5e-5)


def test_simulated_seasons_are_told_as_they_are(value):
    """Shrinkage gains in every design, and the less the more the players differ."""
    keys = ["0", "tau", "1"]
    gains = [value[f"ball-play-{k}-none"] - value[f"ball-play-{k}-some"] for k in keys]
    assert all(np.diff(gains) < 0) and gains[-1] > 0
    assert value["ball-play-tau-total"] > 98 and value["ball-play-1-total"] > 75
    assert value["ball-far"] < 50 < value["ball-near"]
    assert value["ball-play-tau-sixteen"] < 15 and value["ball-lucky"] < 20


def test_errors_without_shrinkage_are_sums_of_variances(numbers, close):
    players = datasets.load_baseball()
    mean = numbers["ball-mean"]["value"]
    for key, tau in (("0", 0), ("tau", numbers["ball-tau"]["value"])):
        chance = mean * (1 - mean) - tau**2
        expected = chance * np.sum(1 / N + 1 / players["rest_at_bats"])
        close(numbers[f"ball-play-{key}-none"], expected)


def test_errors_of_the_same_estimate_for_all_are_sums_of_variances(numbers, close):
    """The mean of the players has a part of each player's own rate and chance in it."""
    players = datasets.load_baseball()
    mean = numbers["ball-mean"]["value"]
    cases = {"02": 0.02, "tau": numbers["ball-tau"]["value"], "05": 0.05}
    for key, tau in cases.items():
        chance = mean * (1 - mean) - tau**2
        expected = 17 * tau**2 + chance / N
        expected += chance * np.sum(1 / players["rest_at_bats"])
        close(numbers[f"ball-play-{key}-one"], expected)


def test_one_estimate_for_all_is_better_where_players_differ_little(value):
    assert value["ball-play-02-one"] < value["ball-play-02-some"]
    assert value["ball-play-05-one"] > value["ball-play-05-some"]


def test_sd_on_the_arcsine_scale_is_nearly_one(value):
    assert 1 < value["ball-x-sd-low"] < value["ball-x-sd-high"] < 1.05


def test_regression_to_the_mean(value):
    assert value["ball-fell"] == value["ball-above"] == 8
    assert (value["ball-rose"], value["ball-below"]) == (9, 10)
    for key in ("fall", "rise"):
        assert 75 < value[f"ball-{key}-share"] < 85


def test_totals_of_james_and_stein(numbers, close):
    """Three if all means are equal; else an integral over a noncentral chi-squared."""
    close(numbers["ball-total-8"], 3)
    close(numbers["ball-total-18"], 3)
    # With J means: J - (J - 3)^2 E(1 / S), S noncentral on J - 1 degrees of freedom.
    away = 36 * (1 - 1 / 18)
    inverse, _ = integrate.quad(
        lambda s: stats.ncx2.pdf(s, 17, away) / s, 0, np.inf, limit=200
    )
    close(numbers["ball-total-far"], 18 - 15**2 * inverse)
    assert numbers["ball-one-far"]["value"] > 3
    assert numbers["ball-total-far"]["value"] < 18


def test_fifteen_is_right_for_one_over_the_variance():
    inverse, _ = integrate.quad(lambda x: stats.chi2.pdf(x, 17) / x, 0, np.inf)
    assert inverse == pytest.approx(1 / 15)


def test_cut_at_one_fifteen_is_too_small_on_average(numbers, close):
    """The mean of B against the normal approximation; and which divisor errs less."""
    value = {key: record["value"] for key, record in numbers.items()}
    x = np.linspace(0.01, 90, 20_000)
    for divisor in (15, 17):
        cut = np.minimum(divisor * value["ball-B"] / x, 1)
        right = np.trapezoid(cut * stats.chi2.pdf(x, 17), x)
        close(numbers[f"ball-cut-{divisor}"], right, rounding=0.005)
    assert value["ball-cut-15"] < value["ball-B"] - 0.04
    assert value["ball-cut-error-17"] < value["ball-cut-error-15"] - 0.0005
    assert value["ball-cut-wide-15"] < value["ball-cut-wide-17"] - 0.0001


def test_the_better_hitter_with_beta_priors(value):
    """The first exercise, without normal approximations."""
    mean, kappa = value["ball-mean"], value["ball-kappa-0"]
    a, b = mean * kappa, (1 - mean) * kappa
    clemente = stats.beta(a + 18, b + 27)
    rival = stats.beta(a + 148.5, b + 301.5)
    higher, _ = integrate.quad(lambda x: clemente.pdf(x) * rival.cdf(x), 0, 1)
    assert value["ball-rival-p"] == pytest.approx(100 * higher, abs=2)
    assert value["ball-rival-shrunk"] == pytest.approx(rival.mean(), abs=0.001)
    assert value["ball-rival-shrunk"] > value["ball-clemente-shrunk"] + 0.01
    n = value["ball-level-at"]
    level = (n * 0.4 + kappa * mean) / (n + kappa)
    assert level == pytest.approx(rival.mean(), abs=0.001)


def test_widths_of_the_second_exercise(value):
    assert value["ball-wrong-B"] == pytest.approx(0.472, abs=0.001)
    assert value["ball-error-shrunk"] < value["ball-wrong-error"]
    assert value["ball-wrong-error"] < value["ball-error-none"]
    assert abs(value["ball-rest-tau"] - value["ball-tau"]) < 0.01
