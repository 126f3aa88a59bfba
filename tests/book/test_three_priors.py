"""The chapter on three priors: each of its answers, computed another way."""

import numpy as np
import pymc as pm
import pytest
from scipy import optimize, special, stats

from pooling import datasets, exact, simulate

CHAPTER = "open-questions/three-priors"


@pytest.fixture(scope="module")
def value(numbers):
    return lambda key: numbers[key]["value"]


@pytest.fixture(scope="module")
def by_name(fits):
    return {record["name"]: record for record in fits(CHAPTER)}


@pytest.fixture(scope="module")
def radon():
    return datasets.load_radon()


def slopes_posterior(radon, slope_sd=None):
    """Mean and sd of tau_beta, and of Sherburne's slope, from dense algebra.

    The marginal of y is normal with a covariance that is a product of a wide
    matrix with itself plus sigma² on the diagonal, so Woodbury's identity is
    enough. Unlike the chapter this averages over tau_alpha and sigma too.
    """
    county = radon["county"].cat.codes.to_numpy()
    floor, y = radon["floor"].to_numpy(float), radon["log_radon"].to_numpy()
    own = np.eye(85)[county]
    one, x = np.ones((len(y), 1)), floor[:, None]
    design = np.hstack([one, x, own, own * x])  # mu_a, mu_b, a_j, b_j
    gram, moment = design.T @ design, design.T @ y
    at = 2 + 85 + list(radon["county"].cat.categories).index("Sherburne")
    rows = []
    for tau_a in np.linspace(0.18, 0.5, 9):
        for tau_b in np.arange(0.025, 1, 0.05):
            scale = np.r_[2.0, 2.0, np.full(85, tau_a), np.full(85, tau_b)]
            for sigma in np.linspace(0.66, 0.785, 6):
                # Standardised coefficients have precision 1 a priori.
                precision = scale[:, None] * gram * scale / sigma**2
                precision[np.diag_indices_from(precision)] += 1
                root = np.linalg.cholesky(precision)
                solved = np.linalg.solve(root, scale * moment / sigma**2)
                log_p = (
                    -len(y) * np.log(sigma)
                    - y @ y / 2 / sigma**2
                    - np.log(np.diag(root)).sum()
                    + solved @ solved / 2
                    - (tau_a**2 + tau_b**2 + sigma**2) / 2
                )
                pick = np.zeros(len(scale))
                pick[1], pick[at] = scale[1], scale[at]
                half = np.linalg.solve(root, pick)
                rows.append((log_p, tau_b, half @ solved, half @ half))
    log_p, tau_b, mean, var = np.array(rows).T
    w = np.exp(log_p - log_p.max())
    w /= w.sum()
    centre = w @ mean
    return {
        "tau": w @ tau_b,
        "tau_sd": (w @ tau_b**2 - (w @ tau_b) ** 2) ** 0.5,
        "mean": centre,
        "sd": (w @ (var + mean**2) - centre**2) ** 0.5,
    }


@pytest.fixture(scope="module")
def slopes(radon):
    return slopes_posterior(radon)


# ------------------------------------------------------------------- the problem


def test_a_quarter_and_more_of_the_counties_have_a_hole(value, radon):
    by_county = radon.groupby("county", observed=True)["floor"]
    assert value("tp-none-counties") == (by_county.sum() == 0).sum() == 25
    assert value("tp-other-counties") == 24
    assert value("tp-counties") == 85
    assert value("tp-sherburne-houses") == by_county.size()["Sherburne"]
    assert by_county.sum()["Sherburne"] == 0


# -------------------------------------------------------------------------- flat


def test_flat_fails_without_a_divergence(by_name, numbers, value):
    flat = by_name["flat"]
    expected = {"treedepth", "rhat", "ess"}
    assert set(flat["failures"]) == expected == set(flat["expect"])
    assert flat["divergences"] == 0
    assert numbers["tp-flat-divergences"]["text"] == "none"
    assert flat["rhat"] > 1.5 and value("tp-flat-rhat") > 1.5
    assert flat["rhat_of"] == "beta"
    # A house has one hundredth of its neighbour's radon at a slope of -4.6.
    assert value("tp-flat-log-size") > 1


@pytest.mark.slow
def test_nutpie_refuses_a_parameter_without_a_gradient():
    pytest.importorskip("nutpie")
    group, x = np.array([0, 0, 1, 1]), np.array([0.0, 1, 0, 0])
    with pm.Model():
        mean, slope = pm.Normal("mean"), pm.Flat("slope", shape=2)
        pm.Normal("y", mean + slope[group] * x, 1, observed=np.arange(4.0))
        with pytest.raises(RuntimeError, match="gradient"):
            pm.sample(
                draws=50,
                tune=50,
                chains=2,
                random_seed=1,
                progressbar=False,
                compute_convergence_checks=False,
            )


def test_the_others_are_sound(by_name):
    assert set(by_name) == {"flat", "wide", "hier", "struggling", "working"}
    for name in ("wide", "hier", "working"):
        assert not by_name[name]["failures"], name


# ------------------------------------------------------------ Normal, hierarchical


def test_wide_returns_its_prior(numbers, close):
    close(numbers["tp-wide-mean"], 0)
    close(numbers["tp-wide-sd"], 100)
    # Ends of an interval, to the tens printed, with their own noise.
    assert numbers["tp-wide-low"]["value"] == pytest.approx(-196, abs=20)
    assert numbers["tp-wide-high"]["value"] == pytest.approx(196, abs=20)


def test_chapter_and_dense_algebra_agree(value, slopes):
    # The chapter sets tau_alpha and sigma to their means: nearly, not quite, the same.
    assert value("tp-exact-tau-beta") == pytest.approx(slopes["tau"], abs=0.008)
    assert value("tp-exact-hier-mean") == pytest.approx(slopes["mean"], abs=0.004)
    assert value("tp-exact-hier-sd") == pytest.approx(slopes["sd"], abs=0.008)


def test_draws_agree_with_the_exact_posterior(numbers, slopes, close):
    close(numbers["tp-tau-beta"], slopes["tau"], rounding=0.002)
    close(numbers["tp-tau-beta-sd"], slopes["tau_sd"], rounding=0.002)
    close(numbers["tp-hier-mean"], slopes["mean"])
    close(numbers["tp-hier-sd"], slopes["sd"], rounding=0.002)
    assert numbers["tp-hier-sd-formula"]["value"] == pytest.approx(
        slopes["sd"], abs=0.03
    )


def test_a_new_house_varies_more_than_a_typical_one(value, slopes, radon):
    # The residual sd is close to that of the model without varying slopes.
    spread = np.hypot(slopes["sd"], 0.72)
    low, high = np.exp(slopes["mean"] + np.array([-1.96, 1.96]) * spread)
    assert value("tp-house-factor-low") == pytest.approx(low, abs=0.06)
    assert value("tp-house-factor-high") == pytest.approx(high, abs=0.3)


@pytest.mark.slow
def test_a_correlation_lets_basements_speak(value, radon, slopes):
    """With the intercepts' and slopes' deviations as one normal pair a county."""
    county = radon["county"].cat.codes.to_numpy()
    floor, y = radon["floor"].to_numpy(float), radon["log_radon"].to_numpy()
    at = list(radon["county"].cat.categories).index("Sherburne")
    same = county[:, None] == county
    means, weights = [], []
    tau_a, sigma = 0.335, 0.72
    for rho in np.linspace(-0.9, 0.9, 7):
        for s in np.linspace(0.1, 1.1, 6):
            own = (
                tau_a**2
                + rho * tau_a * s * (floor[:, None] + floor)
                + s**2 * floor[:, None] * floor
            )
            cov = 4 + 4 * floor[:, None] * floor + same * own
            cov[np.diag_indices_from(cov)] += sigma**2
            to_slope = 4 * floor + (county == at) * (rho * tau_a * s + s**2 * floor)
            root = np.linalg.cholesky(cov)
            solved = np.linalg.solve(root, y)
            weights.append(
                -np.log(np.diag(root)).sum() - solved @ solved / 2 - s**2 / 2
            )
            means.append(np.linalg.solve(root, to_slope) @ solved)
    w = np.exp(np.array(weights) - max(weights))
    assert value("tp-correlated-mean") == pytest.approx(w @ means / w.sum(), abs=0.02)
    assert value("tp-correlated-mean") > slopes["mean"]
    assert value("tp-correlated-rho") < 0 and value("tp-hier-level") < -0.1


# ---------------------------------------------------------- where a sampler struggles


def test_the_single_wide_prior_struggles_and_the_hierarchical_does_not(value, by_name):
    assert value("tp-work-single-1") > 1.5 * value("tp-work-hier-1")
    assert value("tp-work-single-1") > 3 * value("tp-work-single-10")
    assert value("tp-work-single-10") > 10 * value("tp-work-single-100")
    assert value("tp-work-single-100") < 1
    # "hyperpriors just as wide"
    for s in (1, 10, 100):
        assert value(f"tp-work-hier-{s}") > 2
    assert value("tp-steps-single-100") > 8 * value("tp-steps-single-1")
    assert value("tp-steps-hier-100") < 3 * value("tp-steps-hier-1")
    assert value("tp-struggle-depth") >= 8
    assert value("tp-struggle-ess") < 100
    assert {"rhat", "ess"} <= set(by_name["struggling"]["failures"])
    assert value("tp-work-hier-100") > 20 * value("tp-work-single-100")
    assert value("tp-second-hier-100") > 20 * value("tp-second-single-100")
    # The answer to the second question: "of the order of a hundred or more".
    assert value("tp-work-single-1") > 100 * value("tp-work-single-100")
    for survey in ("2-some", "100-some", "1-all"):
        narrow, wide = (value(f"tp-sim-{survey}-s-{s}") for s in (1, 100))
        assert narrow > 30 * wide, survey


def test_separated_counties_are_counted(value, radon):
    high = radon["log_radon"] > np.log(4.1)
    by_cell = high.groupby([radon["county"], radon["floor"]], observed=True).mean()
    separated = by_cell.isin([0, 1]).groupby(level=0, observed=True).any()
    assert value("tp-separated") == separated[::2].sum()
    assert value("tp-work-counties") == len(separated[::2])


def test_the_struggle_needs_separated_counties_and_a_wide_prior(value):
    def of(survey, prior, s):
        return value(f"tp-sim-{survey}-{prior}-{s}")

    # Separated and wide against either alone, at either size.
    for n in (2, 100):
        assert of(f"{n}-some", "s", 100) < of(f"{n}-some", "s", 1) / 8
        assert of(f"{n}-some", "s", 100) < of(f"{n}-none", "s", 100) / 5
        assert of(f"{n}-none", "s", 100) > of(f"{n}-none", "s", 1) / 6
    # "in every survey"
    for survey in ("2-none", "100-none", "2-some", "100-some", "1-all"):
        assert of(survey, "s", 1) > of(survey, "h", 1)
    # The hierarchy helps where other counties close the direction, ...
    assert of("2-some", "h", 100) > 5 * of("2-some", "s", 100)
    # ... and not where none does.
    assert of("1-all", "h", 1) > 8 * of("1-all", "h", 100)
    # "at either width"
    for s in (1, 100):
        assert of("100-some", "h", s) < of("100-some", "s", 1) / 5
        assert of("100-some", "h", s) < of("100-none", "h", s) / 2
    # "these runs cannot tell"
    assert value("tp-sim-ess-h") < 100
    # "where nothing is open, the single prior is the cheaper one"
    assert of("100-none", "s", 100) > of("100-none", "h", 100)


# ------------------------------------------------------------------------- scores


def test_scores_are_as_the_prose_reads_them(value):
    assert value("tp-gain-wide") > 4 * value("tp-gain-wide-se")
    assert value("tp-gain-flat") > 2 * value("tp-gain-flat-se")
    assert value("tp-gain-best") > 0
    # "predicts as well as the hierarchy"
    assert abs(value("tp-gain-same")) < 2 * value("tp-gain-same-se")
    # Each lone house pays ln 10 for each factor of ten.
    assert value("tp-price") == pytest.approx(value("tp-price-theory"), rel=0.02)
    # "brings nothing"
    assert value("tp-gain-wide-mean") == pytest.approx(value("tp-gain-wide"), abs=1.5)
    # The gain over N(0, 100) has two parts, and narrowness is most of it.
    parts = value("tp-narrow") + value("tp-gain-best")
    assert parts == pytest.approx(value("tp-gain-wide"), abs=0.01)
    assert value("tp-narrow") > 0.75 * value("tp-gain-wide")
    # Basements gain nothing to speak of.
    ground = value("tp-gain-flat-ground")
    assert ground + value("tp-gain-flat-basement") - value("tp-gain-flat") == (
        pytest.approx(0, abs=0.01)
    )
    assert abs(value("tp-gain-flat-basement")) < 0.1 * ground


def test_a_lone_house_pays_what_the_density_of_a_wide_normal_says(value):
    paid = value("tp-gain-wide-unknown") / value("tp-unknown")
    wide = -stats.norm.logpdf(0, 0, 100)
    typical = -stats.norm(0, 0.85).expect(stats.norm(0, 0.85).logpdf)
    assert paid == pytest.approx(wide - typical, abs=0.5)


# --------------------------------------------------------------------------- rats


def test_beta_binomial_is_bda3s(value):
    assert value("tp-bb-71") == pytest.approx(0.211, abs=0.0005)
    assert value("tp-bb-71-sd") == pytest.approx(0.075, abs=0.0005)
    assert 0.03 < value("tp-bb-1-sd") < 0.05


def test_logit_normal_against_another_quadrature(value):
    """On a grid of the group's logit, and not of its z."""
    rats = datasets.load_rat_tumours()
    assert value("tp-rats-before") == 70
    k, n = rats["tumours"].to_numpy(), rats["rats"].to_numpy()
    eta = np.linspace(-9, 4, 521)
    log_like = k[:, None] * special.log_expit(eta)
    log_like = log_like + (n - k)[:, None] * special.log_expit(-eta)
    like = np.exp(log_like - log_like.max(1, keepdims=True))
    total, rows = [], []
    for mu in np.linspace(-2.8, -1.2, 41):
        for tau in np.linspace(0.06, 1.8, 59):
            p = stats.norm.pdf(eta, mu, tau)
            mass = like @ p
            theta = special.expit(eta)
            total.append(np.log(mass).sum() - mu**2 / 8 - tau**2 / 2)
            rows.append(
                [(like[[0, -1]] @ (p * theta**m)) / mass[[0, -1]] for m in (1, 2)]
            )
    w = np.exp(np.array(total) - max(total))
    first, second = np.tensordot(w / w.sum(), np.array(rows), 1)
    for i, name in enumerate(("1", "71")):
        assert value(f"tp-ln-{name}") == pytest.approx(first[i], abs=3e-4)
        sd = (second[i] - first[i] ** 2) ** 0.5
        assert value(f"tp-ln-{name}-sd") == pytest.approx(sd, abs=3e-4)


def test_vague_on_the_logit(value):
    edge = special.logit(0.99) / 100
    middle = stats.norm.cdf(edge) - stats.norm.cdf(-edge)
    assert value("tp-vague-middle") == pytest.approx(100 * middle, abs=0.01)
    # Below logit -5 the likelihood of 0 in 20 is 1 to a seventh; use it in full.
    eta = np.linspace(-700, 20, 2_000_001)
    p = stats.norm.pdf(eta, 0, 100) * special.expit(-eta) ** 20
    p = p.cumsum() / p.sum()
    assert value("tp-vague-below") == pytest.approx(
        100 * np.interp(special.logit(1e-6), eta, p), abs=0.05
    )
    median = np.interp(0.5, p, eta) / np.log(10)
    assert value("tp-vague-median-log10") == pytest.approx(median, abs=0.01)


# --------------------------------------------------------------------------- risk


@pytest.mark.slow
@pytest.mark.parametrize("groups, replications", [(3, 6000), (8, 3000), (30, 1000)])
@pytest.mark.parametrize("key, tau", [("zero", 0), ("one", 1)])
def test_risk_from_the_truth(groups, replications, key, tau, numbers, close):
    """Squared errors themselves, where the chapter uses Stein's formula."""
    rng = np.random.default_rng([groups, tau])
    theta, y = simulate.normal_hierarchy(
        0, tau, np.ones(groups), replications=replications, rng=rng
    )
    mean = exact.normal_hierarchy(y, np.ones(groups)).mean("theta").values
    gain = ((mean - theta) ** 2 - (y - theta) ** 2).mean(1)
    close(
        numbers[f"tp-risk-{groups}-{key}"],
        1 + gain.mean(),
        mcse_ref=gain.std() / replications**0.5,
    )


def test_more_groups_are_better(value):
    assert value("tp-risk-3-zero") > value("tp-risk-8-zero") > value("tp-risk-30-zero")
    assert value("tp-risk-3-one") > value("tp-risk-8-one") > value("tp-risk-30-one")
    assert value("tp-cross-3") > value("tp-cross-8") > value("tp-cross-30") > 1
    assert value("tp-risk-30-zero") < value("tp-fixed-zero") < value("tp-risk-3-zero")
    assert value("tp-cross-flat") == pytest.approx(
        optimize.brentq(lambda t: 0.25 + 0.25 * t**2 - 1, 0, 9)
    )


@pytest.mark.slow
@pytest.mark.parametrize("groups", [3, 8, 30])
def test_where_the_fixed_prior_becomes_worse(groups, value):
    """From the truth, on a finer grid than the chapter's."""
    taus = np.arange(1.1, 1.85, 0.1)
    rng = np.random.default_rng([77, groups])
    R = 24_000 // groups
    z, noise = rng.standard_normal((2, R, groups))
    gaps = []
    for tau in taus:
        theta, y = tau * z, tau * z + noise
        mean = exact.normal_hierarchy(y, np.ones(groups)).mean("theta").values
        gaps.append(((mean - theta) ** 2 - (y / 2 - theta) ** 2).mean())
    crossing = np.interp(0, -np.array(gaps), taus)
    assert value(f"tp-cross-{groups}") == pytest.approx(crossing, abs=0.12)


@pytest.mark.slow
def test_with_three_groups_the_hierarchy_is_not_everywhere_better(numbers, close):
    truth = np.array([0.0, 0.0, 6.0])
    y = np.random.default_rng(6).normal(truth, 1, (40_000, 3))
    mean = exact.normal_hierarchy(y, np.ones(3)).mean("theta").values
    gain = ((mean - truth) ** 2 - (y - truth) ** 2).mean(1)
    three = numbers["tp-three"]
    close(three, 1 + gain.mean(), mcse_ref=gain.std() / 200)
    assert three["value"] - 1 > 3 * three["mcse"]


@pytest.mark.slow
def test_three_groups_far_apart_lose_as_much_as_the_quadrature_says(value):
    assert value("tp-three-worse-from") == pytest.approx(6.6, abs=0.06)
    rng = np.random.default_rng(7)
    y = rng.normal(0, np.hypot(1, 10.8), (20_000, 3))  # the mean is integrated out
    fit = exact.normal_hierarchy(y, np.ones(3))
    mean, sd = fit.mean("theta").values, fit.sd("theta").values
    change = ((mean - y) ** 2 + 2 * (sd**2 - 1)).mean(1)  # Stein's unbiased estimate
    error = 100 * change.std() / len(y) ** 0.5
    assert 100 * change.mean() == pytest.approx(
        value("tp-three-worse-by"), abs=4 * error + 0.005
    )


# ----------------------------------------------------------------------- variance


def test_variance_of_eight_schools(value):
    assert value("tp-sd-A") == pytest.approx(8.34, abs=0.005)
    assert value("tp-var-A") == pytest.approx(value("tp-sd-A") ** 2, abs=0.01)
    assert value("tp-plugin-sd") == pytest.approx(4.07, abs=0.005)


def test_variance_need_not_fall(value):
    schools = datasets.load_eight_schools()
    y, se = schools["effect"].to_numpy(float), schools["se"].to_numpy()

    def sd_of_a(first):
        fit = exact.normal_hierarchy(np.append(first, y[1:]), se)
        return float(fit.sd("theta")[0])

    crossing = optimize.brentq(lambda first: sd_of_a(first) - 15, 30, 70, xtol=0.01)
    assert value("tp-over-from") == pytest.approx(crossing, abs=0.5)
    below = optimize.brentq(lambda first: sd_of_a(first) - 15, -60, -20, xtol=0.01)
    assert value("tp-over-below") == pytest.approx(below, abs=0.5)
    most = sd_of_a(value("tp-over-max-at"))
    assert value("tp-over-max") == pytest.approx(most, abs=0.05)
    ratio = exact.normal_hierarchy(y, se).sd("theta").values ** 2 / se**2
    assert value("tp-p-eff") == pytest.approx(ratio.sum(), abs=0.01)
    assert value("tp-ratio-most") == pytest.approx(ratio.max(), abs=0.001)
    assert value("tp-term-all-60") == pytest.approx(sd_of_a(60.0) ** 2, rel=0.002)


def test_why_the_variance_of_a_surprising_school_rises(value):
    # Two of the three terms rise, and without the third none could exceed sigma².
    assert value("tp-term-own-60") > value("tp-term-own-28")
    assert value("tp-term-tau-60") > value("tp-term-tau-28")
    assert value("tp-term-mean-60") < value("tp-term-mean-28")
    assert value("tp-term-own-60") + value("tp-term-mean-60") < value("tp-var-se-A")
    assert value("tp-term-all-60") > value("tp-var-se-A") == 225
    assert value("tp-tau-60") > 1.5 * value("tp-tau-28")


# ---------------------------------------------------------------------- exercises


def test_the_odd_group_pays(value):
    assert value("tp-odd-0") < 0.5 < 1.5 < value("tp-odd-most")
    assert value("tp-odd-30") < value("tp-odd-10") < value("tp-odd-most")
    assert value("tp-odd-all-max") <= 1.02
    assert value("tp-odd-1") < 0.8 and value("tp-odd-2") > 1.2


@pytest.mark.parametrize("delta", [0, 9])
def test_with_unequal_errors_the_total_is_not_protected(delta, numbers, close):
    rng = np.random.default_rng(delta)
    truth, se = np.append(np.zeros(7), delta), np.append(np.ones(7), 3.0)
    y = rng.normal(truth, se, (4000, 8))
    mean = exact.normal_hierarchy(y, se).mean("theta").values
    total = ((mean - truth) ** 2).sum(1) / 16
    close(
        numbers[f"tp-unequal-{delta}"], total.mean(), mcse_ref=total.std() / 4000**0.5
    )
    assert (numbers[f"tp-unequal-{delta}"]["value"] > 2) == (delta == 9)


def test_priors_that_say_nothing_disagree(value):
    assert value("tp-uniform-median") == pytest.approx(1 - 0.5 ** (1 / 21), abs=1e-6)
    beta = stats.beta(0.5, 20.5).ppf(0.5)
    assert value("tp-jeffreys-median") == pytest.approx(beta, abs=1e-6)
    s = value("tp-s-match")
    assert stats.norm(0, s).cdf(special.logit(0.1)) == pytest.approx(0.1)


def test_plugging_in_costs_coverage(numbers, value):
    for tau in (5, 10):
        none = numbers[f"tp-cover-none-{tau}"]
        assert abs(none["value"] - 95) < 4 * none["mcse"]
        assert value(f"tp-cover-plug-{tau}") < 92 < value(f"tp-cover-full-{tau}")
        # The third term is a part of the difference, and the smaller one.
        assert value(f"tp-cover-plug-{tau}") < value(f"tp-cover-two-{tau}")
        assert value(f"tp-cover-two-{tau}") < value(f"tp-cover-full-{tau}")
    assert value("tp-cover-zero-5") < 85
    # With tau = 5 the zeros make the loss; with tau = 20 they do not.
    assert value("tp-cover-positive-5") > 93.5
    assert value("tp-cover-positive-20") < 93
    assert value("tp-width-full-5") < value("tp-width-none-5")
    assert value("tp-width-none-5") == pytest.approx(3.92 * 12.5, abs=0.01)


@pytest.mark.parametrize("tau", [5, 10, 20])
def test_coverage_of_full_bayes_by_the_module(tau, numbers, close):
    se = datasets.load_eight_schools()["se"].to_numpy()
    theta, y = simulate.normal_hierarchy(
        8, tau, se, replications=1500, rng=np.random.default_rng(tau)
    )
    fit = exact.normal_hierarchy(y, se)
    inside = np.abs(fit.mean("theta").values - theta) < 1.96 * fit.sd("theta").values
    hit = 100 * inside.mean(1)
    close(numbers[f"tp-cover-full-{tau}"], hit.mean(), mcse_ref=hit.std() / 1500**0.5)
