"""A fixed prior's width, tail and centre beside a hierarchy: exact, by keyboard."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from _sphinx.executing import records
from built import SOURCES
import chapters
from pooling import datasets, exact
from using_explorables import data_of, ready, said, settled, start, tab_to

NAME = "prior-width"
PAGE = "book/open-questions/three-priors.html"
PRIORS = {"mu_prior": stats.norm(0, 2), "tau_prior": stats.halfnorm(scale=1)}


@pytest.fixture(scope="module")
def data(window):
    """What the page gives the figure."""
    return data_of(window, PAGE, NAME)


@pytest.fixture(scope="module")
def measured(data):
    counties = [c for c in data["counties"] if c["estimate"] is not None]
    return ([c["name"] for c in counties],
            *(np.array([c[key] for c in counties]) for key in ("estimate", "se")))


@pytest.fixture(scope="module")
def core(measured):
    return exact.normal_hierarchy(*measured[1:], **PRIORS)


@pytest.fixture(scope="module")
def alone(measured):
    """Sum over the counties of log p(its estimate | the others')."""
    _, b, se = measured
    others = ~np.eye(len(b), dtype=bool)
    without = exact.normal_hierarchy(
        *(np.array([v[keep] for keep in others]) for v in (b, se)), **PRIORS
    )
    return exact.normal_hierarchy(b, se, **PRIORS).log_evidence * len(b) - np.sum(
        without.log_evidence
    )


def test_each_county_is_regressed_as_the_model_says(data):
    """Against generalised least squares, written out with matrices."""
    radon = datasets.load_radon()
    x, y = (radon[name].to_numpy(float) for name in ("floor", "log_radon"))
    county = radon["county"].cat.codes.to_numpy()
    unit = stats.halfnorm(scale=1)
    fit = exact.varying_intercepts(
        y, county, np.column_stack([np.ones_like(y), x]),
        tau_prior=unit, sigma_prior=unit,
    )
    assert [c["name"] for c in data["counties"]] == list(radon["county"].cat.categories)
    for j, found in enumerate(data["counties"]):
        own = county == j
        assert found["houses"] == x[own].sum()
        if not found["houses"]:
            assert found["estimate"] is found["se"] is None
            continue
        cov = fit.mean("sigma") ** 2 * np.eye(own.sum()) + fit.mean("tau") ** 2
        information = x[own] @ np.linalg.solve(cov, x[own])
        score = x[own] @ np.linalg.solve(cov, y[own] - float(fit.mean("beta")[0]))
        np.testing.assert_allclose(
            [found["estimate"], found["se"]],
            [score / information, information**-0.5], rtol=1e-9,
        )


def test_the_hierarchy_is_exact(window, data, measured, core, alone):
    names = measured[0]
    with window() as visit:
        found = ready(visit.open(PAGE), NAME).evaluate("""figure => ({
            rows: figure.rows.map(row => row.learned), score: figure.hierarchyScore,
            tau: figure.fit.tau, mu: figure.fit.mu,
            density: [0.05, 0.2, 0.6].map(figure.fit.densityTau) })""")
    close = {"rtol": 1e-6}
    for name in ("tau", "mu"):
        np.testing.assert_allclose(
            [found[name]["mean"], found[name]["sd"]], [core.mean(name), core.sd(name)],
            **close,
        )
    np.testing.assert_allclose(
        found["density"], core.density("tau", np.array([0.05, 0.2, 0.6])), **close
    )
    np.testing.assert_allclose(found["score"], alone, **close)
    for name, row in zip(data["shown"], found["rows"], strict=True):
        if name not in names:
            variance = core.sd("mu") ** 2 + core.mean("tau") ** 2 + core.sd("tau") ** 2
            np.testing.assert_allclose(
                [row["mean"], row["sd"]], [core.mean("mu"), variance**0.5], **close
            )
            continue
        j = names.index(name)
        np.testing.assert_allclose(
            [row["mean"], row["sd"], *row["interval"]],
            [core.mean("theta")[j], core.sd("theta")[j],
             *(core.quantile("theta", q)[j] for q in (0.025, 0.975))],
            rtol=1e-6, atol=1e-6,
        )


def fixed_score(measured, nu, m, s):
    """Sum of log p(b) under independent t priors, by a sum over a fine grid."""
    _, b, se = measured
    if nu is None:
        return stats.norm.logpdf(b, m, np.hypot(se, s)).sum()
    z = np.linspace(-12, 12, 4_001)[:, None]
    density = stats.norm.pdf(z) * stats.t.pdf(b + se * z, nu, m, s)
    return np.log(density.sum(axis=0) * (z[1, 0] - z[0, 0])).sum()


@pytest.mark.parametrize("tail", [0, 1, 2])
def test_the_score_of_a_fixed_prior_is_exact(tail, window, data, measured, alone):
    nu = data["tails"][tail]["nu"]
    cases = [(0, 0.5), (0, 100), (-0.65, 0.25), (1, 1000)]
    with window() as visit:
        figure = ready(visit.open(PAGE), NAME)
        for m, s in cases:
            found = figure.evaluate(
                """(figure, [tail, m, s]) => {
                    figure.tail = tail; figure.centre = m; return figure.score(s); }""",
                [tail, m, s],
            )
            right = fixed_score(measured, nu, m, s) - alone
            np.testing.assert_allclose(found, right, rtol=1e-6, atol=1e-6)


def cells(page, county):
    found = page.locator(f"{NAME} tbody tr:has(th:text-matches('^{county} ')) td")
    return [cell.replace("\u2212", "-") for cell in found.all_inner_texts()]


def both(mean, sd):
    return f"{mean:.2f} ({sd:.2f})"


@pytest.mark.parametrize("size,scheme", [
    ("wide", "light"), ("wide", "dark"), ("phone", "light"),
])
def test_by_keyboard_alone(size, scheme, window, measured, core, alone):
    names, b, se = measured
    j = names.index("Redwood")
    with window(size, scheme) as visit:
        page = visit.open(PAGE)
        start(page, NAME)
        assert cells(page, "Redwood")[0] == both(b[j], se[j])
        assert cells(page, "Redwood")[2] == both(
            core.mean("theta")[j], core.sd("theta")[j]
        )
        assert cells(page, "Sherburne")[:2] == ["none", "0.00 (100.00)"]
        gap = fixed_score(measured, None, 0, 100) - alone
        first = said(page, NAME, f"score is {-gap:.1f} below the hierarchy's")
        assert "10⁻⁸⁵ to 10⁸⁵ times" in first

        tab_to(page, "Scale s of the fixed prior")
        page.keyboard.press("Home")
        for _ in range(28):  # steps of 0.05 in log10, from 0.01 to 0.25
            page.keyboard.press("ArrowRight")
        s = 10**-0.6
        gap = fixed_score(measured, None, 0, s) - alone
        said(page, NAME, f"score is {-gap:.1f} below")
        kept = s**2 / (s**2 + se[j] ** 2)
        assert cells(page, "Redwood")[1] == both(kept * b[j], kept**0.5 * se[j])

        tab_to(page, "Its tail")
        page.keyboard.press("ArrowDown")
        gap = fixed_score(measured, 4, 0, s) - alone
        said(page, NAME, f"score is {-gap:.1f} below")
        assert cells(page, "Sherburne")[1] == both(0, s * 2**0.5)
        page.keyboard.press("ArrowDown")
        settled(page, NAME)
        assert cells(page, "Sherburne")[1] == "none (none)"
        page.keyboard.press("Home")

        tab_to(page, "Its centre m")
        for _ in range(13):
            page.keyboard.press("ArrowLeft")
        gap = fixed_score(measured, None, -0.65, s) - alone
        assert gap > 0
        said(page, NAME, f"score is {gap:.1f} above the hierarchy's")
        assert cells(page, "Sherburne")[1] == both(-0.65, s)
        assert cells(page, "Sherburne")[2].startswith(f"{core.mean('mu'):.2f}")
        assert not visit.errors and not visit.outside


def test_by_pointer(window):
    with window() as visit:
        page = visit.open(PAGE)
        figure = ready(page, NAME)
        figure.scroll_into_view_if_needed()
        figure.evaluate("""figure => {
            const top = figure.getBoundingClientRect().top;
            scrollTo({ top: top + scrollY - 120, behavior: "instant" }); }""")
        settled(page, NAME)
        box = figure.locator("svg").bounding_box()
        scale, centre, below = figure.evaluate("""figure => [
            figure.alongWidth(0), figure.along(-1), figure.upper + 20]""")
        page.mouse.click(box["x"] + scale, box["y"] + below)
        page.mouse.click(box["x"] + centre, box["y"] + 100)
        settled(page, NAME)
        s, m = figure.evaluate("figure => [figure.width, figure.centre]")
        assert s == pytest.approx(1, rel=0.13) and m == pytest.approx(-1, abs=0.06)
        assert not visit.errors


def test_a_tail_gains_nothing_and_a_centre_does(measured, alone):
    """What the chapter says: width and tail do not reach the hierarchy."""
    widths = np.geomspace(0.01, 10, 61)
    for nu in (None, 4, 1):
        at_zero = [fixed_score(measured, nu, 0, s) for s in widths]
        assert max(at_zero) < alone - 10
    best = max(fixed_score(measured, None, 0, s) for s in widths)
    assert all(
        max(fixed_score(measured, nu, 0, s) for s in widths) < best for nu in (4, 1)
    )
    assert max(fixed_score(measured, None, -0.65, s) for s in widths) > alone


def test_the_chapter_reads_off_the_same_hierarchy(window, core):
    """The chapter's cell and the figure's data come from one recipe, written twice."""
    with window() as visit:
        printed = visit.open(PAGE).locator(".pasted-text").all_text_contents()
    glued = records.glued(chapters.executed(PAGE.removesuffix(".html"), SOURCES))
    for key, right in [
        ("tp-core-tau", core.mean("tau")),
        ("tp-core-tau-sd", core.sd("tau")),
        ("tp-core-mu", core.mean("mu")),
    ]:
        assert glued[key]["value"] == pytest.approx(float(right), rel=1e-6), key
        assert glued[key]["text"] in printed, key
