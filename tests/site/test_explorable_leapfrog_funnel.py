"""The interactive funnel: its densities, its leapfrog, its NUTS, its words."""

from __future__ import annotations

import gzip
import re

import arviz as az
import numpy as np
import pytest
from scipy import differentiate, integrate, stats
import xarray as xr

from axe import keep_alone, violations
from using_explorables import let_pass, ready, said, settled, start, tab_to

PAGE = "book/posterior/funnel.html"
NAME = "leapfrog-funnel"
FORMS = ("centered", "non-centered")
NECK = 0.1  # the sd below which the figure counts draws
FIRST = {"q": [0.5, 0.0], "p": [-0.4, -2.0]}  # the figure's first path
SIGMA = stats.halfnorm()  # the prior of sigma_b
BELOW = float(SIGMA.cdf(NECK))

IMPORT = 'const h = await import("/modules/hamiltonian.js");'
SAMPLE = f"""async ([form, step, seeds, draws, q]) => {{
    {IMPORT}
    const target = h.FORMS[form](1);
    return seeds.map(seed => {{
        const rng = h.random(seed);
        let at = q, lost = 0;
        const chain = [];
        for (let k = 0; k < draws; k++) {{
            const draw = h.nuts(target, at, step, rng);
            at = draw.q;
            lost += draw.lostAt !== null;
            chain.push(at);
        }}
        return {{ chain, lost }};
    }});
}}"""


@pytest.fixture(scope="module")
def module(window):
    """Call with JavaScript in which ``h`` is the module, and an argument ``x``."""
    with window() as visit:
        page = visit.open("genindex.html")
        yield lambda body, x=None: page.evaluate(
            f"async x => {{ {IMPORT} {body} }}", x
        )
        assert not visit.errors


@pytest.fixture(scope="module")
def sample(window):
    """Draws [x, v] of some chains, shape (chain, draw, 2), and lost paths of each."""
    with window() as visit:
        page = visit.open("genindex.html")

        def sample(form, step, *, seeds, draws, q=(0.5, 0.0)):
            chains = page.evaluate(SAMPLE, [form, step, list(seeds), draws, list(q)])
            return (np.array([c["chain"] for c in chains]),
                    np.array([c["lost"] for c in chains]))

        yield sample


def log_density(form, x, v):
    """The density as SciPy has it, with the Jacobian of the logarithm."""
    spread = np.exp(v) if form == "centered" else 1
    return SIGMA.logpdf(np.exp(v)) + v + stats.norm.logpdf(x, 0, spread)


@pytest.mark.parametrize("form", FORMS)
def test_log_density_and_gradient(form, module):
    points = np.array([
        (x, v) for x in (-2.5, -0.3, 0, 0.02, 1) for v in (-4, -1, 0, 1.2)
    ])
    found = module(
        "const t = h.FORMS[x.form](1);"
        "return x.points.map(q => [t.log(q), ...t.gradient(q), t.spread(q[1])]);",
        {"form": form, "points": points.tolist()},
    )
    log, dx, dv, spread = np.array(found).T
    x, v = points.T
    close = {"rtol": 1e-6, "atol": 1e-6}
    np.testing.assert_allclose(log, log_density(form, x, v), **close)
    for slope, along in ((dx, lambda s, x, v: log_density(form, x + s, v)),
                         (dv, lambda s, x, v: log_density(form, x, v + s))):
        expected = differentiate.derivative(
            along, np.zeros_like(x), args=(x, v), initial_step=1e-2,
            tolerances={"atol": 1e-8, "rtol": 1e-8},
        )
        assert expected.success.all()
        np.testing.assert_allclose(slope, expected.df, **close)
    np.testing.assert_allclose(spread, np.exp(v) if form == "centered" else 1)


def test_the_exact_marginal(module):
    sds = [0.001, 0.1, 0.7, 2.0, 5.0]
    found = module(
        "return x.map(s => [h.below(s, 1), h.densityLog(Math.log(s), 1),"
        " h.below(s, 2)]);", sds,
    )
    expected = np.column_stack([
        SIGMA.cdf(sds), SIGMA.pdf(sds) * sds, stats.halfnorm(scale=2).cdf(sds),
    ])
    np.testing.assert_allclose(found, expected, rtol=1e-6)


PATH = """const t = h.FORMS[x.form](1);
    let b = h.ball(t, x.q, x.p);
    const first = b.energy;
    let worst = 0;
    for (let k = 0; k < x.steps; k++) {
        b = h.leapfrog(t, b, x.step);
        worst = Math.max(worst, Math.abs(b.energy - first));
    }"""


@pytest.mark.parametrize("form", FORMS)
def test_leapfrog_can_be_turned_round(form, module):
    back = module(
        PATH + """b = h.ball(t, b.q, b.p.map(p => -p));
        for (let k = 0; k < x.steps; k++) b = h.leapfrog(t, b, x.step);
        return [...b.q, ...b.p];""",
        {"form": form, "step": 0.05, "steps": 60, **FIRST},
    )
    np.testing.assert_allclose(
        back, [*FIRST["q"], *(-p for p in FIRST["p"])], rtol=0, atol=1e-8
    )


@pytest.mark.parametrize("form", FORMS)
def test_the_error_in_energy_is_of_second_order(form, module):
    steps = (100, 200, 400, 800)
    worst = np.array([
        module(PATH + "return worst;",
               {"form": form, "step": 2 / n, "steps": n, **FIRST})
        for n in steps
    ])
    np.testing.assert_allclose(worst[:-1] / worst[1:], 4, rtol=0.05)


def hamilton(time):
    """The true centered path by SciPy's integrator."""

    def flow(_, state):
        b, v, p, r = state
        return [p, r, -b * np.exp(-2 * v), b**2 * np.exp(-2 * v) - np.exp(2 * v)]

    return integrate.solve_ivp(
        flow, (0, time), [*FIRST["q"], *FIRST["p"]], method="DOP853",
        rtol=1e-11, atol=1e-12, dense_output=True,
    )


def test_the_true_path_is_the_true_path(module):
    path = np.array(module(
        "return h.roll(h.FORMS.centered(1), x.q, x.p, 2.4);", FIRST
    ))
    time = np.linspace(0, 2.4, len(path))
    np.testing.assert_allclose(path, hamilton(2.4).sol(time)[:2].T, atol=0.01)


def test_what_the_chapter_says_of_the_first_path(module):
    depth = np.exp(hamilton(2.4).sol(np.linspace(0, 2.4, 5001))[1].min())

    def path(step):
        found = module(
            "return h.follow(h.FORMS.centered(1), x.q, x.p, x.step, 40);",
            {"step": step, **FIRST},
        )
        # A lost ball may be no number any more: that comes as None.
        v = np.array(found["path"], float)[:, 1]
        return found, np.exp(v[:-1] if found["diverged"] else v)

    for step in (0.06, 0.08, 0.1):  # up to twice the smallest sd
        assert step < 2 * depth
        found, sd = path(step)
        assert not found["diverged"] and sd.min() < 1.2 * depth
    assert 0.12 > 2 * depth
    found, sd = path(0.12)
    assert not found["diverged"] and sd.min() < 1.2 * depth  # not lost at once
    found, sd = path(0.14)
    assert found["diverged"]
    down = np.argmax(sd < 1.3 * depth)
    up = down + np.argmax(sd[down:] > 1)
    assert 0 < down < up and (sd[up:] < NECK).any()
    found, sd = path(0.16)
    assert not found["diverged"] and sd.min() > 1.4 * depth
    assert np.abs(found["error"]).max() < 100
    assert path(0.18)[0]["diverged"]


def share_and_error(inside):
    """A share of draws, and its Monte Carlo standard error."""
    data = xr.Dataset({"x": (("chain", "draw"), inside.astype(float))})
    return float(inside.mean()), float(az.mcse(data)["x"])


@pytest.mark.parametrize("step", [0.15, 0.4])
def test_nuts_finds_the_exact_marginal_when_non_centered(step, sample):
    draws, lost = sample("non-centered", step, seeds=[1, 2, 3, 4], draws=10_000)
    assert not lost.any()
    z, v = draws[..., 0], draws[..., 1]
    for q in (0.02, 0.08, 0.25, 0.5, 0.75, 0.95):
        share, error = share_and_error(v < np.log(SIGMA.ppf(q)))
        assert error < 0.01
        assert abs(share - q) < 4 * error, (q, share, error)
        share, error = share_and_error(z < stats.norm.ppf(q))
        assert abs(share - q) < 4 * error, (q, share, error)
    share, error = share_and_error((z > 0) & (v < np.log(SIGMA.median())))
    assert abs(share - 0.25) < 4 * error


def test_nuts_finds_the_bulk_of_the_centered_funnel_with_small_steps(sample):
    draws, _ = sample("centered", 0.04, seeds=[1, 2, 3, 4], draws=4000)
    b, v = draws[..., 0], draws[..., 1]
    for inside, exact in (
        (v < np.log(SIGMA.median()), 0.5),
        (v < np.log(SIGMA.ppf(0.8)), 0.8),
        (b > 0, 0.5),
        (np.abs(b) < np.exp(v), 2 * stats.norm.cdf(1) - 1),
    ):
        share, error = share_and_error(inside)
        assert abs(share - exact) < 4 * error, (exact, share, error)


def test_long_steps_miss_the_neck_of_the_centered_funnel(sample):
    draws, lost = sample("centered", 0.3, seeds=range(1, 17), draws=1000)
    shares = (draws[..., 1] < np.log(NECK)).mean(axis=1)
    assert np.median(shares) < BELOW / 3
    assert (lost > 0).all() and np.median(lost) < 100
    # A longer run strays in, and stays too long.
    draws, _ = sample("centered", 0.3, seeds=range(1, 9), draws=4000)
    thousands = (draws[..., 1] < np.log(NECK)).reshape(8, 4, 1000).mean(axis=2)
    assert (thousands.max(axis=1) > 2 * BELOW).mean() >= 0.5
    # As does one that starts there.
    draws, _ = sample("centered", 0.3, seeds=range(1, 9), draws=1000, q=(0, -4))
    shares = (draws[..., 1] < np.log(NECK)).mean(axis=1)
    assert np.median(shares) > 2 * BELOW
    # Short steps go deeper.
    short, _ = sample("centered", 0.06, seeds=range(1, 9), draws=1000)
    long, _ = sample("centered", 0.3, seeds=range(1, 9), draws=1000)
    assert np.median(short[..., 1].min(1)) < np.median(long[..., 1].min(1)) - 0.5


def test_a_non_centered_step_of_one_is_lost_at_the_wide_end(module, sample):
    draws, lost = sample("non-centered", 1, seeds=[1, 2, 3, 4], draws=4000)
    assert lost.all()
    share, error = share_and_error(draws[..., 1] < np.log(NECK))
    assert abs(share - BELOW) < 4 * error and error < BELOW / 5
    furthest = module(
        """const t = h.FORMS["non-centered"](1), rng = h.random(1);
        const tops = [];
        let q = [0.5, 0];
        for (let k = 0; k < 4000; k++) {
            const draw = h.nuts(t, q, 1, rng);
            q = draw.q;
            // As Infinity cannot be told: the highest point that is a number.
            if (draw.lostAt) tops.push(Math.max(...draw.path.map(p => p[1])
                .filter(Number.isFinite)));
        }
        return tops;"""
    )
    assert np.mean(np.array(furthest) > 1.5) > 0.9


def row(page, name):
    cells = page.locator(f"{NAME} tbody tr:has(th:text-is('{name}')) td")
    return cells.all_inner_texts()


def finished(page):
    """Wait for the draws that were asked for."""
    page.locator(NAME).get_by_role("button", name="Sample").wait_for()


@pytest.mark.parametrize("size,scheme", [
    ("wide", "light"), ("wide", "dark"), ("phone", "light"),
])
def test_the_funnel_by_keyboard_alone(size, scheme, window):
    with window(size, scheme) as visit:
        page = visit.open(PAGE)
        start(page, NAME)
        depth = np.exp(hamilton(2.4).sol(np.linspace(0, 2.4, 5001))[1].min())
        said(page, NAME, f"goes down to an sd of {depth:.3f}")

        tab_to(page, "Start of the path")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("Shift+ArrowLeft")
        settled(page, NAME)
        handle = page.get_by_role("slider", name="Start of the path")
        assert handle.get_attribute("aria-valuetext") == "slope 0.00, sd 1.05"
        tab_to(page, "Push")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowDown")
        settled(page, NAME)
        push = page.get_by_role("slider", name="Push")
        minus = "\u2212"
        pushed = f"{minus}0.3 sideways, {minus}2.5 up"
        assert push.get_attribute("aria-valuetext") == pushed

        tab_to(page, "Step size")
        for _ in range(12):
            page.keyboard.press("ArrowRight")
        said(page, NAME, "Centered, step 0.30")
        page.keyboard.press("Tab")  # the number of steps
        page.keyboard.press("Home")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        finished(page)
        words = said(page, NAME, "1000 draws")
        draws, lost, share, gradients = row(page, "centered")
        assert draws == "1000" and f"{lost} divergences" in words
        assert float(gradients) > 1 and f"{share} lie below an sd of {NECK}" in words
        assert row(page, "exact")[2] == f"{100 * BELOW:.1f}%"

        start(page, NAME)
        tab_to(page, "Form")
        page.keyboard.press("ArrowDown")
        said(page, NAME, "Non-centered, step 0.30")
        assert row(page, "centered")[0] == "1000"
        assert row(page, "non-centered")[0] == "0"
        tab_to(page, "Step size")
        page.keyboard.press("ArrowLeft")
        settled(page, NAME)
        assert row(page, "centered")[0] == "0"  # another step, another chain
        assert not visit.errors and not visit.outside


def test_a_lost_path_is_marked_in_colour_shape_and_words(window):
    with window() as visit:
        page = visit.open(PAGE)
        figure = ready(page, NAME)
        assert not figure.locator("svg .told").count()
        marks = figure.locator("svg > .over .lost")
        assert not marks.count()
        slider = page.get_by_label("Step size")
        slider.evaluate("e => { e.value = 0.3;"
                        " e.dispatchEvent(new Event('input', { bubbles: true })); }")
        said(page, NAME, "The path diverges at step")
        assert marks.count() == 1
        assert figure.locator("svg .told").text_content() == "diverged"
        bad = "getComputedStyle(e)"
        stroke = marks.evaluate(f"e => {bad}.stroke")
        assert stroke == figure.locator("svg .told").evaluate(f"e => {bad}.fill")
        assert stroke != figure.locator("svg .tick").first.evaluate(f"e => {bad}.fill")


def valuetext(page, name):
    text = page.get_by_role("slider", name=name).get_attribute("aria-valuetext")
    return [float(t.replace("\u2212", "-")) for t in re.findall("[\u2212.0-9]+", text)]


def test_the_funnel_by_pointer(window):
    with window() as visit:
        page = visit.open(PAGE)
        ready(page, NAME).locator("svg").first.scroll_into_view_if_needed()
        settled(page, NAME)
        for name, (dx, dy) in (("Start of the path", (-40, 60)), ("Push", (30, -30))):
            before = valuetext(page, name)
            box = page.get_by_role("slider", name=name).bounding_box()
            x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
            page.mouse.move(x, y)
            page.mouse.down()
            page.mouse.move(x + dx, y + dy, steps=4)
            page.mouse.up()
            settled(page, NAME)
            after = valuetext(page, name)
            assert np.sign(after[0] - before[0]) == np.sign(dx)
            assert np.sign(after[1] - before[1]) == -np.sign(dy)
        assert after == pytest.approx([before[0] + 1, before[1] + 1], abs=0.11)
        page.get_by_role("button", name="Back to the first path").click()
        settled(page, NAME)
        assert valuetext(page, "Start of the path") == [0.5, 1.0]
        assert valuetext(page, "Push") == [-0.4, -2.0]
        assert not visit.errors


def test_a_finger_moves_the_start_and_not_the_page(browser, server):
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(f"{server}/{PAGE}")
    ready(page, NAME).evaluate("""figure => {
        const { top } = figure.getBoundingClientRect();
        scrollTo({ top: top + scrollY - 150, behavior: "instant" }); }""")
    settled(page, NAME)
    handle = page.get_by_role("slider", name="Start of the path")
    box, before = handle.bounding_box(), page.evaluate("scrollY")
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    finger = context.new_cdp_session(page)
    for kind, dy in [("Start", 0), *(("Move", 10 * k) for k in range(1, 7))]:
        finger.send("Input.dispatchTouchEvent", {
            "type": f"touch{kind}", "touchPoints": [{"x": x, "y": y + dy}],
        })
        settled(page, NAME)
    finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    settled(page, NAME)
    assert valuetext(page, "Start of the path")[1] < 0.6
    assert page.evaluate("scrollY") == before
    context.close()


def test_a_press_stops_the_sampler(window):
    with window() as visit:
        page = visit.open(PAGE)
        ready(page, NAME).get_by_role("button", name="Sample").click()
        page.get_by_role("button", name="Stop").click()
        let_pass(page, frames=3)
        count = int(row(page, "centered")[0])
        let_pass(page, frames=20)
        assert int(row(page, "centered")[0]) == count < 1000


def test_with_less_motion_draws_come_in_batches(window):
    with window() as visit:
        visit.page.emulate_media(reduced_motion="reduce")
        page = visit.open(PAGE)
        figure = ready(page, NAME)
        for press in (1, 2):
            # In the very frame after the press, and no more after that.
            figure.get_by_role("button", name="Sample 250").click()
            let_pass(page, frames=2)
            assert row(page, "centered")[0] == str(250 * press)
            assert not figure.locator("svg .trail").count()
            drawn = figure.locator("svg").first.inner_html()
            let_pass(page, frames=20)
            assert figure.locator("svg").first.inner_html() == drawn


@pytest.mark.parametrize("size,scheme", [
    ("wide", "light"), ("wide", "dark"), ("phone", "light"), ("phone", "dark"),
])
def test_axe_finds_no_barrier_with_draws(size, scheme, window):
    with window(size, scheme) as visit:
        page = visit.open(PAGE)
        figure = ready(page, NAME)
        figure.get_by_role("button", name="Sample").click()
        finished(page)
        keep_alone(page, f"figure:has({NAME})")
        assert not violations(page, f"figure:has({NAME})")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_the_figure_needs_is_small(site):
    own = (site / "explorables" / f"{NAME}.js").read_bytes()
    assert len(gzip.compress(own)) < 15_000
