"""The origin of x under the reader's hand: its posterior, keyboard and pointer."""

from __future__ import annotations

import numpy as np
import pytest

from built import SITE
from pooling import datasets
from using_explorables import click, data_of, ready, said, settled, start, tab_to

NAME = "slope-origin"
PAGE = "book/pooling/slopes.html"
DAYS = np.arange(10)
Y = datasets.load_sleepstudy()["reaction"].to_numpy().reshape(18, 10)


def own(c):
    X = np.column_stack([np.ones(10), DAYS - c])
    unit = np.linalg.inv(X.T @ X)
    lines = Y @ X @ unit
    return lines, unit, np.sum((Y - lines @ X.T) ** 2)


def posterior(c, zero, size=24):
    """Points, weights and pooled lines at origin c, by dense two-by-two algebra."""
    lines, unit, rss = own(c)
    m = lines.mean(axis=0)
    S = (lines - m).T @ (lines - m)
    z, step = np.polynomial.legendre.leggauss(size)
    axes = [(95 if c < 5 else 150) * (1 + z) / 2, 11 * (1 + z)]
    axes += [np.zeros(1) if zero else z, 26 + 9 * z]
    steps = [step, step, np.ones(1) if zero else step, step]
    ta, tb, r, s = (g.ravel() for g in np.meshgrid(*axes, indexing="ij"))
    w = np.prod(np.meshgrid(*steps, indexing="ij"), axis=0).ravel()

    def inverse(a, b, d):
        det = a * d - b * b
        return d / det, -b / det, a / det, det

    p, q, u = ta**2, r * ta * tb, tb**2
    V = [v + s**2 * k for v, k in zip((p, q, u), unit[[0, 0, 1], [0, 1, 1]])]
    i, j, k, det = inverse(*V)
    log_p = -8.5 * np.log(det) - (i * S[0, 0] + 2 * j * S[0, 1] + k * S[1, 1]) / 2
    log_p -= 144 * np.log(s) + rss / s**2 / 2
    e, f = m - [300, 0]
    a, b, d, det = inverse(V[0] / 18 + 1e4, V[1] / 18, V[2] / 18 + 400)
    log_p -= (np.log(det) + a * e * e + 2 * b * e * f + d * f * f) / 2
    log_p -= ((ta / 50) ** 2 + (tb / 15) ** 2 + (s / 50) ** 2) / 2
    if not zero:
        log_p += np.log1p(-(r**2))
    w = w * np.exp(log_p - log_p.max())
    w /= w.sum()
    mu = 300 + 1e4 * (a * e + b * f), 400 * (b * e + d * f)
    K = p * i + q * j, p * j + q * k, q * i + u * j, q * j + u * k
    heights, slopes = (
        [w @ (mu[i] + k * (y0 - mu[0]) + n * (y1 - mu[1])) for y0, y1 in lines]
        for i, k, n in ((0, *K[:2]), (1, *K[2:]))
    )
    return (ta, tb, r), w, np.column_stack([heights, slopes])


def seen_from(c, ta, tb, r):
    tau = np.sqrt(ta**2 + 2 * c * r * ta * tb + c**2 * tb**2)
    return tau, (r * ta + c * tb) / tau


@pytest.fixture(scope="module")
def data(window):
    """What the page gives the figure."""
    return data_of(window, PAGE, NAME)


def test_its_data_are_the_own_lines(data):
    lines, unit, rss = own(0)
    np.testing.assert_allclose(data["lines"], lines)
    np.testing.assert_allclose(data["unit"], unit[[0, 0, 1], [0, 1, 1]])
    assert data["rss"] == pytest.approx(rss)


def test_with_a_learned_correlation_its_numbers_are_exact(window):
    point, w, lines = posterior(0, zero=False)
    with window() as visit:
        figure = ready(visit.open(PAGE), NAME)
        for c in (-3, 0, 4.5, 9):
            found = figure.evaluate("""(figure, c) => {
                figure.model = 0; figure.origin = c; return figure.solve(); }""", c)
            tau, rho = seen_from(c, *point)
            assert found["tauA"] == pytest.approx(w @ tau, rel=0.002)
            assert found["tauB"] == pytest.approx(w @ point[1], rel=0.002)
            assert found["rho"] == pytest.approx(w @ rho, abs=0.002)
            there, where = np.unique(np.round(rho, 9), return_inverse=True)
            mass = np.bincount(where, w)
            ends = np.interp([0.025, 0.975], np.cumsum(mass) - mass / 2, there)
            np.testing.assert_allclose([found["low"], found["high"]], ends, atol=0.05)
            if c == 0:  # by a spline through the density at 60 nodes of rho
                assert found["low"] == pytest.approx(-0.4474, abs=0.005)
                assert found["high"] == pytest.approx(0.6010, abs=0.005)
            np.testing.assert_allclose(found["lines"], lines, rtol=0.002, atol=0.02)


@pytest.mark.parametrize("c", [0, 9])
def test_without_correlation_its_numbers_are_exact(window, c):
    point, w, lines = posterior(c, zero=True)
    with window() as visit:
        figure = ready(visit.open(PAGE), NAME)
        found = figure.evaluate("""(figure, c) => {
            figure.model = 1; figure.origin = c; return figure.solve(); }""", c)
    assert found["tauA"] == pytest.approx(w @ point[0], rel=0.002)
    assert found["sigma"][1] == 0
    lines[:, 0] -= c * lines[:, 1]
    np.testing.assert_allclose(found["lines"], lines, rtol=0.002, atol=0.03)


@pytest.mark.parametrize("size,scheme", [("wide", "light"), ("phone", "dark")])
def test_by_keyboard(size, scheme, window):
    with window(size, scheme) as visit:
        page = visit.open(PAGE)
        start(page, NAME)
        before = ready(page, NAME).evaluate("figure => figure.now.lines")
        tab_to(page, "Origin of x")
        for _ in range(9):
            page.keyboard.press("ArrowRight")
        words = said(page, NAME, "x is zero at day 4.5.")
        assert "Their correlation is 0.75" in words
        assert "The lines do not depend on the origin." in words
        figure = page.locator(NAME)
        assert figure.evaluate("figure => figure.now.lines") == before
        assert figure.locator("svg path.ghost").count() == 0

        tab_to(page, "Correlation")
        page.keyboard.press("ArrowDown")
        words = said(page, NAME, "assumed to be zero")
        moved = figure.evaluate("figure => figure.moved")
        assert moved > 3 and f"{moved:.1f} ms away" in words
        assert figure.locator("svg path.ghost").count() == 18
        assert figure.locator("tbody tr").nth(2).inner_text().endswith("0.00")
        assert not visit.errors and not visit.outside


def test_by_pointer(window):
    with window() as visit:
        page = visit.open(PAGE)
        figure = click(page, NAME, "day", 6, below=100)
        assert figure.evaluate("figure => figure.origin") == 6
        box = figure.locator("svg").bounding_box()
        place = figure.evaluate("figure => [figure.turn(2), figure.turnTop + 50]")
        page.mouse.click(box["x"] + place[0], box["y"] + place[1])
        settled(page, NAME)
        assert figure.evaluate("figure => figure.origin") == 2
        assert not visit.errors


def test_the_site_has_its_script():
    assert (SITE / "explorables" / f"{NAME}.js").exists()
