"""Climb the ridge: densities and slopes, where the climbs end, and its controls."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from axe import keep_alone, violations
from pooling import datasets, exact
from using_explorables import let_pass, ready, said, settled, start, tab_to

PAGE = "book/posterior/mode-or-mean.html"
NAME = "climb-the-ridge"
SCHOOLS = datasets.load_eight_schools()
Y, SE = (SCHOOLS[name].to_numpy(float) for name in ("effect", "se"))
SCALES = [5, 20, 80, None]  # None is flat
STARTS = [0.1, 1.0, 5.9, 25.0, 100.0]
CLOSE = {"rtol": 1e-6, "atol": 0}

LOAD = """const { DENSITIES, begin, ascend, flat, between } =
    await import("/modules/ridge.js");
  const make = (kind, [y, sigma, scale]) =>
    DENSITIES[kind]({ y, sigma, scale: scale ?? Infinity });"""
VALUE = f"""async ([kind, problem, points]) => {{ {LOAD}
  return points.map(p => make(kind, problem).value(p)); }}"""
BEST = f"""async ([kind, problem, taus]) => {{ {LOAD}
  const density = make(kind, problem);
  return taus.map(t => {{ const at = density.best(t);
    return {{ at, effects: density.effects(at), height: density.value(at).height }};
  }}); }}"""
CLIMB = f"""async ([kind, problem, tau, patience]) => {{ {LOAD}
  const density = make(kind, problem);
  let here = begin(density, density.best(tau)), steps = 0;
  const heights = [here.height];
  for (; steps < patience; steps++) {{
    const next = ascend(density, here);
    if (!next) break;
    here = next; heights.push(here.height);
  }}
  return {{ at: here.point, heights, flat: flat(here), steps }}; }}"""
NEAR = """async ([y, sigma, scale, taus]) => {
  const { posterior, PRIORS } = await import("/modules/exact.js");
  const { between } = await import("/modules/ridge.js");
  const fit = posterior(y, sigma, PRIORS["half-normal"](scale ?? Infinity));
  return taus.map(t => between(fit.densityTau, t / 2, 2 * t)); }"""


def problem(scale):
    return [Y.tolist(), SE.tolist(), scale]


def log_prior(tau, scale):
    return 0.0 if scale is None else -((tau / scale) ** 2) / 2


def centered(at, scale):
    tau, mu, theta = np.exp(at[0]), at[1], at[2:]
    return (
        stats.norm.logpdf(Y, theta, SE).sum()
        + stats.norm.logpdf(theta, mu, tau).sum()
        + log_prior(tau, scale)
    )


def noncentered(at, scale):
    tau, mu, z = np.exp(at[0]), at[1], at[2:]
    return (
        stats.norm.logpdf(Y, mu + tau * z, SE).sum()
        + stats.norm.logpdf(z).sum()
        + log_prior(tau, scale)
    )


def marginal(at, scale):
    prior = None if scale is None else stats.halfnorm(scale=scale)
    fit = exact.normal_hierarchy(Y, SE, tau_prior=prior)
    return float(np.log(fit.density("tau", np.exp(at[0]))))


DENSITY = {"centered": centered, "noncentered": noncentered, "marginal": marginal}


def slopes(f, at, h=1e-3):
    """Central differences of fourth order."""
    def along(k, step):
        moved = np.array(at)
        moved[k] += step
        return f(moved)

    return np.array([
        (8 * (along(k, h) - along(k, -h)) - along(k, 2 * h) + along(k, -2 * h)) / 12 / h
        for k in range(len(at))
    ])


def profile(tau, scale):
    """The highest non-centered log density for this tau, found by SciPy."""
    def minus(rest):
        misfit = (Y - rest[0] - tau * rest[1:]) / SE
        return np.r_[misfit, rest[1:]]

    found = optimize.least_squares(minus, np.zeros(9), xtol=1e-15, ftol=1e-15)
    return -found.cost + log_prior(tau, scale), found.x


@pytest.fixture(scope="module")
def run(window):
    """Run a script of the above in a page of the site."""
    with window() as visit:
        page = visit.open("genindex.html")
        yield lambda script, *args: page.evaluate(script, list(args))
        assert not visit.errors


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("kind", DENSITY)
def test_density_and_slope(kind, scale, run):
    rng = np.random.default_rng(8)
    points = [
        [np.log(tau)] if kind == "marginal"
        else [np.log(tau), rng.normal(8, 5), *rng.normal(0, 1, 8) * size]
        for tau in (0.5, 4.0, 30.0)
        for size in (1.0, 10.0)
    ]
    found = run(VALUE, kind, problem(scale), points)
    heights = np.array([f["height"] for f in found])
    wanted = np.array([DENSITY[kind](np.array(p), scale) for p in points])
    # A log density is known up to a constant.
    np.testing.assert_allclose(np.diff(heights), np.diff(wanted), rtol=1e-6, atol=1e-9)
    for point, f in zip(points, found, strict=True):
        numeric = slopes(lambda at: DENSITY[kind](at, scale), point)
        np.testing.assert_allclose(
            f["slope"], numeric, rtol=1e-6, atol=1e-6 * abs(numeric).max()
        )


@pytest.mark.parametrize("scale", SCALES)
def test_the_best_of_all_else_is_the_ridge(scale, run):
    taus = [0.05, 1.0, 8.0, 50.0]
    across = run(BEST, "noncentered", problem(scale), taus)
    ridge = run(BEST, "centered", problem(scale), taus)
    for tau, z, theta in zip(taus, across, ridge, strict=True):
        height, best = profile(tau, scale)
        np.testing.assert_allclose(z["height"], height, **CLOSE)
        np.testing.assert_allclose(z["at"][1], best[0], **CLOSE)
        effects = best[0] + tau * best[1:]
        np.testing.assert_allclose(z["effects"], effects, **CLOSE)
        np.testing.assert_allclose(theta["effects"], effects, **CLOSE)
        # The Jacobian is all that lies between the two.
        np.testing.assert_allclose(
            theta["height"], height - 8 * np.log(tau), **CLOSE
        )


@pytest.mark.parametrize("scale", SCALES)
def test_the_probability_near_a_tau(scale, run):
    prior = None if scale is None else stats.halfnorm(scale=scale)
    fit = exact.normal_hierarchy(Y, SE, tau_prior=prior)
    taus = np.array([0.1, 1.0, 5.9, 19.3, 45.0])
    found = run(NEAR, *problem(scale), [*taus, 1e-6])
    np.testing.assert_allclose(
        found[:-1], fit.cdf("tau", 2 * taus) - fit.cdf("tau", taus / 2),
        rtol=1e-6, atol=1e-9,
    )
    # Next to zero the density is level.
    assert found[-1] == pytest.approx(1.5e-6 * float(fit.density("tau", 0.0)), rel=1e-6)


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("scale", SCALES)
def test_the_centered_climb_has_no_end(scale, start, run):
    end = run(CLIMB, "centered", problem(scale), start, 60)
    assert end["steps"] == 60 and not end["flat"]
    assert np.exp(end["at"][0]) < 0.01
    assert np.all(np.diff(end["heights"]) > 0)
    further = run(CLIMB, "centered", problem(scale), start, 120)
    assert further["at"][0] < end["at"][0] - np.log(10)
    assert further["heights"][-1] > end["heights"][-1] + 8
    assert np.ptp(further["at"][2:]) < 0.001  # complete pooling


@pytest.mark.parametrize("start", STARTS)
@pytest.mark.parametrize("scale", [20, 80])
def test_the_noncentered_climb_ends_at_its_mode(scale, start, run):
    end = run(CLIMB, "noncentered", problem(scale), start, 60)
    best = optimize.minimize_scalar(
        lambda tau: -profile(tau, scale)[0], bounds=(5, 100), method="bounded",
        options={"xatol": 1e-6},
    )
    height, rest = profile(best.x, scale)
    assert end["flat"]
    assert np.exp(end["at"][0]) == pytest.approx(best.x, rel=1e-4)
    np.testing.assert_allclose(end["at"][1:], rest, atol=1e-4)
    assert end["heights"][-1] == pytest.approx(height, abs=1e-6)


def test_the_noncentered_climb_follows_the_prior(run):
    narrow = run(CLIMB, "noncentered", problem(5), 5.9, 200)
    assert narrow["flat"] and np.exp(narrow["at"][0]) < 0.05
    free = run(CLIMB, "noncentered", problem(None), 5.9, 60)
    assert not free["flat"] and np.exp(free["at"][0]) > 200


@pytest.mark.parametrize("scale", SCALES)
def test_the_marginal_climb_ends_at_zero(scale, run):
    end = run(CLIMB, "marginal", problem(scale), 5.9, 60)
    tau = np.exp(end["at"][0])
    assert end["flat"] and tau < 0.05
    rise = marginal([-np.inf], scale) - marginal([np.log(5.9)], scale)
    assert end["heights"][-1] - end["heights"][0] == pytest.approx(rise, abs=1e-4)


def row(page, name):
    """A row of the figure's table, in words."""
    cells = page.locator(f"{NAME} tbody tr:has(th:text-is('{name}')) td")
    return cells.all_inner_texts()


def go_to(page, label):
    """Go with Tab, from before the figure, to what has this name."""
    start(page, NAME)
    tab_to(page, label)


@pytest.mark.parametrize("name,scheme", [
    ("wide", "light"), ("wide", "dark"), ("phone", "light"),
])
def test_by_keyboard_alone(name, scheme, window):
    with window(name, scheme) as visit:
        page = visit.open(PAGE)
        page.emulate_media(reduced_motion="reduce", color_scheme=scheme)
        ready(page, NAME)
        fit = exact.normal_hierarchy(Y, SE, tau_prior=stats.halfnorm(scale=20))
        mean = fit.mean("tau")
        near = float(fit.cdf("tau", 2 * mean) - fit.cdf("tau", mean / 2))
        assert f"{100 * near:.0f}%" in said(page, NAME, f"starts at τ = {mean:.1f}")

        go_to(page, "Step")
        page.keyboard.press("Space")
        said(page, NAME, "after 1 step;")
        go_to(page, "Play")
        page.keyboard.press("Enter")
        words = said(page, NAME, "after 61 steps")
        assert "rises by 18.4 with every factor of ten" in words  # 8 log 10
        assert "less than 0.1 points apart" in words

        go_to(page, "Climb")
        page.keyboard.press("ArrowDown")
        go_to(page, "Play")
        page.keyboard.press("Enter")
        mode = np.exp(optimize.minimize_scalar(
            lambda x: -profile(np.exp(x), 20)[0], bounds=(1, 5), method="bounded"
        ).x)
        words = said(page, NAME, f"The non-centered climb is at τ = {mode:.1f}")
        assert f"above it {100 * (1 - fit.cdf('tau', mode)):.1f}%" in words
        assert row(page, "joint, non-centered")[1] == f"{mode:.1f}"
        assert row(page, "joint, centered")[0] == "61"  # it stays to be compared with

        go_to(page, "Climb")
        page.keyboard.press("ArrowDown")
        go_to(page, "Play")
        page.keyboard.press("Enter")
        said(page, NAME, "the top is at τ = 0")

        go_to(page, "Reset")
        page.keyboard.press("Enter")
        said(page, NAME, f"The climb of the marginal starts at τ = {mean:.1f}")
        assert row(page, "joint, centered")[0] == "0"

        go_to(page, "Start at τ")
        page.keyboard.press("End")
        said(page, NAME, "starts at τ = 100,")
        go_to(page, "Prior of τ")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        free = exact.normal_hierarchy(Y, SE)
        said(page, NAME, f"The posterior mean of τ is {free.mean('tau'):.1f}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert not visit.errors and not visit.outside


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["wide", "phone"])
def test_axe_finds_nothing_after_a_climb(name, scheme, window):
    with window(name, scheme) as visit:
        page = visit.open(PAGE)
        page.emulate_media(reduced_motion="reduce", color_scheme=scheme)
        ready(page, NAME)
        page.get_by_role("button", name="Play", exact=True).click()
        said(page, NAME, "after 60 steps")
        keep_alone(page, f"figure:has({NAME})")
        assert not violations(page, f"figure:has({NAME})")


def test_with_motion_the_climb_can_be_watched_and_paused(window):
    with window() as visit:
        page = visit.open(PAGE)
        ready(page, NAME)
        steps = lambda: int(row(page, "joint, centered")[0])  # noqa: E731
        page.get_by_role("button", name="Play", exact=True).click()
        page.wait_for_function("""() => { const n = Number(document.querySelector(
            "climb-the-ridge tbody td").textContent); return n > 3 && n < 60; }""")
        page.get_by_role("button", name="Pause", exact=True).click()
        said(page, NAME, "The centered climb is at")
        paused = steps()
        let_pass(page, frames=25)
        assert 3 < steps() == paused < 60
        assert not visit.errors


def test_the_start_is_dragged(window):
    with window() as visit:
        page = visit.open(PAGE)
        drawing = ready(page, NAME).locator("> svg")
        drawing.scroll_into_view_if_needed()
        page.evaluate("scrollBy({ top: -150, behavior: 'instant' })")
        settled(page, NAME)
        ring = page.locator(f"{NAME} .begun").bounding_box()
        x, y = ring["x"] + ring["width"] / 2, ring["y"] + ring["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 60, y, steps=4)
        page.mouse.up()
        said(page, NAME, "starts at τ = ")
        settled(page, NAME)
        moved = page.locator(f"{NAME} .begun").bounding_box()
        assert moved["x"] == pytest.approx(ring["x"] + 60, abs=1.5)
        assert float(row(page, "joint, centered")[1]) > 10
        assert not visit.errors
