"""One hospital's count against the other eleven: its numbers, and its controls."""

from __future__ import annotations

import numpy as np
import pytest

from pooling import datasets, exact
from using_explorables import cells, click, ready, said, start, tab_to

NAME = "one-hospital"
PAGE = "book/pooling/counts.html"
TABLE = datasets.load_hospitals()
DEATHS = TABLE["deaths"].to_numpy()
OPERATIONS = TABLE["operations"].to_numpy()


def posterior(j, y, n):
    """The exact posterior if hospital j has y deaths in n operations."""
    deaths, operations = DEATHS.copy(), OPERATIONS.copy()
    deaths[j], operations[j] = y, n
    return exact.beta_binomial(deaths, operations)


@pytest.mark.parametrize(
    "j,y,n",
    [(0, 0, 47), (0, 0, 1000), (0, 300, 1000), (7, 31, 215), (3, 3, 10), (4, 150, 500)],
)
def test_its_numbers_are_exact(window, j, y, n):
    fit = posterior(j, y, n)
    with window() as visit:
        figure = ready(visit.open(PAGE), NAME)
        found = figure.evaluate(
            """(figure, [j, y, n]) => {
                const { kept, ...rest } = figure.answers(j, y, n);
                const others = figure.names.map((_, k) => figure.other(kept, k));
                figure.chosen = j; figure.y = y; figure.n = n;
                return { ...rest, others, curve: figure.densities(kept) };
            }""",
            [j, y, n],
        )
    assert found["mean"] == pytest.approx(float(fit.mean("theta")[j]), abs=2e-6)
    assert found["sd"] == pytest.approx(float(fit.sd("theta")[j]), abs=2e-6)
    assert found["mu"] == pytest.approx(fit.mean("mu"), abs=2e-6)
    assert found["tau"] == pytest.approx(fit.mean("tau"), abs=5e-6)
    for k in range(12):
        if k != j:
            other = found["others"][k]
            assert other["mean"] == pytest.approx(float(fit.mean("theta")[k]), abs=2e-6)
            assert other["sd"] == pytest.approx(float(fit.sd("theta")[k]), abs=2e-6)
    rate, density, _ = np.array(found["curve"]).T
    right = fit.predict(j).density(rate[:, None] if rate.ndim > 1 else rate)
    assert np.abs(density - np.asarray(right)).max() < 4e-3 * density.max()


@pytest.mark.parametrize("size,scheme", [("wide", "light"), ("phone", "dark")])
def test_by_keyboard_the_count_changes_and_comes_back(size, scheme, window):
    with window(size, scheme) as visit:
        page = visit.open(PAGE)
        start(page, NAME)
        tab_to(page, "Deaths")
        for _ in range(5):
            page.keyboard.press("ArrowRight")
        fit = posterior(0, 5, 47)
        words = said(page, NAME, "Hospital A with 5 deaths in 47 operations")
        mean = 100 * float(fit.mean("theta")[0])
        assert f"its estimate is {mean:.1f}%" in words
        assert cells(page, NAME, 0) == ["0.0%", f"{100 * 5 / 47:.1f}%"]
        assert cells(page, NAME, 3)[1] == f"{100 * fit.mean('mu'):.1f}%"

        tab_to(page, "Hospital")
        page.keyboard.press("ArrowDown")
        words = said(page, NAME, "Hospital B with 18 deaths in 148 operations")
        assert "No other hospital's estimate is different" in words
        start(page, NAME)
        tab_to(page, "Operations")
        page.keyboard.press("Home")
        words = said(page, NAME, "Hospital B with 3 deaths in 10 operations")
        tab_to(page, "Real count")
        page.keyboard.press("Enter")
        said(page, NAME, "Hospital B with 18 deaths in 148 operations")
        assert not visit.errors and not visit.outside


def test_by_pointer(window):
    with window() as visit:
        page = visit.open(PAGE)
        figure = click(page, NAME, "along", 0.2, below=120)
        assert figure.evaluate("figure => figure.y") == pytest.approx(9, abs=1)
        assert not visit.errors


def test_an_update_is_quick(window):
    with window() as visit:
        page = visit.open(PAGE)
        figure = ready(page, NAME)
        took = figure.evaluate(
            """figure => {
                const times = [];
                for (let y = 0; y < 15; y++) {
                    figure.y = y; figure.frame(); times.push(figure.milliseconds);
                }
                return times.sort((a, b) => a - b)[7];
            }"""
        )
        assert took < 16.7
