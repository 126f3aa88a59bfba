"""The chapter on three priors: each of its answers, computed another way."""

import numpy as np
import pymc as pm
import pytest
from scipy import optimize, special, stats

from pooling import datasets, exact, simulate

CHAPTER = "open-questions/three-priors"


@pytest.fixture(scope="module")
def numbers(glued):
    return glued(CHAPTER)


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
    assert flat["rhat"] > 2 and value("tp-flat-rhat") > 1.1
    assert value("tp-flat-log-size") > 5
    assert value("tp-flat-found") < 20


def test_the_usual_step_and_longer_paths_run_off_without_a_divergence(radon):
    county = radon["county"].cat.codes.to_numpy()
    with pm.Model():
        alpha = pm.Normal("alpha", 1.4, 0.3, shape=85)
        beta = pm.Flat("beta", shape=85)
        mean = alpha[county] + beta[county] * radon["floor"].to_numpy()
        pm.Normal("y", mean, 0.75, observed=radon["log_radon"].to_numpy())
        with np.errstate(over="ignore"):
            runaway = pm.sample(
                draws=100, tune=150, chains=2, cores=1, random_seed=1,
                nuts_sampler="pymc", nuts={"max_treedepth": 7}, progressbar=False,
                compute_convergence_checks=False,
            )
    hole = radon.groupby(county)["floor"].sum().to_numpy() == 0
    size = np.abs(runaway.posterior["beta"].to_numpy())
    assert np.median(size[..., hole]) > 1e6
    assert not runaway.sample_stats["diverging"].any()


def test_nutpie_refuses_a_parameter_without_a_gradient():
    pytest.importorskip("nutpie")
    group, x = np.array([0, 0, 1, 1]), np.array([0.0, 1, 0, 0])
    with pm.Model():
        mean, slope = pm.Normal("mean"), pm.Flat("slope", shape=2)
        pm.Normal("y", mean + slope[group] * x, 1, observed=np.arange(4.0))
        with pytest.raises(RuntimeError, match="gradient"):
            pm.sample(
                draws=50, tune=50, chains=2, random_seed=1, progressbar=False,
                compute_convergence_checks=False,
            )


def test_the_others_are_sound(by_name):
    assert set(by_name) == {"flat", "wide", "hier", "logit_normal"}
    for name in ("wide", "hier", "logit_normal"):
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


# ------------------------------------------------------------------------- scores


def test_scores_are_as_the_prose_reads_them(value):
    assert value("tp-gain-wide") > 4 * value("tp-gain-wide-se")
    assert value("tp-gain-flat") > 2 * value("tp-gain-flat-se")
    assert value("tp-gain-best") > 0
    # "predicts as well as the hierarchy"
    assert abs(value("tp-gain-same")) < 2 * value("tp-gain-same-se")
    assert value("tp-gain-same-least") <= value("tp-gain-same")
    assert value("tp-gain-same-most") >= value("tp-gain-same")
    # Each lone house pays ln 10 for each factor of ten.
    assert value("tp-price") == pytest.approx(value("tp-price-theory"), rel=0.02)


def test_a_lone_house_pays_what_the_density_of_a_wide_normal_says(value):
    paid = value("tp-gain-wide-unknown") / value("tp-unknown")
    wide = -stats.norm.logpdf(0, 0, 100)
    typical = -stats.norm(0, 0.85).expect(stats.norm(0, 0.85).logpdf)
    assert paid == pytest.approx(wide - typical, abs=0.5)


# --------------------------------------------------------------------------- rats


def test_beta_binomial_is_bda3s(value):
    assert value("tp-alpha") == pytest.approx(2.403, abs=0.002)
    assert value("tp-beta") == pytest.approx(14.320, abs=0.01)
    assert value("tp-bb-71") == pytest.approx(0.211, abs=0.0005)
    assert value("tp-bb-71-sd") == pytest.approx(0.075, abs=0.0005)
    assert 0.03 < value("tp-bb-1-sd") < 0.05


def test_logit_normal_against_quadrature(numbers, close):
    rats = datasets.load_rat_tumours()
    k, n = rats["tumours"].to_numpy(), rats["rats"].to_numpy()
    mu, tau = np.linspace(-2.5, -1.4, 34), np.linspace(0.05, 1.5, 40)
    z, wz = np.polynomial.hermite_e.hermegauss(40)
    wz = wz / wz.sum()
    eta = mu[:, None, None] + tau[:, None] * z
    log_p = -(mu[:, None] ** 2) / 8 - tau**2 / 2

    def moments(k, m):
        log_like = k * special.log_expit(eta) + (m - k) * special.log_expit(-eta)
        like = wz * np.exp(log_like)
        theta = special.expit(eta)
        mass = like.sum(-1)
        return mass, (like * theta).sum(-1) / mass, (like * theta**2).sum(-1) / mass

    for kk, m in zip(k, n):
        log_p = log_p + np.log(moments(kk, m)[0])
    w = np.exp(log_p - log_p.max())
    w /= w.sum()
    for mean_key, sd_key, kk, m in [
        ("tp-ln-1", "tp-ln-1-sd", 0, 20),
        ("tp-ln-71", "tp-ln-71-sd", 4, 14),
    ]:
        _, first, second = moments(kk, m)
        mean = (w * first).sum()
        close(numbers[mean_key], mean, rounding=1e-4)
        sd = ((w * second).sum() - mean**2) ** 0.5
        close(numbers[sd_key], sd, rounding=1e-4)


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


@pytest.mark.parametrize("J, worlds", [(3, 6000), (8, 3000), (30, 1000)])
@pytest.mark.parametrize("key, tau", [("zero", 0), ("one", 1)])
def test_risk_by_steins_identity(J, worlds, key, tau, numbers, close):
    """Without the truth: E|m - theta|² = J + E[|m - y|² + 2 tr(dm/dy - I)]."""
    rng = np.random.default_rng([J, tau])
    _, y = simulate.normal_hierarchy(0, tau, np.ones(J), replications=worlds, rng=rng)
    fit = exact.normal_hierarchy(y, np.ones(J))
    mean, sd = fit.mean("theta").values, fit.sd("theta").values
    gain = ((mean - y) ** 2 + 2 * (sd**2 - 1)).mean(1)
    close(
        numbers[f"tp-risk-{J}-{key}"],
        1 + gain.mean(),
        mcse_ref=gain.std() / worlds**0.5,
    )


def test_more_groups_are_better_and_flat_is_never_best(value):
    assert value("tp-risk-3-zero") > value("tp-risk-8-zero") > value("tp-risk-30-zero")
    assert value("tp-risk-3-one") > value("tp-risk-8-one") > value("tp-risk-30-one")
    assert value("tp-cross-3") > value("tp-cross-8") > value("tp-cross-30") > 1
    assert value("tp-risk-30-zero") < value("tp-fixed-zero") < value("tp-risk-3-zero")
    assert value("tp-risk-3-max") < 1 + 2 * value("tp-risk-3-max-se")
    assert value("tp-risk-8-max") < 1 and value("tp-risk-30-max") < 1
    assert value("tp-cross-flat") == pytest.approx(
        optimize.brentq(lambda t: 0.25 + 0.25 * t**2 - 1, 0, 9)
    )
    # With three groups, far out, a hair above one.
    assert 1 < value("tp-risk-3-far") < 1.01
    assert value("tp-risk-3-far") - 1 > 2 * value("tp-risk-3-far-se")


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
    most = sd_of_a(value("tp-over-max-at"))
    assert value("tp-over-max") == pytest.approx(most, abs=0.05)
    ratio = exact.normal_hierarchy(y, se).sd("theta").values ** 2 / se**2
    assert value("tp-p-eff") == pytest.approx(ratio.sum(), abs=0.01)
    assert value("tp-ratio-most") == pytest.approx(ratio.max(), abs=0.001)


# ---------------------------------------------------------------------- exercises


def test_the_odd_group_pays(value):
    assert value("tp-odd-0") < 0.5 < 1.5 < value("tp-odd-most")
    assert value("tp-odd-30") < value("tp-odd-10") < value("tp-odd-most")
    assert value("tp-odd-all-max") <= 1.01


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
    assert value("tp-width-full-5") < value("tp-width-none-5")
    assert value("tp-width-none-5") == pytest.approx(3.92 * 12.5, abs=0.01)
