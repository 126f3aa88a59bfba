"""What holds of every interactive figure."""

from __future__ import annotations

import gzip
import json
import re

from matplotlib.colors import to_rgb
import numpy as np
from pypdf import PdfReader
import pytest

from axe import COLOURS, keep_alone, violations
from built import SOURCES
from pooling import plots
from using_explorables import explorables, let_pass, ready, settled, start

LARGEST = 15_000  # bytes of a module, compressed
SMALLEST = 24  # px: what a finger can hit
EVERY = pytest.mark.parametrize("name,path", explorables())

CONTROLS = """figure => [...figure.querySelectorAll(
    "input, select, button, textarea, summary, a[href], [tabindex='0']")]
    .filter(e => !e.disabled && e.checkVisibility())"""
NAMES = f"""figure => ({CONTROLS})(figure).map(e => (e.getAttribute("aria-label")
    || [...(e.labels ?? [])].map(l => l.textContent).join(" ")
    || e.textContent).trim())"""
# What can show a focus, of a control and of what it is made of.
LOOKS = f"""figure => ({CONTROLS})(figure).map(control =>
    [control, ...control.querySelectorAll("*")].map(e => {{
        const s = getComputedStyle(e);
        return [s.outline, s.stroke, s.strokeWidth, s.boxShadow, s.border].join();
    }}).join())"""
# The figure without the rest of its page.
FOCUSED = f"figure => ({CONTROLS})(figure).indexOf(document.activeElement)"
DRAWN = """figure => [...figure.querySelectorAll("svg, canvas")].map(e =>
    e.outerHTML + (e.toDataURL?.() ?? "")).join()"""
CUT_OFF = """figure => [...figure.querySelectorAll("svg text")].filter(t => {
    const [word, all] = [t, t.closest("svg")].map(e => e.getBoundingClientRect());
    return word.width && (word.left < all.left - 1 || word.right > all.right + 1
        || word.top < all.top - 1 || word.bottom > all.bottom + 1);
}).map(t => t.textContent)"""
# In CSS pixels, where a drawing is scaled to its place.
LARGEST_LETTER = """figure => Math.max(...[...figure.querySelectorAll("svg text")].map(
    t => parseFloat(getComputedStyle(t).fontSize) * t.getScreenCTM().a))"""
TEXT_SIZE = "() => parseFloat(getComputedStyle(document.body).fontSize)"
# Each slider once through its range: what the script takes, and the screen.
SWEEP = """async figure => {
    const script = [], screen = [];
    const frame = () => new Promise(requestAnimationFrame);
    for (const input of figure.querySelectorAll("input[type=range]")) {
        const { min, max } = input;
        let before = await frame();
        for (let k = 0; k < 40; k++) {
            const began = performance.now();
            input.value = Number(min) + (k / 39) * (max - min);
            input.dispatchEvent(new Event("input", { bubbles: true }));
            figure.frame();
            script.push(performance.now() - began);
            const now = await frame();
            screen.push(now - before);
            before = now;
        }
    }
    return { script, screen };
}"""


def test_every_explorable_of_a_chapter_is_built():
    directive = re.compile(r"^`{3,}\{explorable\} *([\w-]+)", re.MULTILINE)
    written = {
        (name, file.relative_to(SOURCES).with_suffix(".html").as_posix())
        for file in (SOURCES / "book").rglob("*.md")
        for name in directive.findall(file.read_text(encoding="utf-8"))
    }
    assert set(explorables()) == written != set()


def test_only_pages_with_an_explorable_load_one(site):
    with_one = {path for _, path in explorables()}
    for file in site.rglob("*.html"):
        page = file.read_text(encoding="utf-8")
        path = file.relative_to(site).as_posix()
        assert ('class="explorable' in page) == (path in with_one), path
        assert ("explorables/" in page) == (path in with_one), path


def test_every_module_is_small(site):
    modules = {m.name: m.read_bytes() for m in (site / "explorables").iterdir()}
    assert {f"{name}.js" for name, _ in explorables()} < modules.keys()
    for name, content in modules.items():
        assert len(gzip.compress(content)) < LARGEST, name


@EVERY
def test_without_scripts_there_are_words(name, path, browser, server):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{server}/{path}")
    words = page.locator(f"{name} .explorable-off")
    assert words.is_visible()
    described = page.locator(f"{name} .explorable-description").text_content().strip()
    assert described and described in words.text_content()
    context.close()


@EVERY
@pytest.mark.parametrize(("size", "scheme", "other"), [
    ("wide", "light", "dark"), ("phone", "dark", "light"),
])
def test_it_fits_its_place_and_shuts_nobody_out(
    name, path, size, scheme, other, window
):
    """Loaded in one colour scheme, and looked at in both."""
    with window(size, scheme) as visit:
        page = visit.open(path)
        figure = ready(page, name)
        assert not figure.evaluate(CUT_OFF)
        names = figure.evaluate(NAMES)
        assert names and all(names), names
        # What is in a drawing listens around itself too.
        boxes = [
            (control.bounding_box(), control.evaluate("e => e.outerHTML"))
            for control in figure.locator("input, select, button").all()
        ]
        small = [e for box, e in boxes if min(box["width"], box["height"]) < SMALLEST]
        assert not small
        keep_alone(page, f"figure:has({name})")
        settled(page, name)
        assert not violations(page, f"figure:has({name})")
        page.emulate_media(color_scheme=other, reduced_motion="reduce")
        settled(page, name)
        assert not violations(page, f"figure:has({name})", rules=COLOURS)
        assert not visit.errors and not visit.outside


@EVERY
def test_the_keyboard_reaches_every_control_and_shows_where_it_is(name, path, window):
    with window() as visit:
        page = visit.open(path)
        start(page, name)
        figure = page.locator(name)
        idle = figure.evaluate(LOOKS)
        missing = set(range(len(idle)))
        for _ in range(len(idle) + 1):
            page.keyboard.press("Tab")
            let_pass(page, frames=3)  # a handle may be chosen by its focus
            here = figure.evaluate(FOCUSED)
            if here < 0:
                break
            missing.discard(here)
            assert figure.evaluate(LOOKS)[here] != idle[here], "no focus to be seen"
        names = figure.evaluate(NAMES)
        assert not [names[k] for k in missing], "out of the keyboard's reach"
        assert figure.evaluate(FOCUSED) < 0, "the keyboard is caught"


@EVERY
def test_every_choice_changes_the_figure_and_its_words(name, path, window):
    with window() as visit:
        page = visit.open(path)
        figure = ready(page, name)
        status = figure.locator("[role=status]")
        settled(page, name)
        first = status.inner_text()
        assert len(first) > 20
        controls = figure.locator("input[type=range], select")
        assert controls.count()
        for control in controls.all():
            seen = figure.inner_html() + str(control.input_value())
            for key in ("ArrowDown", "ArrowUp", "ArrowUp"):  # one may be at its end
                control.press(key)
                settled(page, name)
                if figure.inner_html() + str(control.input_value()) != seen:
                    break
            else:
                pytest.fail(f"nothing happens: {control.evaluate('e => e.outerHTML')}")
        settled(page, name)
        assert status.inner_text() != first
        assert not visit.errors and not visit.outside


@EVERY
def test_nothing_moves_by_itself_for_who_wants_less_motion(name, path, window):
    with window() as visit:
        visit.page.emulate_media(reduced_motion="reduce")
        figure = ready(visit.open(path), name)
        figure.scroll_into_view_if_needed()
        settled(visit.page, name)
        before = figure.evaluate(DRAWN)
        let_pass(visit.page, frames=30)
        assert figure.evaluate(DRAWN) == before


INK = """() => {
    const word = document.createElement("span");
    word.style.color = "var(--ink)";
    document.querySelector(".explorable").append(word);
    const colour = getComputedStyle(word).color;
    word.remove();
    return colour;
}"""
PRINTED_INK = "rgb({}, {}, {})".format(
    *(round(255 * share) for share in to_rgb(plots.PALETTE["ink"][0]))
)
#: The text of a printed page, in CSS pixels: A4 without the margins of the book.
PAPER = {"width": 605, "height": 918}


@EVERY
@pytest.mark.parametrize(("size", "scheme"), [("wide", "dark"), ("phone", "light")])
def test_on_paper_the_figure_is_whole_and_light_and_its_controls_are_gone(
    name, path, size, scheme, window, tmp_path
):
    """Whatever the window and the colours are that it is printed from."""
    with window(size, scheme) as visit:
        page = visit.open(path)
        figure = ready(page, name)
        keep_alone(page, f"figure:has({name})")
        screen = figure.locator("svg").first.get_attribute("viewBox")
        page.pdf(
            path=tmp_path / "figure.pdf", format="A4",
            margin={"top": "27mm", "bottom": "27mm", "left": "25mm", "right": "25mm"},
        )
        # After the print the screen is as it was.
        assert figure.locator("svg").first.get_attribute("viewBox") == screen
        page.emulate_media(media="print")
        assert page.evaluate(INK) == PRINTED_INK
        assert figure.locator("[role=status]").is_visible()
        for control in figure.locator("input, select, button").all():
            assert not control.is_visible()
        page.set_viewport_size(PAPER)
        assert not figure.evaluate(CUT_OFF)
        box = page.locator(f"figure:has({name})").bounding_box()
        drawing = figure.locator("svg").first.bounding_box()
        assert drawing["x"] >= 0 and drawing["width"] == PAPER["width"]
        assert box["width"] <= PAPER["width"] and box["height"] <= PAPER["height"]
        # Letters of the drawing are no larger than those of the text.
        assert figure.evaluate(LARGEST_LETTER) <= figure.evaluate(TEXT_SIZE)
    pages = PdfReader(tmp_path / "figure.pdf").pages
    assert len(pages) == 1


@EVERY
def test_the_time_of_a_frame_is_reported(
    name, path, window, record_testsuite_property, capsys
):
    """Measured and told, not judged: it depends on the machine."""
    with window() as visit:
        times = ready(visit.open(path), name).evaluate(SWEEP)
    told = {
        kind: [round(float(np.quantile(ms, q)), 1) for q in (0.5, 0.95)]
        for kind, ms in times.items()
    }
    record_testsuite_property(f"{name}, ms a frame, median and 95%", json.dumps(told))
    with capsys.disabled():
        print(f"\n{name}, ms a frame, median and 95 %: {json.dumps(told)}")
