"""The chapter on fat tails: each of its answers, computed another way."""

import math

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from pooling import datasets, exact

CHAPTER = "open-questions/fat-tails"
NU, SCALE, MU_SD = 4, 5, 20


class RootOfInvChi2:
    """tau = sqrt(V), V ~ Inv-chi2(nu, scale²)."""

    def __init__(self, nu=NU, scale=SCALE):
        self.V = stats.invgamma(nu / 2, scale=nu * scale**2 / 2)

    def logpdf(self, tau):
        return self.V.logpdf(tau**2) + np.log(2 * tau)


@pytest.fixture(scope="module")
def data():
    schools = datasets.load_eight_schools()
    return schools["effect"].to_numpy(float), schools["se"].to_numpy(float)


def together(y, sigma, mu_sd=MU_SD, tau_prior=None):
    return exact.normal_hierarchy(
        y, sigma, mu_prior=stats.norm(0, mu_sd), tau_prior=tau_prior or RootOfInvChi2()
    )


@pytest.fixture(scope="module")
def hierarchy(data):
    return together(*data)


def test_one_half_of_the_dependence(numbers):
    nu = numbers["ft-tail-half"]["value"]
    edge = stats.t.ppf(0.975, nu)

    def given(g, power):
        outside = 2 * stats.norm.sf(edge * np.sqrt(g / nu))
        return outside**power * stats.chi2.pdf(g, nu)

    one, both = (integrate.quad(given, 0, np.inf, args=(k,))[0] for k in (1, 2))
    assert both / one == pytest.approx(0.5, abs=1e-4)


def test_the_evidence_when_the_mean_may_lie_farther(numbers, data):
    """Of everything shared against nothing shared, with mu ~ N(0, 40)."""
    y, sigma = data
    both = together(y, sigma, 40).log_evidence
    nothing = sum(
        together(y[j : j + 1], sigma[j : j + 1], 40).log_evidence for j in range(8)
    )
    assert numbers["ft-bf-wide-both"]["value"] == pytest.approx(
        float(np.exp(both - nothing)), rel=1e-3
    )
    for name in ("mean", "both"):
        wide = numbers[f"ft-bf-wide-{name}"]["value"]
        assert wide > 10 * numbers[f"ft-bf-{name}"]["value"]

    def log_evidence(width, each):
        if each:
            spread = np.hypot(width, np.sqrt(V_nodes + sigma[:, None] ** 2))
            density = stats.norm.pdf(y[:, None], 0, spread)
            return np.log(density @ V_weights).sum()
        return together(y, sigma, width).log_evidence

    log_tau, d_tau = nodes(np.log(0.05), np.log(1e6))
    V_nodes = np.exp(2 * log_tau)
    V_weights = np.exp(RootOfInvChi2().logpdf(np.exp(log_tau)) + log_tau) * d_tau
    prices = {each: log_evidence(20, each) - log_evidence(40, each)
              for each in (True, False)}
    for key, log_price in (
        ("copies", prices[True]),
        ("copy", prices[True] / 8),
        ("both", prices[False]),
    ):
        assert numbers[f"ft-price-{key}"]["value"] == pytest.approx(
            np.exp(log_price), rel=1e-3
        )


def test_mixture_is_a_t(numbers):
    assert numbers["ft-worst"]["value"] < 1e-10


def test_shared_variance_makes_effects_dependent(numbers):
    edge = stats.t.ppf(0.975, NU)

    def given(g, power):  # g = 4 / V ~ chi2(4)
        outside = 2 * stats.norm.sf(edge * np.sqrt(g / NU))
        return outside**power * stats.chi2.pdf(g, NU)

    both = integrate.quad(given, 0, np.inf, args=(2,))[0]
    one = integrate.quad(given, 0, np.inf, args=(1,))[0]
    assert one == pytest.approx(0.05, abs=1e-6)
    assert numbers["ft-p-given"]["value"] == pytest.approx(100 * both / one, abs=1e-4)
    assert numbers["ft-tail-4"]["value"] == pytest.approx(100 * both / one, abs=1e-4)


def alone_under_t(y, sigma, m, s):
    """Posterior mean of one effect under a t prior with four degrees of freedom."""

    def joint(theta, power):
        likelihood = stats.norm.pdf(y, theta, sigma)
        return theta**power * likelihood * stats.t.pdf(theta, NU, m, s)

    ends = (y - 12 * sigma, y + 12 * sigma)
    moments = [
        integrate.quad(joint, *ends, args=(k,), points=[m, y], epsabs=0)[0]
        for k in (1, 0)
    ]
    return moments[0] / moments[1]


@pytest.mark.parametrize("school", "ABCDEFGH")
def test_independent_t_priors(numbers, close, data, school):
    j = "ABCDEFGH".index(school)
    mean = alone_under_t(data[0][j], data[1][j], 0, 10)
    assert numbers[f"ft-t-{school}"]["value"] == pytest.approx(mean, abs=1e-4)
    close(numbers[f"ft-t-mcmc-{school}"], mean)


def test_fits_are_sound(fits):
    records = fits(CHAPTER)
    assert len(records) == 2
    assert not any(fit["failures"] for fit in records)


# ------------------------------------------------------------------ outlying schools


def test_where_a_school_is_pulled_hardest(numbers, data):
    y, sigma = data

    def pull(at, times):
        others = np.append(at, np.tile(y[1:], times))
        se = np.append(sigma[0], np.tile(sigma[1:], times))
        return together(others, se).mean("theta").values[0] - at

    for times, J in ((1, 8), (5, 36), (15, 106)):
        found = optimize.minimize_scalar(
            lambda at, times=times: pull(at, times), bounds=(20, 400), method="bounded"
        ).x
        # The chapter looks at every point.
        assert numbers[f"ft-turn-{J}"]["value"] == pytest.approx(found, abs=0.75)
    # The t looks at A alone.
    found = optimize.minimize_scalar(
        lambda at: alone_under_t(at, sigma[0], 0, 10) - at,
        bounds=(20, 150), method="bounded",
    ).x
    assert numbers["ft-turn-t"]["value"] == pytest.approx(found, abs=1)
    moves = []
    for times, J in ((1, 8), (5, 36), (15, 106)):
        for at in (28, 80):
            fit = together(
                np.append(at, np.tile(y[1:], times)),
                np.append(sigma[0], np.tile(sigma[1:], times)),
            )
            assert numbers[f"ft-tau-at-{at}-{J}"]["value"] == pytest.approx(
                float(fit.mean("tau")), abs=0.01
            )
        ends = [numbers[f"ft-tau-at-{at}-{J}"]["value"] for at in (28, 80)]
        moves.append(ends[1] - ends[0])
    # "One school among many moves the common tau less"
    assert moves[0] > 2 * moves[1] > 4 * moves[2] > 0
    assert numbers["ft-j-1"]["value"] == 36
    assert numbers["ft-j-2"]["value"] == 106


def test_a_double_exponential_prior_pulls_by_a_constant(numbers, data):
    sigma, scale = data[1][0], 10

    def joint(theta, y, power):
        return theta**power * np.exp(
            -abs(theta) / scale - 0.5 * ((y - theta) / sigma) ** 2
        )

    for y in (60, 140):
        one, none = (
            integrate.quad(
                joint, y - 180, y + 180, args=(y, k), points=[0, y], epsabs=0, limit=200
            )[0]
            for k in (1, 0)
        )
        assert numbers[f"ft-laplace-{y}"]["value"] == pytest.approx(
            y - one / none, abs=2e-3
        )
    assert numbers["ft-laplace-140"]["value"] == pytest.approx(
        sigma**2 / scale, abs=0.01
    )


def test_a_school_that_falls_moves_another(numbers, data):
    y, sigma = data

    def moved(at):
        changed = y.copy()
        changed[2] = at
        return together(changed, sigma).mean("theta").values

    def within(loss, lowest):
        return optimize.minimize_scalar(loss, bounds=(-150, lowest), method="bounded").x

    assert numbers["ft-hardest-hierarchy"]["value"] == pytest.approx(
        within(lambda at: at - moved(at)[2], -10), abs=1
    )
    assert numbers["ft-hardest-t-4"]["value"] == pytest.approx(
        within(lambda at: at - alone_under_t(at, sigma[2], 0, 10), -10), abs=1
    )
    for at, key in ((y[2], "first"), (-150, "end")):
        changed = y.copy()
        changed[2] = at
        fit = together(changed, sigma)
        for name in ("mu", "tau"):
            assert numbers[f"ft-{name}-{key}"]["value"] == pytest.approx(
                float(fit.mean(name)), abs=0.01
            )
    ends = {k: numbers[f"ft-{k}"]["value"]
            for k in ("mu-first", "mu-end", "tau-first", "tau-end")}
    assert ends["mu-end"] < ends["mu-first"] and ends["tau-end"] > ends["tau-first"]
    lowest = within(lambda at: moved(at)[0], -10)
    assert numbers["ft-a-lowest-at"]["value"] == pytest.approx(lowest, abs=1)
    for key, at in (("first", y[2]), ("lowest", lowest), ("end", -150)):
        value = numbers[f"ft-a-{key}"]["value"]
        assert value == pytest.approx(moved(at)[0], abs=0.01)


# -------------------------------------------------------------------- four joint priors


CHOICES = [(20, 4, 5), (20, 1, 20), (5, 4, 20)]
X, W = np.polynomial.legendre.leggauss(400)


def nodes(low, high):
    return (high + low) / 2 + X * (high - low) / 2, W * (high - low) / 2


def shared_by_quadrature(y, sigma, mu_sd, nu, scale, shared):
    """Means where only the variance, or only the mean, is shared."""
    log_tau, d_tau = nodes(np.log(0.05), np.log(1e6))
    tau = np.exp(log_tau)
    p_tau = np.exp(RootOfInvChi2(nu, scale).logpdf(tau)) * tau * d_tau
    if shared == "variance":  # mu_j integrated out by algebra
        S2 = mu_sd**2 + tau[:, None] ** 2
        p = p_tau * stats.norm.pdf(y, 0, np.sqrt(S2 + sigma**2)).prod(axis=1)
        return p @ (y * S2 / (S2 + sigma**2)) / p.sum()
    mu, d_mu = nodes(-7 * mu_sd, 7 * mu_sd)
    total = sigma[:, None, None] ** 2 + tau**2
    like = stats.norm.pdf(y[:, None, None], mu[:, None], np.sqrt(total))
    mean = y[:, None, None] * (1 - sigma[:, None, None] ** 2 / total)
    mean = mean + mu[:, None] * sigma[:, None, None] ** 2 / total
    each = like @ p_tau
    p = stats.norm.pdf(mu, 0, mu_sd) * d_mu * each.prod(axis=0)
    return (p * ((like * mean) @ p_tau / each)).sum(axis=1) / p.sum()


@pytest.mark.parametrize("choice", range(3))
def test_four_joint_priors(numbers, data, choice):
    y, sigma = data
    mu_sd, nu, scale = CHOICES[choice]
    prior = RootOfInvChi2(nu, scale)
    one_each = together(y[:, None], sigma[:, None], mu_sd, prior)
    means = {
        "nothing": one_each.mean("theta").values[:, 0],
        "both": together(y, sigma, mu_sd, prior).mean("theta").values,
    }
    for shared in ("variance", "mean"):
        means[shared] = shared_by_quadrature(y, sigma, mu_sd, nu, scale, shared)
    for shared, mean in means.items():
        for j, school in ((0, "A"), (2, "C")):
            value = numbers[f"ft-{choice}-{school}-{shared}"]["value"]
            assert value == pytest.approx(mean[j], abs=2e-3), (shared, school)


def test_independent_and_multivariate_t(numbers, data):
    y, sigma = data
    # A known mean: mu has hardly any variance.
    multivariate = together(y, sigma, 0.01, RootOfInvChi2(4, 10)).mean("theta").values
    for j, school in ((0, "A"), (2, "C")):
        independent = alone_under_t(y[j], sigma[j], 0, 10)
        for shared in ("nothing", "mean"):
            value = numbers[f"ft-3-{school}-{shared}"]["value"]
            assert value == pytest.approx(independent, abs=2e-3)
        for shared in ("variance", "both"):
            value = numbers[f"ft-3-{school}-{shared}"]["value"]
            assert value == pytest.approx(multivariate[j], abs=2e-3)


def test_everything_shared_is_the_hierarchy(numbers, hierarchy):
    assert numbers["ft-grid-gap"]["value"] < 1e-6
    mean = hierarchy.mean("theta").values
    assert numbers["ft-both-C"]["value"] == pytest.approx(mean[2])
    assert numbers["ft-logev-both"]["value"] == pytest.approx(hierarchy.log_evidence)
    assert numbers["ft-p-c-both"]["value"] == pytest.approx(
        100 * (1 - hierarchy.cdf("theta", 0.0).values[2])
    )


def test_nothing_shared_is_eight_models_of_one_school(numbers, data):
    y, sigma = data
    alone = [together(y[j : j + 1], sigma[j : j + 1]) for j in range(8)]
    assert numbers["ft-logev-nothing"]["value"] == pytest.approx(
        sum(fit.log_evidence for fit in alone), abs=1e-6
    )
    assert numbers["ft-nothing-C"]["value"] == pytest.approx(
        alone[2].mean("theta").item(), abs=1e-6
    )
    # Given tau, C is normal.
    tau = stats.invgamma(NU / 2, scale=NU * SCALE**2 / 2).rvs(400_000, random_state=1)
    S2 = MU_SD**2 + tau
    weight = stats.norm.pdf(y[2], 0, np.sqrt(S2 + sigma[2] ** 2))
    pull = S2 / (S2 + sigma[2] ** 2)
    above = stats.norm.sf(0, y[2] * pull, sigma[2] * np.sqrt(pull))
    assert numbers["ft-p-c-nothing"]["value"] == pytest.approx(
        100 * (weight @ above) / weight.sum(), abs=0.05
    )


def test_a_low_school_crosses_zero_only_with_a_shared_mean(numbers, data):
    shared = ("nothing", "variance", "mean", "both")
    value = {k: numbers[f"ft-{k}-C"]["value"] for k in shared}
    assert data[0][2] < value["nothing"] < 0
    assert data[0][2] < value["variance"] < 0
    assert min(value["mean"], value["both"]) > 0


# --------------------------------------------------------------------- a t population


@pytest.fixture(scope="module")
def t_population(data):
    """Means and sds with A at 28, 60 or 100, by integrals over theta."""
    y, sigma = data
    u = np.linspace(-13, 13, 521)
    z = np.sinh(u)
    du = np.cosh(u) * (u[1] - u[0])
    mu = np.linspace(-84, 84, 57)
    x, dx = np.polynomial.legendre.leggauss(40)
    x, dx = 1.5 + 1.5 * x, 1.5 * dx
    tau = 10 * np.sinh(x)
    nu = 4 * 1.25 ** (np.arange(-13, 18) + 0.5)
    t = stats.t.pdf(z[:, None], nu) * du[:, None]
    prior = (
        stats.norm.pdf(mu, 0, 20)[:, None, None]
        * (stats.halfnorm.pdf(tau, scale=20) * np.cosh(x) * dx)[:, None]
        * (stats.gamma.pdf(nu, 2, scale=10) * nu)
    )

    def moments(A):
        estimates = np.append(A, y[1:])
        each, first, second = [], [], []
        for y_j, s_j in zip(estimates, sigma, strict=True):
            theta = mu[:, None, None] + tau[:, None] * z
            like = stats.norm.pdf(y_j, theta, s_j)
            each.append(like @ t)
            first.append((like * theta) @ t)
            second.append((like * theta**2) @ t)
        p = prior * np.prod(each, axis=0)
        p /= p.sum()
        mean = np.array([(p * f / e).sum() for f, e in zip(first, each, strict=True)])
        square = np.array(
            [(p * f / e).sum() for f, e in zip(second, each, strict=True)]
        )
        p_nu = p.sum(axis=(0, 1))
        return mean, np.sqrt(square - mean**2), p_nu @ nu, p_nu[nu < 4].sum()

    return {A: moments(A) for A in (28, 60, 100)}


@pytest.mark.slow
@pytest.mark.parametrize("school", "ABCDEFGH")
def test_a_t_population_by_two_quadratures_and_by_sampling(
    numbers, close, t_population, school
):
    j = "ABCDEFGH".index(school)
    mean, sd, *_ = t_population[60]
    assert numbers[f"ft-pop-{school}"]["value"] == pytest.approx(mean[j], abs=0.01)
    assert numbers[f"ft-pop-sd-{school}"]["value"] == pytest.approx(sd[j], abs=0.01)
    close(numbers[f"ft-pop-mcmc-{school}"], mean[j])


def test_what_eight_schools_say_of_the_tail(numbers, close, data, t_population):
    y, sigma = data
    close(numbers["ft-pop-mcmc-nu"], t_population[60][2])
    for A, (mean, _, nu, below) in t_population.items():
        assert numbers[f"ft-far-nu-{A}"]["value"] == pytest.approx(nu, abs=0.05)
        assert numbers[f"ft-far-below-{A}"]["value"] == pytest.approx(
            100 * below, abs=0.05
        )
        normal = (
            together(np.append(A, y[1:]), sigma, tau_prior=stats.halfnorm(scale=20))
            .mean("theta")
            .values
        )
        for key, j in (("a", 0), ("g", 6)):
            t = numbers[f"ft-far-{key}-t-{A}"]["value"]
            assert t == pytest.approx(mean[j], abs=0.05)
            assert numbers[f"ft-far-{key}-normal-{A}"]["value"] == pytest.approx(
                normal[j], abs=1e-4
            )
    assert mean[0] > normal[0] + 5  # A at 100 keeps more of its own estimate


# ------------------------------------------------------------------------- the designs


SE = 10.0
DESIGNS = {
    "J = 3": dict(J=3), "J = 3, one odd": dict(J=3, odd=1),
    "J = 3, μ = 0": dict(J=3, mu=0), "J = 3, μ = 30": dict(J=3, mu=30),
    "J = 8": dict(J=8), "J = 8, one odd": dict(J=8, odd=1),
    "J = 30": dict(), "J = 30, one odd": dict(odd=1),
    "J = 30, three odd": dict(odd=3),
    "J = 200": dict(J=200), "J = 200, 20 odd": dict(J=200, odd=20),
    "se ratio 16": dict(ratio=16), "se ratio 16, three odd": dict(ratio=16, odd=3),
    "τ = 3": dict(tau=3), "τ = 3, three odd": dict(tau=3, odd=3),
    "τ = 30": dict(tau=30), "τ = 30, three odd": dict(tau=30, odd=3),
    "μ = 0": dict(mu=0), "μ = 0, three odd": dict(mu=0, odd=3),
    "μ = 30": dict(mu=30), "μ = 30, three odd": dict(mu=30, odd=3),
    "three odd by 30": dict(odd=3, shift=30),
    "three odd by 120": dict(odd=3, shift=120),
}


def errors_of(J=30, ratio=1):
    return SE * ratio ** np.linspace(-0.5, 0.5, J)


@pytest.mark.slow
@pytest.mark.parametrize("name", DESIGNS)
def test_hierarchy_over_designs(numbers, close, name):
    """Squared error and coverage, by another simulation and another quadrature."""
    design = {"J": 30, "mu": 10, "tau": 10, "ratio": 1, "odd": 0, "shift": 60}
    design |= DESIGNS[name]
    J, odd, tau = design["J"], design["odd"], design["tau"]
    rng = np.random.default_rng(271828)
    R = 12_000 // J
    effect = rng.normal(design["mu"], tau, (R, J))
    effect[:, :odd] += design["shift"]
    se = rng.permuted(np.tile(errors_of(J, design["ratio"]), (R, 1)), axis=1)
    y = effect + se * rng.standard_normal((R, J))
    fit = together(y, se, tau_prior=stats.halfnorm(scale=20))
    error = ((fit.mean("theta").values - effect) ** 2).mean(axis=1)
    below = fit.cdf("theta", effect).values
    hit = (np.abs(below - 0.5) < 0.45).mean(axis=1)
    close(
        numbers[f"ft-mse-hierarchy-{name}"],
        error.mean(),
        mcse_ref=error.std() / R**0.5,
    )
    close(
        numbers[f"ft-cover-hierarchy-{name}"], hit.mean(), mcse_ref=hit.std() / R**0.5
    )


@pytest.mark.parametrize("name", DESIGNS)
def test_no_pooling_and_oracle_over_designs(numbers, close, name):
    design = DESIGNS[name]
    se = errors_of(design.get("J", 30), design.get("ratio", 1))
    close(numbers[f"ft-mse-no pooling-{name}"], np.mean(se**2))
    tau2 = design.get("tau", 10) ** 2
    if not design.get("odd"):
        # The nearest t is the normal itself, nearly: 64 degrees of freedom.
        best = np.mean(tau2 * se**2 / (tau2 + se**2))
        close(numbers[f"ft-mse-oracle t-{name}"], best, mcse_ref=0.002 * best)


def value(numbers, key):
    return numbers[key]["value"]


def test_the_verdict(numbers):
    """What the prose says in words follows from the numbers it quotes."""

    def sure(key, sign):
        record = numbers[key]
        return sign * (record["value"] - 1) > 3 * record["mcse"]

    assert value(numbers, "ft-designs") == len(DESIGNS)
    assert value(numbers, "ft-designs-plain") + value(numbers, "ft-designs-odd") == len(
        DESIGNS
    )
    assert value(numbers, "ft-fixed-worse") > len(DESIGNS) / 2 - 1
    assert value(numbers, "ft-fixed-score-worse") >= 17
    assert 1 <= value(numbers, "ft-fixed-better-plain") <= 2
    assert 3 <= value(numbers, "ft-fixed-better-odd") <= 6
    # "its centre is right"
    winners = numbers["ft-fixed-better-names"]["text"].split("; ")
    assert all("μ = 0" in name for name in winners)
    parts = [value(numbers, f"ft-fixed-{k}") for k in ("better", "worse", "undecided")]
    assert sum(parts) == len(DESIGNS)
    assert value(numbers, "ft-oracle-better") >= 18
    assert value(numbers, "ft-oracle-worse") == 0
    assert value(numbers, "ft-pop-score-odd") >= 8
    assert value(numbers, "ft-pop-better-odd") >= 9
    for key in ("8", "30", "200", "tau-3", "mu-30"):
        assert sure(f"ft-fixed-{key}", 1), key
    for key in ("odd-0", "odd-120"):
        assert sure(f"ft-fixed-{key}", -1), key
        assert sure(f"ft-pop-{key}", -1), key
    assert abs(value(numbers, "ft-fixed-3") - 1) < 0.25
    # "as good as its centre"
    assert sure("ft-fixed-3-0", -1) and sure("ft-fixed-3-30", 1)
    assert value(numbers, "ft-designs-tau-10") == len(DESIGNS) - 4
    assert value(numbers, "ft-pop-tau-3") < 0.85
    assert value(numbers, "ft-fixed-odd-0") < value(numbers, "ft-pop-odd-0")
    # Learning costs less with more groups, and hardly anything with two hundred.
    assert value(numbers, "ft-oracle-3") < value(numbers, "ft-oracle-30") - 0.02
    assert value(numbers, "ft-oracle-8") < value(numbers, "ft-oracle-200") - 0.05
    assert 0.94 < value(numbers, "ft-oracle-200") < 1.01
    assert value(numbers, "ft-oracle-tau-3") < 0.8
    assert sure("ft-known-tau-3", 1) and sure("ft-known-3-30", 1)
    assert sure("ft-known-3-0", -1)
    assert abs(value(numbers, "ft-known-3-odd") - 1) < 0.1
    assert value(numbers, "ft-known-tau-30") < 1.05
    assert 1 < value(numbers, "ft-none-tau-30") < 1.2
    # The t population loses nothing, and gains with many or far outlying groups.
    assert 0 <= value(numbers, "ft-pop-plain-worst") < 4
    assert value(numbers, "ft-pop-200-odd") < 0.9
    assert value(numbers, "ft-pop-odd-120") < 0.8
    for key in ("3-odd", "8-odd", "tau-30"):
        assert 0.88 < value(numbers, f"ft-pop-{key}") < 1.02, key
    assert value(numbers, "ft-narrow-least") > 1.1
    assert value(numbers, "ft-narrow-most") > 5
    assert (
        value(numbers, "ft-narrow-cover-low")
        < value(numbers, "ft-narrow-cover-high")
        < 60
    )
    assert (
        80
        < value(numbers, "ft-cover-low")
        <= 90
        <= value(numbers, "ft-cover-high")
        < 97
    )
    assert value(numbers, "ft-odd-cover-hierarchy") < value(numbers, "ft-odd-cover-pop")
    assert value(numbers, "ft-odd-cover-pop") < value(numbers, "ft-odd-cover-fixed")
    assert value(numbers, "ft-ratio-mcse") < 10


# ----------------------------------------------------------- questions and exercises


def test_flat_above_is_harmless_and_flat_below_is_not(numbers, data):
    y, sigma = data
    flat = exact.normal_hierarchy(y, sigma, tau_prior=RootOfInvChi2())
    assert numbers["ft-flat-hierarchy-c"]["value"] == pytest.approx(
        flat.mean("theta").values[2], abs=0.01
    )
    assert numbers["ft-flat-copies-c"]["value"] == pytest.approx(y[2], abs=0.01)


def test_priors_of_a_small_tau(numbers, data):
    half_normal = stats.halfnorm(scale=10)
    priors = {"4-5": RootOfInvChi2(), "1-2": RootOfInvChi2(1, 2), "hn": half_normal}
    before = {
        "4-5": stats.chi2.sf(NU * SCALE**2 / 4, NU),
        "1-2": stats.chi2.sf(1, 1),
        "hn": half_normal.cdf(2),
    }
    for key, prior in priors.items():
        fit = together(*data, tau_prior=prior)
        assert numbers[f"ft-p-tau-2-prior-{key}"]["value"] == pytest.approx(
            100 * before[key]
        )
        log_tau = np.append(
            np.linspace(-8, np.log(2), 1_501), np.linspace(np.log(2), 9, 1_501)
        )
        tau = np.exp(log_tau)
        # With mu integrated out, y is jointly normal given tau.
        density = [
            stats.multivariate_normal.logpdf(
                data[0], cov=np.diag(data[1] ** 2 + t**2) + MU_SD**2
            )
            for t in tau
        ]
        p = np.exp(np.array(density) + prior.logpdf(tau) + log_tau)
        below = integrate.simpson(p[:1_501], x=log_tau[:1_501])
        above = integrate.simpson(p[1_501:], x=log_tau[1_501:])
        assert numbers[f"ft-p-tau-2-{key}"]["value"] == pytest.approx(
            100 * below / (below + above), rel=2e-3
        )
        assert numbers[f"ft-c-{key}"]["value"] == pytest.approx(
            fit.mean("theta").values[2]
        )


def test_flexibility_is_measured_by_posterior_variances(numbers, data, hierarchy):
    y, sigma = data
    step = 1e-3

    def slope(answer):
        """How fast each school's answer follows its own estimate."""
        moved = [y + step * np.eye(8)[j] for j in range(8)]
        back = [y - step * np.eye(8)[j] for j in range(8)]
        return sum(
            (answer(a)[j] - answer(b)[j]) / (2 * step)
            for j, (a, b) in enumerate(zip(moved, back, strict=True))
        )

    def copies(y):
        return together(y[:, None], sigma[:, None]).mean("theta").values[:, 0]

    def shared(y):
        return together(y, sigma).mean("theta").values

    assert value(numbers, "ft-free-copies") == pytest.approx(slope(copies), abs=1e-3)
    assert value(numbers, "ft-free-hierarchy") == pytest.approx(slope(shared), abs=1e-3)
    y = y.copy()
    y[2] = -150
    assert value(numbers, "ft-free-far") == pytest.approx(slope(shared), abs=1e-3)
    assert value(numbers, "ft-free-copies-far") == pytest.approx(
        slope(copies), abs=1e-3
    )
    # "these data": less; with C far away, more.
    assert value(numbers, "ft-free-hierarchy") < value(numbers, "ft-free-copies")
    assert value(numbers, "ft-free-far") > value(numbers, "ft-free-copies-far")


def test_the_nearest_independent_prior(numbers, data, hierarchy):
    y, sigma = data
    m, s = value(numbers, "ft-best-m"), value(numbers, "ft-best-s")
    t = [alone_under_t(a, b, m, s) for a, b in zip(y, sigma, strict=True)]
    gap = np.abs(t - hierarchy.mean("theta").values).max()
    assert value(numbers, "ft-best-gap") == pytest.approx(gap, abs=1e-3)
    # As the scale goes to zero every school has the mean m.
    limit = stats.norm.logpdf(y, 7.5, sigma).sum()
    assert value(numbers, "ft-evidence-small") == pytest.approx(limit, abs=5e-3)
    assert value(numbers, "ft-evidence-5") < limit - 0.3
    assert value(numbers, "ft-sd-fixed-mu") < value(numbers, "ft-sd-ratio") < 0.9
    assert value(numbers, "ft-sd-fixed-tau") > 0.95


def test_four_worlds(numbers, close):
    def record(choice, world, what):
        return numbers[f"ft-four-{choice}-{world}-{what}"]

    worlds = ("nothing", "variance", "mean", "both")
    for choice in (20, 5):
        first = record(choice, "nothing", "copies")
        for world in worlds[1:]:
            same = record(choice, world, "copies")
            close(same, first["value"], mcse_ref=first["mcse"])
        for world in worlds:
            gap = record(choice, world, "difference")["value"]
            parts = [record(choice, world, k)["value"] for k in ("hierarchy", "copies")]
            assert gap == pytest.approx(parts[0] - parts[1])
    signs = {
        20: {"nothing": 1, "variance": 1, "mean": -1, "both": -1},
        5: {"nothing": 1, "variance": -1, "mean": 1, "both": -1},
    }
    for choice, of_worlds in signs.items():
        for world, sign in of_worlds.items():
            found = record(choice, world, "difference")
            assert sign * found["value"] > 2 * found["mcse"], (choice, world)
    wrong = record(20, "nothing", "hierarchy")["value"]
    assert value(numbers, "ft-four-wide") < wrong - 15
    copies = record(20, "nothing", "copies")["value"]
    lost, mended = wrong - copies, wrong - value(numbers, "ft-four-wide")
    assert mended > lost / 2


def test_four_worlds_where_all_is_shared(numbers, close, data):
    """A right model's squared error is, on average, its posterior variance."""
    sigma, R = data[1], 2_000
    rng = np.random.default_rng(31)
    for mu_sd, scale in ((20, 5), (5, 20)):
        V = NU * scale**2 / rng.chisquare(NU, (R, 1))
        theta = rng.normal(0, mu_sd, (R, 1)) + np.sqrt(V) * rng.standard_normal((R, 8))
        fit = together(
            theta + sigma * rng.standard_normal((R, 8)), sigma, mu_sd,
            RootOfInvChi2(NU, scale),
        )
        variance = (fit.sd("theta").values ** 2).mean(axis=1)
        close(
            numbers[f"ft-four-{mu_sd}-both-hierarchy"],
            variance.mean(),
            mcse_ref=variance.std() / math.sqrt(R),
        )
