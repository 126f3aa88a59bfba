"""Eight schools, the interactive figure: exact, and by keyboard alone."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from pooling import datasets, exact
from using_explorables import ready, said, settled, start, tab_to

PAGE = "book/why-hierarchy/what-is-a-hierarchical-prior.html"
NAME = "eight-schools"
SCHOOLS = datasets.load_eight_schools()
Y, SE = (SCHOOLS[name].to_numpy(float) for name in ("effect", "se"))

SOLVE = """async ([y, sigma, kind, scale, taus]) => {
    const { posterior, PRIORS, givenTau } = await import("/modules/exact.js");
    const fit = posterior(y, sigma, PRIORS[kind](scale));
    return { ...fit, density: taus.map(fit.densityTau), tail: taus.map(fit.tailTau),
             given: taus.map(tau => givenTau(y, sigma, tau)) };
}"""
PRIORS = {
    "flat": lambda scale: None,
    "half-normal": lambda scale: stats.halfnorm(scale=scale),
    "half-cauchy": lambda scale: stats.halfcauchy(scale=scale),
}


def changed(y=None, se=None):
    """The data, with some schools' numbers replaced."""
    ys, ses = Y.copy(), SE.copy()
    for place, value in (y or {}).items():
        ys[place] = value
    for place, value in (se or {}).items():
        ses[place] = value
    return ys, ses


DATA = {
    "observed": changed(),
    "A at 100": changed({0: 100}),
    "far apart": changed({0: 150, 2: -50}),
    "A precise and far": changed({0: 150, 2: -50}, {0: 2}),
    "all alike": (np.full(8, 5.0), np.full(8, 10.0)),
    "the least precise": changed(se={j: 40 for j in range(8)}),
}


@pytest.fixture(scope="module")
def solve(window):
    with window() as visit:
        page = visit.open("genindex.html")
        yield lambda *problem: page.evaluate(SOLVE, list(problem))
        assert not visit.errors


@pytest.mark.parametrize("kind,scale", [
    ("flat", 1), ("half-normal", 10), ("half-normal", 5), ("half-cauchy", 5),
    ("half-cauchy", 25),
])
@pytest.mark.parametrize("name", DATA)
def test_the_browser_finds_the_exact_posterior(name, kind, scale, solve):
    y, se = DATA[name]
    taus = [0.5, 5.0, 30.0, 80.0]
    found = solve(y.tolist(), se.tolist(), kind, scale, taus)
    fit = exact.normal_hierarchy(y, se, tau_prior=PRIORS[kind](scale))
    close = {"rtol": 1e-6, "atol": 0}
    for parameter in ("tau", "mu"):
        moments = [fit.mean(parameter), fit.sd(parameter)]
        np.testing.assert_allclose(
            [found[parameter]["mean"], found[parameter]["sd"]], moments, **close
        )
    np.testing.assert_allclose(found["mean"], fit.mean("theta"), **close)
    np.testing.assert_allclose(found["sd"], fit.sd("theta"), **close)
    np.testing.assert_allclose(
        found["density"], fit.density("tau", np.array(taus)), **close
    )
    # 1 - cdf has no digits left far out; an integral of the density has.
    tail = [
        integrate.quad(
            lambda x: float(fit.density("tau", np.exp(x)) * np.exp(x)),
            np.log(tau), np.log(tau) + 12, epsabs=0, epsrel=1e-10, limit=500,
        )[0]
        for tau in taus
    ]
    np.testing.assert_allclose(found["tail"], tail, **close)
    for tau, here in zip(taus, found["given"], strict=True):
        given = fit.given_tau(tau)
        np.testing.assert_allclose(here["mean"], given.theta_mean, **close)
        np.testing.assert_allclose(here["sd"], given.theta_sd, **close)


def answers(page, row):
    """A row of the figure's table, as numbers."""
    cells = page.locator(f"{NAME} tbody tr:has(th:text-is('{row}')) td")
    return [float(t.replace("\u2212", "-")) for t in cells.all_inner_texts()]


@pytest.mark.parametrize("name,scheme", [
    ("wide", "light"), ("wide", "dark"), ("phone", "light"),
])
def test_eight_schools_by_keyboard_alone(name, scheme, window):
    with window(name, scheme) as visit:
        page = visit.open(PAGE)
        start(page, NAME)
        fit = exact.normal_hierarchy(Y, SE)
        shown = np.round(fit.mean("theta").values, 1)
        assert answers(page, "averaged over τ") == list(shown)

        tab_to(page, "School A")
        page.keyboard.press("Shift+ArrowUp")
        said(page, NAME, "A's estimate +10")
        raised = exact.normal_hierarchy(*changed({0: 38}))
        assert answers(page, "averaged over τ") == list(
            np.round(raised.mean("theta").values, 1)
        )
        gain = float(raised.mean("theta")[1] - fit.mean("theta")[1])
        assert f"B +{gain:.1f}" in said(page, NAME, "The others")
        page.keyboard.press("ArrowDown")
        said(page, NAME, "A's estimate +9")
        page.keyboard.press("[")
        said(page, NAME, f"A's standard error is {SE[0] - 1:.0f}")
        page.keyboard.press("Escape")
        settled(page, NAME)
        assert set(answers(page, "change from the observed")) == {0.0}

        tab_to(page, "School C")
        page.keyboard.press("Home")
        assert "A" in said(
            page, NAME, "Lower C further, and these rise"
        ).split("rise: ")[1]
        page.keyboard.press("Escape")

        tab_to(page, "τ, the sd between schools")
        page.keyboard.press("Home")
        said(page, NAME, "If τ were 0.0")
        complete = np.sum(Y / SE**2) / np.sum(1 / SE**2)
        assert set(answers(page, "if τ were 0.0")) == {round(complete, 1)}

        tab_to(page, "Prior of τ")
        page.keyboard.press("ArrowDown")
        narrow = exact.normal_hierarchy(Y, SE, tau_prior=stats.halfnorm(scale=10))
        said(page, NAME, f"posterior mean of τ is {narrow.mean('tau'):.1f}")
        assert not visit.errors and not visit.outside


def test_eight_schools_by_pointer(window):
    with window() as visit:
        page = visit.open(PAGE)
        ready(page, NAME)
        handle = ready(page, NAME).locator(".handle").first
        handle.scroll_into_view_if_needed()
        page.mouse.wheel(0, -150)
        settled(page, NAME)
        box = handle.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x, y - 40, steps=4)
        page.mouse.up()
        said(page, NAME, "A's estimate +")
        assert answers(page, "own estimate")[0] > Y[0]
        assert answers(page, "own estimate")[1:] == list(Y[1:])
        page.get_by_role("button", name="Reset to the observed data").click()
        settled(page, NAME)
        assert answers(page, "own estimate") == list(Y)
        assert not visit.errors


def test_a_finger_moves_a_school_and_not_the_page(browser, server):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(f"{server}/{PAGE}")
    handle = ready(page, NAME).locator(".handle").first
    page.evaluate("""() => {
        const top = document.querySelector("eight-schools").getBoundingClientRect().top;
        scrollTo({ top: top + scrollY - 150, behavior: "instant" }); }""")
    settled(page, NAME)
    box, before = handle.bounding_box(), page.evaluate("scrollY")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finger = context.new_cdp_session(page)
    for kind, dy in [("Start", 0), *(("Move", 10 * k) for k in range(1, 7))]:
        finger.send("Input.dispatchTouchEvent", {
            "type": f"touch{kind}", "touchPoints": [{"x": x, "y": y - dy}],
        })
        settled(page, NAME)
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settled(page, NAME)
    assert answers(page, "own estimate")[0] > Y[0] + 7
    assert page.evaluate("scrollY") == before
    context.close()


def test_what_the_chapter_says_of_a_falling_c():
    """Who turns back first, and who goes on, as far as the slider goes."""
    falling = np.arange(Y[2], -101, -1)  # as far as the slider goes
    y = np.tile(Y, (len(falling), 1))
    y[:, 2] = falling
    mean = exact.normal_hierarchy(y, SE).mean("theta").values
    turns = dict(zip("ABCDEFGH", falling[mean.argmin(axis=0)], strict=True))
    assert min(turns["A"], turns["G"]) > max(turns[s] for s in "BDH")
    assert min(turns[s] for s in "BDH") > falling[-1]
    assert turns["E"] == turns["F"] == falling[-1]
