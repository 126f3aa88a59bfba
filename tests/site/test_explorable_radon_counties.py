"""Radon, the interactive figure: exact for any houses, and by keyboard."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from pooling import datasets, exact
from using_explorables import ready, said, settled, start, tab_to

PAGE = "book/pooling/radon.html"
NAME = "radon-counties"
RADON = datasets.load_radon()[["county", "floor", "log_radon"]]
COUNTIES = list(RADON["county"].cat.categories)
CLOSE = {"rtol": 1e-6, "atol": 0}

#: County, its number of houses, and what added ones read on average.
PROBLEMS = [
    ("Lac Qui Parle", 2, None),
    ("Lac Qui Parle", 0, None),
    ("Lac Qui Parle", 3, None),
    ("Lac Qui Parle", 24, None),
    ("Lac Qui Parle", 62, 0.0),
    ("Koochiching", 67, 3.5),
    ("Murray", 1, None),
    ("Murray", 12, 3.5),
    ("St Louis", 6, None),
    ("St Louis", 176, 2.4),
]
SHOW = """async (figure, [name, n, added]) => {
    figure.choose(figure.counties.findIndex(county => county.name === name));
    if (added !== null) figure.added = added;
    figure.measure(n);
    figure.frame();
    const { now, chosen, n: houses, added: reads, spread } = figure;
    return { ...now, chosen, houses, reads, spread };
}"""


@pytest.fixture(scope="module")
def show(window):
    """Set the figure to a problem, and return what it then knows."""
    with window() as visit:
        figure = ready(visit.open(PAGE), NAME)
        yield lambda *problem: figure.evaluate(SHOW, list(problem))
        assert not visit.errors


def rows(county, n, reads, spread):
    """The houses of the state, when a county has n."""
    own = RADON[RADON["county"] == county]
    extra = max(n - len(own), 0)
    about = np.arange(extra) - (extra - 1) / 2
    if extra > 1:
        about *= spread / about.std(ddof=1)
    added = pd.DataFrame({"county": county, "floor": 0, "log_radon": reads + about})
    parts = [RADON[RADON["county"] != county], own[:n], *([added] if extra else [])]
    return pd.concat([part.astype({"county": str}) for part in parts])


def level_moments(fit, county):
    """Mean and sd of a county's basement level, from what is predicted for a house."""
    house = fit.predict(county, [1, 0])
    noise = fit.mean("sigma") ** 2 + fit.sd("sigma") ** 2
    return house.mean(), np.sqrt(house.sd() ** 2 - noise)


def regression(X, y, precision):
    """Means and sds of a regression, prior N(0, 1/precision), sigma half-normal(1)."""
    log_sigma = np.linspace(-0.6, 0, 301)
    var = np.exp(2 * log_sigma)[:, None, None]
    posterior = X.T @ X / var + np.diag(precision)
    covariance = np.linalg.inv(posterior)
    pull = X.T @ y / var[:, 0]
    mean = np.einsum("kij,kj->ki", covariance, pull)
    log_fit = (
        -len(y) * log_sigma - y @ y / var[:, 0, 0] / 2 + (mean * pull).sum(1) / 2
        - np.linalg.slogdet(posterior)[1] / 2 - var[:, 0, 0] / 2 + log_sigma
    )
    weight = special.softmax(log_fit)
    centre = weight @ mean
    spread = np.einsum("kii->ki", covariance) + (mean - centre) ** 2
    return centre, np.sqrt(weight @ spread)


@pytest.mark.parametrize("county,n,added", PROBLEMS)
def test_the_browser_finds_the_exact_posterior(county, n, added, show):
    found = show(county, n, added)
    assert found["houses"] == n and COUNTIES[found["chosen"]] == county
    data = rows(county, n, found["reads"], found["spread"])
    y, floor = data["log_radon"].to_numpy(), data["floor"].to_numpy(float)
    fit = exact.varying_intercepts(
        y, data["county"], np.column_stack([np.ones(len(y)), floor]),
        tau_prior=stats.halfnorm(scale=1), sigma_prior=stats.halfnorm(scale=1),
        beta_prior=stats.norm(0, 2),
    )
    for name in ("tau", "sigma"):
        np.testing.assert_allclose(
            list(found[name].values()), [fit.mean(name), fit.sd(name)], **CLOSE
        )
    for k, name in enumerate(("mu", "beta")):
        moments = [fit.mean("beta")[k], fit.sd("beta")[k]]
        np.testing.assert_allclose(list(found[name].values()), moments, **CLOSE)
    here = [COUNTIES.index(group) for group in fit.groups]
    levels = float(fit.mean("beta")[0]) + fit.mean("a").values
    means = [found["partial"][j]["mean"] for j in here]
    np.testing.assert_allclose(means, levels, **CLOSE)
    for name in {county, "Lake"}:
        it = found["partial"][COUNTIES.index(name)]
        np.testing.assert_allclose(
            [it["mean"], it["sd"]], level_moments(fit, name), **CLOSE
        )
    # The weight has no exact answer to compare with, but draws that are independent.
    draw = fit.sample(20_000, np.random.default_rng(85))
    B = 1 / (1 + n * (draw["tau"] / draw["sigma"]) ** 2)
    error = float(B.std()) / np.sqrt(B.size)
    assert abs(found["partial"][found["chosen"]]["B"] - B.mean()) <= 4 * error + 1e-12


@pytest.mark.parametrize("county,n,added", PROBLEMS[1::3])
def test_the_other_two_poolings_are_exact_too(county, n, added, show):
    found = show(county, n, added)
    data = rows(county, n, found["reads"], found["spread"])
    y, floor = data["log_radon"].to_numpy(), data["floor"].to_numpy(float)
    mean, sd = regression(np.column_stack([np.ones(len(y)), floor]), y, [0.25, 0.25])
    moments = [mean[0], sd[0]]
    np.testing.assert_allclose(list(found["complete"].values()), moments, **CLOSE)
    dummies = pd.get_dummies(data["county"], dtype=float)
    X = np.column_stack([dummies, floor])
    mean, sd = regression(X, y, [0] * dummies.shape[1] + [0.25])
    none = [found["none"][COUNTIES.index(name)] for name in dummies.columns]
    np.testing.assert_allclose([a["mean"] for a in none], mean[:-1], **CLOSE)
    np.testing.assert_allclose([a["sd"] for a in none], sd[:-1], **CLOSE)


def test_what_the_chapter_says_of_the_figure(show, window):
    measured = show("Lac Qui Parle", 2, None)
    c = measured["chosen"]

    def sd(n, kind="partial"):
        return show("Lac Qui Parle", n, None)[kind][c]["sd"]

    now = measured["partial"][c]["sd"]
    enough = next(n for n in range(3, 62) if sd(n) <= now / 2)
    with window() as visit:
        page = visit.open(PAGE)
        assert f"It takes {enough}." in page.locator("article").text_content()
    assert enough > 8
    assert sd(8, "none") <= measured["none"][c]["sd"] / 2 < sd(7, "none")
    leads = [1 - sd(n) / sd(n, "none") for n in range(1, 63)]
    assert min(leads) > 0 and max(leads) == leads[0]
    # Few houses of St Louis: its own estimate alone leaves those of the others.
    for n in (1, 2, 3, 4):
        few = show("St Louis", n, None)
        j = few["chosen"]
        for kind, beyond in (("none", True), ("partial", False)):
            others = [it["mean"] for k, it in enumerate(few[kind]) if k != j]
            assert (few[kind][j]["mean"] < min(others)) == beyond, (n, kind)


@pytest.mark.parametrize("size", ["wide", "phone"])
def test_the_question_is_answered_by_keyboard_alone(size, window):
    with window(size) as visit:
        page = visit.open(PAGE)
        start(page, NAME)
        table = page.locator(f"{NAME} tbody tr")
        sds = [float(row.locator("td").nth(1).inner_text()) for row in table.all()]
        tab_to(page, "Houses in Lac Qui Parle")
        for _ in range(6):
            page.keyboard.press("ArrowRight")
        said(page, NAME, "with 8 houses, 6 added")
        assert float(table.nth(0).locator("td").nth(1).inner_text()) == sds[0] / 2
        words = said(page, NAME, "times the sd as measured")
        assert float(re.search(r"([\d.]+) times the sd", words)[1]) > 0.7
        for _ in range(16):
            page.keyboard.press("ArrowRight")
        said(page, NAME, "with 24 houses, 22 added")
        said(page, NAME, "0.50 times the sd as measured")

        page.keyboard.press("Home")
        said(page, NAME, "No pooling gives no estimate")
        said(page, NAME, "has 100% of the weight")
        tab_to(page, "Reading of the added houses")
        page.keyboard.press("Home")
        page.keyboard.press("Shift+Tab")
        page.keyboard.press("End")
        said(page, NAME, "with 62 houses, 60 added that read 0.9 pCi/L")
        page.keyboard.press("Shift+Tab")
        page.keyboard.type("St Louis")
        said(page, NAME, "St Louis with 116 houses, as measured")
        assert not visit.errors and not visit.outside


def test_the_formula_and_the_table_show_the_same_numbers(show, window):
    with window() as visit:
        figure = ready(visit.open(PAGE), NAME)
        found = figure.evaluate(SHOW, ["Lac Qui Parle", 20, None])
        worth = found["sigma"]["mean"] ** 2 / found["tau"]["mean"] ** 2
        share = figure.locator(".formula p").first.text_content()
        assert share.split("=")[-1].strip() == f"{20 / (20 + worth):.2f}"
        it = found["partial"][found["chosen"]]
        assert f"averaged over the posterior, {it['mean']:.2f}." in figure.locator(
            ".formula").inner_text()
        cells = figure.locator("tbody tr").nth(1).locator("td").all_inner_texts()
        was = show("Lac Qui Parle", 2, None)["partial"][found["chosen"]]["sd"]
        assert cells == [
            f"{it['mean']:.2f}", f"{it['sd']:.2f}", f"{was:.2f}",
            f"{np.exp(it['mean']) - 0.1:.1f}",
        ]


def test_a_pointer_adds_houses_and_chooses_a_county(window):
    with window() as visit:
        page = visit.open(PAGE)
        figure = ready(page, NAME)
        figure.locator("svg").evaluate("""e =>
            e.scrollIntoView({ block: 'center', behavior: 'instant' })""")
        settled(page, NAME)
        where = """(figure, [n, level]) => {
            const box = figure.drawing.getBoundingClientRect();
            return [box.x + figure.right(n), box.y + figure.up(level)]; }"""
        page.mouse.move(*figure.evaluate(where, [2, 0.2]))
        page.mouse.down()
        page.mouse.move(*figure.evaluate(where, [20, 0.2]), steps=5)
        page.mouse.up()
        said(page, NAME, "Lac Qui Parle with 20 houses")
        level = figure.evaluate("""figure => figure.now.partial[
            figure.counties.findIndex(c => c.name === "St Louis")].mean""")
        page.mouse.click(*figure.evaluate(where, [116, level]))
        said(page, NAME, "St Louis with 116 houses, as measured")
        page.mouse.click(*figure.evaluate(where, [50, 3.2]))
        said(page, NAME, "St Louis with 50 houses, 66 taken away")
        page.get_by_role("button", name="Reset to the measured houses").click()
        said(page, NAME, "St Louis with 116 houses, as measured")
        assert not visit.errors
