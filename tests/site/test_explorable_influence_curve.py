"""One school's datum under four priors: against quadrature, and by keyboard alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from _sphinx.executing import records
from built import SOURCES
import chapters
from pooling import datasets, exact
from using_explorables import ready, said, settled, start, tab_to

NAME = "influence-curve"
PAGE = "book/open-questions/fat-tails.html"
SCHOOLS = datasets.load_eight_schools()
Y, SE = (SCHOOLS[name].to_numpy(float) for name in ("effect", "se"))

ALONE = """async (problems) => {
    const { alone, logPredictive, scales } = await import("/modules/alone.js");
    return problems.map(([y, sigma, m, nu, s]) => {
        const prior = scales({ nu: nu ?? Infinity, s: s ?? Infinity }, Math.abs(y - m));
        const { mean, sd, quantile } = alone(y, sigma, m, prior);
        return [mean, sd, logPredictive(y, sigma, m, prior),
                quantile(0.025), quantile(0.975)];
    });
}"""
TOGETHER = """async ([y, sigma, nu, scale, muSd]) => {
    const { posterior, PRIORS } = await import("/modules/exact.js");
    const tau = PRIORS["inv-chi2"](scale, nu);
    const fit = posterior(y, sigma, tau, { mean: 0, sd: muSd });
    const levels = y.map((_, j) => fit.quantile(j, 0.975));
    return { ...fit, next: fit.next.sd, levels };
}"""


class ScaledInvChi2:
    """The chapter's prior of tau: tau² has a scaled inverse chi-squared."""

    def __init__(self, nu, s):
        self.V = stats.invgamma(nu / 2, scale=nu * s**2 / 2)

    def logpdf(self, tau):
        return self.V.logpdf(tau**2) + np.log(2 * tau)


def together(moved=None):
    y = Y.copy()
    for j, value in (moved or {}).items():
        y[j] = value
    return y, exact.normal_hierarchy(
        y, SE, mu_prior=stats.norm(0, 20), tau_prior=ScaledInvChi2(4, 5)
    )


#: Of a Gauss-Legendre rule on each piece: exact to ten digits for all problems below.
NODES, WEIGHTS = np.polynomial.legendre.leggauss(400)


def by_quadrature(y, sigma, m, nu, s):
    """Mean, sd, log p(y), and the probability below a value."""
    prior = stats.t(nu, m, s)
    # Pieces with an end wherever the integrand may be narrow.
    ends = [*(y + sigma * k for k in (-40, -8, -3, 0, 3, 8, 40)),
            *(m + s * k for k in (-3, 0, 3))]

    def integral(f, to=np.inf):
        inner = sorted(e for e in {*ends, to} if e <= to and np.isfinite(e))
        a, b = np.array(inner[:-1])[:, None], np.array(inner[1:])[:, None]
        x = (a + b) / 2 + (b - a) / 2 * NODES
        weight = (b - a) / 2 * WEIGHTS
        return (f(x) * prior.pdf(x) * stats.norm.pdf(y, x, sigma) * weight).sum()

    total = integral(np.ones_like)
    mean = integral(lambda x: x) / total
    sd = (integral(lambda x: (x - mean) ** 2) / total) ** 0.5
    return mean, sd, np.log(total), lambda x: integral(np.ones_like, x) / total


@pytest.fixture(scope="module")
def blank(window):
    with window() as visit:
        yield visit.open("genindex.html")
        assert not visit.errors


PROBLEMS = [
    (y, sigma, m, nu, s)
    for y, sigma in [(28.0, 15.0), (-150.0, 9.0), (0.5, 18.0)]
    for m in (0.0, 7.5)
    for nu in (1, 4, 30)
    for s in (2.0, 10.0, 60.0)
]


def test_a_t_prior_alone_against_quadrature(blank):
    found = blank.evaluate(ALONE, [list(problem) for problem in PROBLEMS])
    for problem, (mean, sd, log_p, low, high) in zip(PROBLEMS, found, strict=True):
        right = by_quadrature(*problem)
        np.testing.assert_allclose(
            [mean, sd, log_p], right[:3], rtol=1e-8, atol=1e-8, err_msg=str(problem)
        )
        np.testing.assert_allclose(
            [right[3](low), right[3](high)], [0.025, 0.975], atol=1e-8,
            err_msg=str(problem),
        )


def test_normal_and_flat_priors_alone_are_formulas(blank):
    y, sigma, m, s = 28.0, 15.0, 3.0, 10.0
    normal, flat = blank.evaluate(ALONE, [[y, sigma, m, None, s],
                                          [y, sigma, m, None, None]])
    kept = s**2 / (s**2 + sigma**2)
    posterior = stats.norm(m + kept * (y - m), kept**0.5 * sigma)
    right = [posterior.mean(), posterior.std(),
             stats.norm.logpdf(y, m, np.hypot(s, sigma)),
             *posterior.ppf([0.025, 0.975])]
    np.testing.assert_allclose(normal, right, rtol=1e-9)
    np.testing.assert_allclose(flat[:2], [y, sigma], rtol=1e-12)


@pytest.mark.parametrize("moved", [{}, {2: -47}, {2: -150}, {0: 150}], ids=str)
def test_the_hierarchy_with_its_proper_priors_is_exact(moved, blank):
    y, fit = together(moved)
    found = blank.evaluate(TOGETHER, [y.tolist(), SE.tolist(), 4, 5, 20])
    close = {"rtol": 1e-6}
    np.testing.assert_allclose(found["mean"], fit.mean("theta"), **close)
    np.testing.assert_allclose(found["sd"], fit.sd("theta"), **close)
    np.testing.assert_allclose(found["mu"]["mean"], fit.mean("mu"), **close)
    np.testing.assert_allclose(found["tau"]["sd"], fit.sd("tau"), **close)
    new = fit.sd("mu") ** 2 + fit.mean("tau") ** 2 + fit.sd("tau") ** 2
    np.testing.assert_allclose(found["next"] ** 2, new, **close)
    np.testing.assert_allclose(
        found["levels"], fit.quantile("theta", 0.975), rtol=1e-6, atol=1e-6
    )


def row(page, name):
    """What the table says of a prior, once it has a row for it."""
    cells = page.locator(f"{NAME} tbody tr:has(th:text-is('{name}')) td")
    cells.first.wait_for()
    return [cell.replace("\u2212", "-") for cell in cells.all_inner_texts()]


@pytest.mark.parametrize("size,scheme", [
    ("wide", "light"), ("wide", "dark"), ("phone", "light"),
])
def test_by_keyboard_alone(size, scheme, window):
    with window(size, scheme) as visit:
        page = visit.open(PAGE)
        start(page, NAME)
        as_observed = together()[1].mean("theta").values
        assert row(page, "hierarchy")[0] == f"{as_observed[2]:.1f}"
        assert row(page, "flat")[:3] == ["-3.0", "0.0", "no pull"]
        fixed = ("N(0, 10)", "t₄(0, 10)", "flat")
        level = {name: row(page, name)[3] for name in fixed}

        tab_to(page, "School C")
        for _ in range(4):
            page.keyboard.press("Shift+ArrowLeft")
        for _ in range(4):
            page.keyboard.press("ArrowDown")
        said(page, NAME, "C's estimate is \u221247")
        fallen = together({2: -47})[1].mean("theta").values
        change = fallen[0] - as_observed[0]
        assert change < 0
        found = row(page, "hierarchy")
        assert [found[k] for k in (0, 1, 3, 4)] == [
            f"{fallen[2]:.1f}", f"{fallen[2] + 47:+.1f}",
            f"{fallen[0]:.1f}", f"{change:+.1f}",
        ]
        t = by_quadrature(-47, SE[2], 0, 4, 10)[0]
        assert row(page, "t₄(0, 10)")[0] == f"{t:.1f}"
        assert row(page, "N(0, 10)")[0] == f"{-47 * 100 / (100 + SE[2] ** 2):.1f}"
        for name, value in level.items():
            assert row(page, name)[3] == value, "only the hierarchy tells A"

        page.keyboard.press("Home")
        said(page, NAME, "The hierarchy pulls hardest at \u221269 and less beyond it")
        assert float(row(page, "hierarchy")[4]) > 0

        tab_to(page, "Degrees of freedom")
        page.keyboard.press("Home")
        settled(page, NAME)
        cauchy = by_quadrature(-150, SE[2], 0, 1, 10)[0]
        assert row(page, "t₁(0, 10)")[0] == f"{cauchy:.1f}"
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("End")
        settled(page, NAME)
        wide = by_quadrature(-150, SE[2], 0, 1, 60)[0]
        assert row(page, "t₁(0, 60)")[0] == f"{wide:.1f}"
        lowest = together({2: -150})[1].mean("theta").values
        assert row(page, "hierarchy")[0] == f"{lowest[2]:.1f}"

        tab_to(page, "Reset to the observed data")
        page.keyboard.press("Enter")
        settled(page, NAME)
        assert row(page, "hierarchy")[0] == f"{as_observed[2]:.1f}"
        assert not visit.errors and not visit.outside


def hardest(mean, grid):
    """Where an answer is pulled up, and down, hardest."""
    pull = mean - grid
    return grid[np.argmax(pull)], grid[np.argmin(pull)]


def test_where_a_prior_lets_go_is_where_it_is_shown(window):
    grid = np.arange(-150, 151.0)
    y = np.tile(Y, (grid.size, 1))
    y[:, 2] = grid
    joint = exact.normal_hierarchy(
        y, SE, mu_prior=stats.norm(0, 20), tau_prior=ScaledInvChi2(4, 5)
    ).mean("theta").values
    theta = np.linspace(-600, 600, 12_001)[:, None]
    with window() as visit:
        figure = ready(visit.open(PAGE), NAME)
        for nu in (1, 4, 12):
            figure.evaluate("(figure, nu) => { figure.nu = nu; figure.frame(); }", nu)
            turns = figure.evaluate("figure => figure.turns")
            log_p = stats.t.logpdf(theta, nu, 0, 10)
            log_p = log_p - 0.5 * ((grid - theta) / SE[2]) ** 2
            p = np.exp(log_p - log_p.max(axis=0))
            mean = (theta * p).sum(axis=0) / p.sum(axis=0)
            np.testing.assert_allclose(turns["t"], hardest(mean, grid), atol=1)
            np.testing.assert_allclose(
                turns["hierarchy"], hardest(joint[:, 2], grid), atol=1
            )
            assert turns["normal"] == turns["flat"] == [None, None]
        printed = visit.page.locator(".pasted-text").all_text_contents()
    chapter = chapters.executed(PAGE.removesuffix(".html"), SOURCES)
    said_in_prose = records.glued(chapter)["ft-hardest-hierarchy"]
    assert said_in_prose["value"] == hardest(joint[:, 2], grid)[0]
    assert said_in_prose["text"] in printed


def test_by_pointer(window):
    with window() as visit:
        page = visit.open(PAGE)
        handle = ready(page, NAME).locator(".handle")
        # Away from the header, and once what has come near is set.
        handle.evaluate("h => h.scrollIntoView({block: 'center', behavior: 'instant'})")
        settled(page, NAME)
        box = handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 80, y, steps=4)
        page.mouse.up()
        settled(page, NAME)
        assert float(row(page, "flat")[0]) < Y[2] - 20
        assert not visit.errors
