"""How many groups: precision and power of a design, against integrals and draws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from using_explorables import cells, click, ready, said, start, tab_to

NAME = "how-many-groups"
PAGE = "book/pooling/how-many-groups.html"
EFFECT, SCALE = 0.3, 0.5
FOUND = """(figure, [J, n, rho, design]) => {
    const at = { J, n, rho, design };
    const found = { precision: figure.precision(at) };
    for (const k of ["complete", "test", "partial"]) found[k] = figure[k](at);
    return found; }"""
DESIGNS = [(4, 50, 0.18, 0), (20, 10, 0.18, 0), (6, 4, 0.5, 0), (100, 2, 0.02, 0),
           (4, 50, 0.18, 1), (20, 10, 0.4, 1)]
#: A grid of tau that is finer and longer than the figure's.
TAU = np.linspace(0, 4, 1601)
PRIOR = stats.halfnorm.pdf(TAU, scale=SCALE)
PRIOR[0] /= 2


def weights(S, df, noise):
    v = TAU**2 + noise
    log_p = np.log(PRIOR) - df / 2 * np.log(v) - S[:, None] / (2 * v)
    p = np.exp(log_p - log_p.max(1, keepdims=True))
    return p / p.sum(1, keepdims=True), v


def scatter(df, count=1500):
    """Evenly spaced quantiles of a chi-squared variable."""
    return stats.chi2.ppf((np.arange(count) + 0.5) / count, df)


def claims(cut, effect, sd):
    z = stats.norm.sf((cut - effect) / sd) + stats.norm.cdf((-cut - effect) / sd)
    return float(np.mean(z))


def partial(df, noise, v_true, rate):
    """Claims of partial pooling, with cuts found by bisection."""
    p, v = weights(v_true * scatter(df), df, noise)
    low, high = np.zeros(len(p)), np.full(len(p), 20.0)
    for _ in range(50):
        cut = (low + high) / 2
        sure = (p * stats.norm.cdf(cut[:, None] / np.sqrt(v * rate))).sum(1)
        low, high = np.where(sure < 0.975, cut, low), np.where(sure < 0.975, high, cut)
    return [claims(cut, effect, np.sqrt(v_true * rate)) for effect in (0, EFFECT)]


def complete(J, n, rho, design, rng):
    """Claims of complete pooling, in drawn studies."""
    N, within = J * n, 1 - rho
    df = (J - 2, N - J) if design == 0 else (J - 1, N - J - 1)
    sd = np.sqrt(4 * ((n * rho if design == 0 else 0) + within) / N)
    rss = (n * rho + within) * rng.chisquare(df[0], 400_000)
    rss += within * rng.chisquare(df[1], 400_000)
    cut = stats.norm.ppf(0.975) * np.sqrt(rss / (N - 2) * 4 / N)
    return [claims(cut, effect, sd) for effect in (0, EFFECT)]


def power_of_t(df, sd):
    cut, away = stats.t.ppf(0.975, df), stats.nct(df, EFFECT / sd)
    return away.sf(cut) + away.cdf(-cut)


def sds(J, n, rho):
    noise = (1 - rho) / n
    S = (rho + noise) * scatter(J - 1)
    p, v = weights(S, J - 1, noise)
    B = noise / v
    theta = p @ ((1 - B) * noise + B**2 * v / J) + (p @ B**2 - (p @ B) ** 2) * S / J
    tau = p @ TAU**2 - (p @ TAU) ** 2
    return {name: np.sqrt(a).mean()
            for name, a in (("mu", p @ v / J), ("theta", theta), ("tau", tau))}


@pytest.fixture(scope="module")
def visit(window):
    with window() as visit:
        ready(visit.open(PAGE), NAME)
        yield visit


@pytest.mark.parametrize("design", DESIGNS, ids=str)
def test_its_numbers_are_exact(design, visit):
    J, n, rho, kind = design
    found = visit.page.locator(NAME).evaluate(FOUND, list(design))
    within = 1 - rho
    if kind == 0:
        df, noise, v, rate = J - 2, within / n, rho + within / n, 4 / J
        df_test = df
    else:
        df, noise, v, rate = J - 1, 4 * within / n, 4 * within / n, 1 / J
        df_test = J * n - J - 1
    assert found["test"] == pytest.approx(
        [0.05, power_of_t(df_test, np.sqrt(v * rate))], abs=1e-5
    )
    assert found["partial"] == pytest.approx(partial(df, noise, v, rate), abs=5e-4)
    rng = np.random.default_rng(3)
    assert found["complete"] == pytest.approx(complete(*design, rng), abs=1.5e-3)
    for name, right in sds(J, n, rho).items():
        assert found["precision"][name] == pytest.approx(right, abs=3e-4)


def test_its_curves_pass_through_the_design(visit):
    """Curves have a coarser grid, and are of designs of the same cost."""
    gaps = visit.page.locator(NAME).evaluate("""figure =>
        figure.affordable().map(at => {
        const line = figure.line.find(({ J }) => J === at.J);
        const sds = figure.precision(at);
        return [at.J * (at.n + at.c) - figure.cost,
            ...[0, 1].map(k => line.complete[k] - figure.complete(at)[k]),
            line.test[1] - figure.test(at)[1],
            ...["mu", "theta", "tau"].map(k => line[k] - sds[k])]; })""")
    assert len(gaps) > 6
    np.testing.assert_allclose(gaps, 0, atol=2e-3)


@pytest.mark.parametrize("size,scheme", [("wide", "light"), ("phone", "dark")])
def test_by_keyboard(size, scheme, window):
    with window(size, scheme) as visit:
        page = visit.open(PAGE)
        start(page, NAME)
        tab_to(page, "Groups J")
        page.keyboard.press("ArrowRight")
        words = said(page, NAME, "22 groups of 10, ρ = 0.18, at a cost of 440")
        power = power_of_t(20, np.sqrt(4 * (0.18 + 0.082) / 22))
        assert f"the t test {100 * power:.1f}% and 5.0%" in words
        assert cells(page, NAME, 1) == ["5.0%", f"{100 * power:.1f}%"]
        right = sds(22, 10, 0.18)
        assert f"μ {right['mu']:.3f}" in words and f"τ {right['tau']:.3f}" in words

        tab_to(page, "Measurements in each")
        page.keyboard.press("Home")
        said(page, NAME, "22 groups of 2, ρ = 0.18, at a cost of 264")
        tab_to(page, "Cost c")
        page.keyboard.press("Home")
        said(page, NAME, "at a cost of 44 measurements (c = 0)")
        tab_to(page, "Treated")
        page.keyboard.press("ArrowDown")
        words = said(page, NAME, "half of each group is treated")
        power = power_of_t(21, np.sqrt(4 * 0.82 / 44))
        assert f"the t test {100 * power:.1f}%" in words
        assert not visit.errors and not visit.outside


def test_by_pointer_groups_are_exchanged_at_the_same_cost(window):
    with window() as visit:
        page = visit.open(PAGE)
        figure = click(page, NAME, "along", 10, below=120)
        now = figure.evaluate("figure => ({ ...figure.now, cost: figure.cost })")
        assert (now["J"], now["n"], now["cost"]) == (10, 30, 400)
        assert not visit.errors
