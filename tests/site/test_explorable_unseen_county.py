"""A county that is not in the data: the figure's numbers and controls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from pooling import datasets, exact
from using_explorables import click, ready, said, start, tab_to

NAME = "unseen-county"
PAGE = "book/pooling/group-predictors.html"
PRIORS = {
    "tau_prior": stats.halfnorm(scale=1),
    "sigma_prior": stats.halfnorm(scale=1),
    "beta_prior": stats.norm(0, 2),
}
RADON = datasets.load_radon()
X = np.column_stack([np.ones(len(RADON)), RADON["floor"], RADON["log_uranium"]])


def answers(uranium, houses, reading, columns):
    """Level's mean and sd, and P(a basement above 4 pCi/L), by a whole fit."""
    spread = np.arange(houses) - (houses - 1) / 2
    if houses > 1:
        spread *= 0.73 / spread.std(ddof=1)
    row = np.array([1, 0, uranium])[:columns]
    fit = exact.varying_intercepts(
        np.r_[RADON["log_radon"], reading + spread],
        [*RADON["county"], *["new"] * houses],
        np.vstack([X[:, :columns], np.tile(row, (houses, 1))]),
        **PRIORS,
    )
    house = fit.predict("new", row)
    noise = fit.mean("sigma") ** 2 + fit.sd("sigma") ** 2
    sd = np.sqrt(house.sd() ** 2 - noise)
    return float(house.mean()), float(sd), float(1 - house.cdf(np.log(4.1)))


@pytest.mark.parametrize(
    "uranium,houses,reading", [(0.3, 0, 1), (-0.6, 4, 2.5), (0.5, 60, 0.5)]
)
def test_its_answers_are_those_of_a_whole_fit(window, uranium, houses, reading):
    with window() as visit:
        figure = ready(visit.open(PAGE), NAME)
        found = figure.evaluate(
            """(figure, given) => {
                Object.assign(figure, given);
                figure.frame();
                return ["known", "unknown"].map(key => {
                    const { mean, sd, above } = figure.now[key];
                    return [mean, sd, above]; });
            }""",
            {"uranium": uranium, "houses": houses, "reading": reading},
        )
    for values, columns in zip(found, (3, 2), strict=True):
        right = answers(uranium, houses, reading, columns)
        np.testing.assert_allclose(values, right, atol=1e-3)


@pytest.mark.parametrize("size,scheme", [("wide", "light"), ("phone", "dark")])
def test_by_keyboard(size, scheme, window):
    with window(size, scheme) as visit:
        page = visit.open(PAGE)
        start(page, NAME)
        tab_to(page, "Log uranium")
        page.keyboard.press("Home")
        words = said(page, NAME, "With log uranium −0.88")
        assert words.startswith("No house measured.")
        tab_to(page, "Basements measured")
        page.keyboard.press("ArrowRight")
        words = said(page, NAME, "1 house measured, with a mean log reading of 1.00.")
        tab_to(page, "Mean log reading")
        page.keyboard.press("End")
        words = said(page, NAME, "mean log reading of 3.00")
        mean, sd, above = answers(-0.88, 1, 3.0, 3)
        assert f"the level is {mean:.2f}, sd {sd:.2f}," in words
        tab_to(page, "Start again")
        page.keyboard.press("Enter")
        said(page, NAME, "No house measured. With log uranium 0.30")
        assert not visit.errors and not visit.outside


def test_by_pointer(window):
    with window() as visit:
        page = visit.open(PAGE)
        figure = click(page, NAME, "along", -0.4, below=330)
        found = figure.evaluate("figure => figure.uranium")
        assert found == pytest.approx(-0.4, abs=0.02)
        assert not visit.errors
