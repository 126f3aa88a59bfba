"""How much to pool, chosen before the season's rest is shown: numbers and controls."""

from __future__ import annotations

import numpy as np
import pytest

from pooling import datasets
from using_explorables import cells, click, data_of, ready, said, settled, start, tab_to

NAME = "eighteen-players"
PAGE = "book/why-hierarchy/eighteen-players.html"
PLAYERS = datasets.load_baseball()
START = (PLAYERS["hits"] / PLAYERS["at_bats"]).to_numpy()
REST = PLAYERS["rest_average"].to_numpy()


def estimates(share, y=START):
    return (1 - share) * y + share * y.mean()


def error(share, y=START, truth=REST):
    return np.sum((estimates(share, y) - truth) ** 2)


def closer(share):
    return np.sum(np.abs(estimates(share) - REST) < np.abs(START - REST))


@pytest.fixture(scope="module")
def data(window):
    """What the page gives the figure."""
    return data_of(window, PAGE, NAME)


def test_its_data_are_the_table_and_the_formula(data):
    real, alike, different = data["seasons"]
    np.testing.assert_allclose(real["start"], START)
    np.testing.assert_allclose(real["truth"], REST)
    assert real["choice"] == pytest.approx(0.788, abs=0.0005)
    assert len(set(alike["truth"])) == 1
    assert np.std(different["truth"]) > 2 * np.std(REST)
    for season in (real, alike, different):
        y = np.array(season["start"])
        assert (np.diff(y) <= 0).all()
        chance = y.mean() * (1 - y.mean()) / 45
        assert season["choice"] == pytest.approx(
            min(1, 15 * chance / np.sum((y - y.mean()) ** 2))
        )


def test_its_errors_are_exact(window, data):
    with window() as visit:
        figure = ready(visit.open(PAGE), NAME)
        for k, season in enumerate(data["seasons"]):
            found = figure.evaluate("""(figure, k) => { figure.begun(k);
                return [[0, 0.3, 1].map(s => figure.error(s)), figure.best]; }""", k)
            y, truth = np.array(season["start"]), np.array(season["truth"])
            np.testing.assert_allclose(
                found[0], [error(s, y, truth) for s in (0, 0.3, 1)], rtol=1e-12
            )
            shares = np.linspace(0, 1, 10_001)
            best = shares[np.argmin([error(s, y, truth) for s in shares])]
            assert found[1] == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize("size,scheme", [("wide", "light"), ("phone", "dark")])
def test_by_keyboard_the_truth_comes_after_the_choice(size, scheme, window):
    with window(size, scheme) as visit:
        page = visit.open(PAGE)
        start(page, NAME)
        tab_to(page, "Share of the way")
        for _ in range(30):
            page.keyboard.press("ArrowRight")
        mean = f"{START.mean():.3f}"
        words = said(page, NAME, f"moves 30% of the way to the mean, {mean}")
        assert f"Clemente's estimate is {estimates(0.3)[0]:.3f}" in words
        assert "error" not in words and cells(page, NAME, 0) == ["hidden"] * 4
        assert page.locator(f"{NAME} svg path.exact").count() == 0

        tab_to(page, "Show what happened")
        page.keyboard.press("Enter")
        words = said(page, NAME, f"error is {error(0.3):.4f}; that of the averages")
        assert f"{error(0):.4f}" in words and f"{closer(0.3)} of 18 players" in words
        assert cells(page, NAME, 0) == [
            f"{error(0):.4f}", f"{error(0.3):.4f}", "hidden", f"{error(1):.4f}"
        ]
        assert page.locator(f"{NAME} svg path.exact").count() == 19

        page.keyboard.press("Enter")
        words = said(page, NAME, "the formula chooses 79%, with an error of 0.0213")
        assert "best choice in hindsight is 81%" in words
        start(page, NAME)
        tab_to(page, "Share of the way")
        page.keyboard.press("End")
        words = said(page, NAME, "Before you looked you chose 30%")
        assert f"with an error of {error(0.3):.4f}" in words

        tab_to(page, "Season")
        page.keyboard.press("ArrowDown")
        words = said(page, NAME, "Simulated: alike.")
        assert "still hidden" in words
        assert not visit.errors and not visit.outside


def test_start_again_hides_what_was_shown(window):
    with window() as visit:
        page = visit.open(PAGE)
        figure = ready(page, NAME)
        for _ in range(3):
            figure.locator("button").click()
        settled(page, NAME)
        words = said(page, NAME, "moves 0% of the way")
        assert "still hidden" in words and cells(page, NAME, 0) == ["hidden"] * 4
        assert figure.locator("button").inner_text() == "Show what happened"


def test_by_pointer(window):
    with window() as visit:
        page = visit.open(PAGE)
        figure = click(page, NAME, "across", 60, below=120)
        assert figure.evaluate("figure => figure.share") == pytest.approx(60, abs=1)
        assert not visit.errors
