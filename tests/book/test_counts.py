"""The chapter on counts against lme4, published posteriors and other integrals."""

from functools import cache

import numpy as np
import pytest
from scipy import integrate, optimize, special, stats

from pooling import datasets, exact

CHAPTER = "pooling/counts"


@cache
def hospitals():
    """Deaths and operations."""
    table = datasets.load_hospitals()
    return table["deaths"].to_numpy(), table["operations"].to_numpy()


@cache
def pumps():
    """Failures and hours."""
    table = datasets.load_pumps()
    return table["failures"].to_numpy(), table["hours"].to_numpy()


def nodes_of_beta(y, n, points, reach, widest):
    """Points in mu and kappa, and their weights, by the rule of Gauss and Legendre.

    mu is within `reach` of 0.15, and the root of 1 / kappa is below `widest`.
    """
    (x, a), (z, b) = (np.polynomial.legendre.leggauss(k) for k in points)
    mu, w = 0.15 + reach * x[:, None], widest / 2 * (1 + z)
    kappa = w**-2
    log_like = sum(
        stats.betabinom.logpmf(k, m, mu * kappa, (1 - mu) * kappa)
        for k, m in zip(y, n)
    )
    mass = np.exp(log_like - log_like.max()) * a[:, None] * b
    return mu, kappa, mass / mass.sum()


@cache
def beta_nodes():
    """The points and weights for the hospitals."""
    return nodes_of_beta(*hospitals(), points=(120, 80), reach=0.13, widest=0.7)


@cache
def logit_normal(y, n, centre=-2.5, wide=1.5, tau_scale=1.0):
    """Posterior means of rates under normal logits, by another rule than the page's."""
    (x, a), (t, b) = (np.polynomial.legendre.leggauss(k) for k in (80, 60))
    mu, tau = -2.6 + 1.3 * x[:, None, None], 1.25 * (1 + t)[:, None]
    z = np.linspace(-6, 6, 241)
    logit = mu + tau * z
    log_p = stats.norm.logpdf(mu, centre, wide)[..., 0]
    log_p = log_p - tau[:, 0] ** 2 / 2 / tau_scale**2 + np.log(a[:, None] * b)
    means = []
    for k, m in zip(y, n):
        like = stats.binom.pmf(k, m, special.expit(logit)) * stats.norm.pdf(z)
        means.append(np.sum(like * special.expit(logit), -1) / like.sum(-1))
        log_p = log_p + np.log(like.sum(-1))
    mass = np.exp(log_p - log_p.max())
    return np.array([np.sum(mass * each) for each in means]) / mass.sum()


def test_every_fit_is_sound(fits):
    records = fits(CHAPTER)
    assert [record["name"] for record in records] == [
        "twelve",
        "herd_fit",
        "both_fit",
    ]
    assert not any(record["failures"] or record["expect"] for record in records)


def test_chances_under_one_rate(value):
    deaths, n = hospitals()
    rate = 208 / 2814
    assert value["cnt-overall"] == pytest.approx(100 * rate)
    assert value["cnt-a-zero"] == pytest.approx(100 * (1 - rate) ** 47)
    tail = stats.binomtest(31, 215, rate, alternative="greater").pvalue
    assert value["cnt-h-tail"] == pytest.approx(1e4 * tail)
    assert 100 * 12 * tail <= value["cnt-h-any"] < 100 * 12 * tail + 0.1


def test_small_hospitals_are_at_both_ends(value):
    """More often than a quarter, and the less the more the hospitals differ."""
    shares = [value[f"cnt-small-{key}-lowest"] for key in ("alike", "two", "four")]
    assert all(np.diff(shares) < 0) and shares[-1] > 30
    assert value["cnt-small-alike-highest"] > 40


def test_small_hospitals_at_the_low_end_by_enumeration(numbers, close):
    """Without draws: each hospital is the lowest if all others are higher.

    Equal rates of two hospitals go to the one that comes first in the table.
    """
    _, n = hospitals()
    rate = 208 / 2814
    share = 0
    for j in np.argsort(n)[:3]:
        y = np.arange(n[j] + 1)
        chance = stats.binom.pmf(y, n[j], rate)
        for k, m in enumerate(n):
            if k < j:
                chance = chance * stats.binom.sf(np.floor(y * m / n[j] + 1e-9), m, rate)
            elif k > j:
                chance = chance * stats.binom.sf(
                    np.ceil(y * m / n[j] - 1e-9) - 1, m, rate
                )
        share += chance.sum()
    close(numbers["cnt-small-alike-lowest"], 100 * share)


def test_beta_population_agrees_with_another_quadrature(value):
    deaths, n = hospitals()
    mu, kappa, mass = beta_nodes()
    for key, j in (("a", 0), ("e", 4), ("h", 7)):
        a, b = mu * kappa + deaths[j], (1 - mu) * kappa + n[j] - deaths[j]
        mean = np.sum(mass * a / (a + b))
        second = np.sum(mass * a * (a + 1) / ((a + b) * (a + b + 1)))
        assert value[f"cnt-beta-{key}"] == pytest.approx(100 * mean, abs=1e-3)
        sd = np.sqrt(second - mean**2)
        assert value[f"cnt-beta-{key}-sd"] == pytest.approx(100 * sd, abs=1e-3)
    tau = np.sqrt(mu * (1 - mu) / (kappa + 1))
    for key, q in (("low", 0.025), ("mid", 0.5), ("high", 0.975)):
        below = np.sum(mass * (tau <= value[f"cnt-tau-{key}"] / 100))
        assert below == pytest.approx(q, abs=0.01)
    for key, q in (("low", 0.025), ("high", 0.975)):
        below = np.sum(mass * (kappa <= value[f"cnt-kappa-{key}"]))
        assert below == pytest.approx(q, abs=0.01)
        weight = 47 / (47 + value[f"cnt-kappa-{key}"])
        assert value[f"cnt-weight-{key}"] == pytest.approx(weight)
    assert value["cnt-once-rate"] == pytest.approx(value["cnt-beta-a"], abs=0.005)


@pytest.mark.slow
def test_ranks_of_hospitals(numbers, close):
    """Given mu and kappa, the chance to be lowest is an integral in one dimension."""
    deaths, n = hospitals()
    mu, kappa, mass = (np.broadcast_to(v, (120, 80)).ravel() for v in beta_nodes())
    kept = np.flatnonzero(mass > 1e-4)
    nodes, weights = np.polynomial.legendre.leggauss(200)
    x, dx = 0.35 * (nodes + 1) / 2, 0.35 * weights / 2
    lowest = {0: 0.0, 4: 0.0}
    for i in kept:
        a, b = mu[i] * kappa[i] + deaths, (1 - mu[i]) * kappa[i] + n - deaths
        above = stats.beta.sf(x[:, None], a, b)
        for j in lowest:
            density = stats.beta.pdf(x, a[j], b[j])
            others = np.delete(above, j, axis=1).prod(axis=1)
            chance = np.sum(density * others * dx)
            lowest[j] += mass[i] * chance / mass[kept].sum()
    close(numbers["cnt-a-lowest"], 100 * lowest[0], rounding=0.3)
    close(numbers["cnt-e-lowest"], 100 * lowest[4], rounding=0.3)


@pytest.mark.slow
def test_normal_population_agrees_with_another_quadrature(numbers, close):
    means = logit_normal(*map(tuple, hospitals()))
    assert numbers["cnt-logit-a"]["value"] == pytest.approx(100 * means[0], abs=2e-3)
    close(numbers["cnt-draws-a"], 100 * means[0])
    # The largest of twelve gaps, in standard errors.
    assert numbers["cnt-logit-worst"]["value"] < 4.5


def test_groups_without_a_case(value):
    """Populations with equal moments, those of logits by adaptive integration."""
    mu, _, mass = beta_nodes()
    mean = np.sum(mass * mu)

    def moment(f, m, s):
        def integrand(eta):
            return f(special.expit(eta)) * stats.norm.pdf(eta, m, s)

        return integrate.quad(integrand, m - 9 * s, m + 9 * s, epsabs=1e-12)[0]

    for key, n, end in (
        ("20", 20, "mid"),
        ("20-high", 20, "high"),
        ("1000", 1000, "mid"),
    ):
        sd = value[f"cnt-tau-{end}"] / 100
        kappa = mean * (1 - mean) / sd**2 - 1
        right = 100 * mean * kappa / (kappa + n)
        assert value[f"cnt-none-beta-{key}"] == pytest.approx(right, rel=2e-3)

        def misfit(m_s):
            first = moment(lambda p: p, *m_s)
            second = moment(lambda p: (p - mean) ** 2, *m_s)
            return first / mean - 1, second / sd**2 - 1

        m, s = optimize.root(misfit, (special.logit(mean), sd / mean)).x
        none = moment(lambda p: (1 - p) ** n, m, s)
        right = 100 * moment(lambda p: p * (1 - p) ** n, m, s) / none
        assert value[f"cnt-none-logit-{key}"] == pytest.approx(right, rel=2e-3)
    assert value["cnt-shape-few-gap"] < 8 and value["cnt-shape-many-ratio"] >= 1.9


@pytest.mark.parametrize("sd,key", [(1.5, "1"), (10, "10"), (100, "100")])
def test_vague_priors_by_adaptive_quadrature(value, numbers, sd, key):
    def density(eta):
        return stats.norm.pdf(eta, 0, sd) * np.exp(20 * special.log_expit(-eta))

    def below(rate):
        ends = -12 * sd, special.logit(rate), 10
        parts = [
            integrate.quad(density, a, b, limit=500)[0] for a, b in zip(ends, ends[1:])
        ]
        return parts[0] / sum(parts)

    inside = 2 * stats.norm.cdf(special.logit(0.99) / sd) - 1
    assert value[f"cnt-vague-{key}-inside"] == pytest.approx(100 * inside, abs=0.01)
    assert value[f"cnt-vague-{key}-below"] == pytest.approx(100 * below(1e-3), abs=0.02)
    if sd == 1.5:
        assert below(value["cnt-vague-1"] / 100) == pytest.approx(0.5, abs=1e-3)
        assert below(value["cnt-vague-1-high"] / 100) == pytest.approx(0.975, abs=1e-3)
    elif sd == 10:
        assert numbers["cnt-vague-10"]["text"] == "10⁻⁴"
        assert below(10**-3.5) > 0.5 > below(10**-4.5)
    else:
        assert numbers["cnt-vague-100"]["text"] == "10⁻³⁰"
        assert below(10**-29.5) > 0.5 > below(10**-30.5)


def test_half_of_what_it_is(value, numbers):
    deaths, n = hospitals()
    for more, sign in ((0, -1), (-1, 1)):
        changed = np.array([value["cnt-half-n"] + more, *n[1:]])
        mean = exact.beta_binomial(deaths, changed).mean("theta").to_numpy()[0]
        assert sign * (100 * mean - value["cnt-beta-a"] / 2) > 0
    assert value["cnt-half-n"] < value["cnt-half-fixed"]
    assert numbers["cnt-half-mu"]["text"] == numbers["cnt-mu"]["text"]


def test_pumps_are_the_published_ones(value):
    """BUGS, Pumps: alpha 0.70 (0.27), beta 0.93 (0.54); theta as George et al."""
    for name, mean, sd in (("alpha", 0.70, 0.27), ("beta", 0.93, 0.54)):
        assert value[f"cnt-gamma-{name}"] == pytest.approx(mean, abs=0.006)
        assert value[f"cnt-gamma-{name}-sd"] == pytest.approx(sd, abs=0.006)


def test_a_new_pump_and_a_pump_to_come(value):
    """By integration over alpha and beta on a grid."""
    failures, hours = pumps()
    a = np.exp(np.linspace(-3.5, 1.5, 201))[:, None]
    b = np.exp(np.linspace(-5, 2.5, 301))
    log_p = -a - 0.9 * np.log(b) - b + np.log(a) + np.log(b)
    for y, t in zip(failures, hours):
        log_p = log_p + stats.nbinom.logpmf(y, a, b / (b + t))
    mass = np.exp(log_p - log_p.max())
    mass /= mass.sum()
    new = np.sum(mass * (b / (b + 10)) ** a)
    seven = np.sum(mass * ((b + 1.05) / (b + 11.05)) ** (a + 1))
    assert value["cnt-p-new"] == pytest.approx(100 * new, abs=0.1)
    assert value["cnt-p-exact"] == pytest.approx(100 * seven, abs=0.02)
    for key, q in (("low", 0.025), ("high", 0.975)):
        below = np.sum(mass * stats.gamma.cdf(value[f"cnt-new-{key}"], a, scale=1 / b))
        assert below == pytest.approx(q, abs=2e-3)


def test_a_normal_effect_for_each_pump(value):
    failures, hours = pumps()
    m, s = np.linspace(-5, 3.5, 171)[:, None, None], np.linspace(0.05, 5, 100)[:, None]
    z = np.linspace(-6, 6, 181)
    rate = np.exp(m + s * z)
    log_p = (-(m**2) / 8 - s**2 / 8)[..., 0]
    for y, t in zip(failures, hours):
        like = np.exp(special.xlogy(y, rate * t) - rate * t - special.gammaln(y + 1))
        like = like * stats.norm.pdf(z)
        log_p = log_p + np.log(like.sum(-1) + 1e-300)
        if t == hours[6]:
            seven = np.sum(like * rate, -1) / (like.sum(-1) + 1e-300)
    mass = np.exp(log_p - log_p.max())
    mean = np.sum(mass * seven) / mass.sum()
    assert value["cnt-pump-7-row"] == pytest.approx(mean, abs=1e-3)


def test_ignored_overdispersion_costs_what_the_variance_says(numbers, close):
    """A normal approximation: the variance of a count is m + m**2 (exp(tau**2) - 1)."""
    for key, tau, mean in (
        ("0", 0, 5),
        ("3", 0.3, 5),
        ("6", 0.6, 5),
        ("many", 0.6, 50),
    ):
        ratio = 1 + mean * np.expm1(tau**2)
        share = 2 * stats.norm.sf(1.96 / ratio**0.5)
        close(numbers[f"cnt-wrong-{key}-poisson"], 100 * share, rounding=2)


def test_the_interval_that_uses_the_scatter(numbers):
    """Its errors grow with tau; at the largest they are most with the fewest pumps.

    Where five pumps have a mean count of one, it errs too rarely.
    """
    value = {key: record["value"] for key, record in numbers.items()}
    assert 4 < value["cnt-scatter-small-low"] < value["cnt-scatter-small-high"] < 8
    assert value["cnt-scatter-small-high"] < value["cnt-scatter-1-high"]
    assert 9 < value["cnt-scatter-40"] < 11
    assert value["cnt-scatter-few-high"] < 5
    assert value["cnt-scatter-normal-high"] < value["cnt-scatter-gamma-high"]
    assert value["cnt-scatter-fewer-pumps"] == 4


def test_groups_without_an_event(value):
    """Of repetitions with gamma effects, by drawing them."""
    rng = np.random.default_rng(8)
    a = 1 / np.expm1(1.5**2)
    for key, mean, pumps_each in (("1", 1, 5), ("5", 5, 5), ("most", 1, 20)):
        y = rng.poisson(mean * rng.gamma(a, 1 / a, (2, 40_000, pumps_each)))
        share = 100 * np.mean((y.sum(axis=-1) == 0).any(axis=0))
        assert value[f"cnt-scatter-empty-{key}"] == pytest.approx(share, abs=1)


def test_herds_agree_with_lme4(numbers):
    """lme4 1.1-31, glmer(cbind(incidence, size - incidence) ~ period + (1 | herd)).

    With nAGQ = 9: period 2 is -0.991 (0.307), the sd of the herds 0.648. With an
    effect for each row, (1 | row), and the Laplace approximation: -1.227 (0.480), sds
    0.184 of the herds and 0.891 of the rows. Those are maximum likelihood estimates:
    means of a posterior are near them, within half of its sd where the sd of herds is
    not near zero.
    """
    value = {key: record["value"] for key, record in numbers.items()}
    assert value["cnt-herd-p2"] == pytest.approx(-0.991, abs=0.1)
    assert value["cnt-herd-p2-sd"] == pytest.approx(0.307, abs=0.03)
    assert value["cnt-herd-tau"] == pytest.approx(0.648, abs=0.15)
    assert value["cnt-row-p2"] == pytest.approx(-1.227, abs=0.2)
    assert value["cnt-row-p2-sd"] == pytest.approx(0.480, abs=0.05)
    assert value["cnt-rows-sd"] == pytest.approx(0.891, abs=0.1)
    assert 0.184 < value["cnt-row-tau"] < value["cnt-herd-tau"]
    assert value["cnt-cbpp-rows"] == pytest.approx(value["cnt-cbpp-x2-new"], abs=0.5)
    assert value["cnt-cbpp-x2"] > 1.3 * value["cnt-cbpp-x2-new"]
    assert 2 < value["cnt-cbpp-p"] < 12
    assert value["cnt-row-below"] < 3


def test_data_used_twice(value):
    """A's count used once more: the same nodes, weighted by it again."""
    mu, kappa, mass = beta_nodes()
    # None of 47, given none of 47 before.
    a, b = mu * kappa, (1 - mu) * kappa + 47
    again = mass * np.exp(
        special.gammaln(b + 47)
        + special.gammaln(a + b)
        - special.gammaln(b)
        - special.gammaln(a + b + 47)
    )
    rate = np.sum(again * mu * kappa / (kappa + 94)) / again.sum()
    assert value["cnt-again-rate"] == pytest.approx(100 * rate, abs=0.01)
    assert value["cnt-again-sd"] < value["cnt-once-sd"]
    # A new hospital with A's count beside the real one has this rate.
    deaths, n = hospitals()
    thirteen = exact.beta_binomial(np.append(deaths, 0), np.append(n, 47))
    rate, sd = thirteen.mean("theta")[12], thirteen.sd("theta")[12]
    assert value["cnt-as-new-rate"] == pytest.approx(100 * float(rate), abs=0.01)
    assert value["cnt-as-new-sd"] == pytest.approx(100 * float(sd), abs=0.01)


def test_flat_prior_ends_in_complete_pooling(value):
    assert value["cnt-flat-step"] == pytest.approx(100, abs=10)
    assert value["cnt-flat-6-a"] == pytest.approx(value["cnt-overall"], abs=0.1)
    assert value["cnt-flat-6-tau"] < 0.1 < value["cnt-flat-3-tau"]
    assert value["cnt-default-change"] < 0.05


def test_rats_are_the_published_ones(numbers):
    """BDA3, 5.1 and 5.3: beta(1.4, 8.6), then 0.223 (0.083); in full 0.211 (0.075)."""
    value = {key: record["value"] for key, record in numbers.items()}
    assert numbers["cnt-rats-alpha"]["text"] == "1.4"
    assert numbers["cnt-rats-beta"]["text"] == "8.6"
    for key, mean, sd in (("fixed", 0.223, 0.083), ("full", 0.211, 0.075)):
        assert value[f"cnt-rats-{key}"] == pytest.approx(mean, abs=6e-4)
        assert value[f"cnt-rats-{key}-sd"] == pytest.approx(sd, abs=6e-4)


def test_why_the_prior_without_chance_is_narrow(value, numbers, close):
    """Its kappa, much more than what the hierarchy does not know of mu and kappa."""
    rats = datasets.load_rat_tumours()
    y, n = rats["tumours"].to_numpy(), rats["rats"].to_numpy()
    mu, kappa, mass = nodes_of_beta(y, n, points=(80, 80), reach=0.1, widest=0.6)
    given = stats.beta(mu * kappa + y[-1], (1 - mu) * kappa + n[-1] - y[-1])
    sd = np.sqrt(np.sum(mass * given.var()))
    close(numbers["cnt-rats-given-sd"], sd)
    less, same, part, full = (
        value[f"cnt-rats-{key}-sd"] for key in ("less", "same", "given", "full")
    )
    assert less < same < part < full
    assert same - less > 3 * (full - part)


def test_exercises(value):
    assert value["cnt-p-mean"] / 1e5 < value["cnt-p-exact"] / 100
    assert value["cnt-share-mean"] > value["cnt-share-rate"]
    assert value["cnt-true-mean"] < value["cnt-true-rate"]
