"""Where the interactive figures are, and how a reader uses one."""

from __future__ import annotations

import json
import re

import pytest

from built import SITE

_SCRIPT = re.compile(r'<script type="text/plain" src="[./]*explorables/([\w-]+)\.js"')


def explorables() -> list[tuple[str, str]]:
    """Each explorable of the built site, and the page that it is on."""
    return [
        (name, file.relative_to(SITE).as_posix())
        for file in sorted((SITE / "book").rglob("*.html"))
        for name in _SCRIPT.findall(file.read_text(encoding="utf-8"))
    ]


def ready(page, name):
    """The figure, once its script, which waits for a reader near it, has drawn it."""
    page.locator(name).evaluate("f => f.scrollIntoView({ behavior: 'instant' })")
    page.locator(f"{name}[ready]").wait_for()
    return page.locator(name)


# It has said what it shows, and in three frames neither it nor the page has moved.
_SETTLED = """name => {
    const figure = document.querySelector(name);
    const now = [figure.getBoundingClientRect().top, figure.drawing.outerHTML].join();
    figure.frames = now === figure.seen ? figure.frames + 1 : 0;
    figure.seen = now;
    return figure.frames >= 3 && figure.summary.textContent === figure.sentence();
}"""


def settled(page, name):
    """Wait until the figure has drawn and said all that it was asked for."""
    # The frames before a key was pressed say nothing of what is drawn after it.
    page.locator(name).evaluate("figure => { figure.frames = 0; figure.seen = null; }")
    page.wait_for_function(_SETTLED, arg=name)


def let_pass(page, frames):
    """Let the page draw that many frames, for what must not happen in them."""
    page.evaluate("""async frames => {
        while (frames--) await new Promise(requestAnimationFrame); }""", frames)


def start(page, name):
    """Put the keyboard just before the figure."""
    ready(page, name).evaluate("""figure => {
        figure.tabIndex = -1; figure.focus(); figure.removeAttribute("tabindex"); }""")


def tab_to(page, label):
    """Press Tab until what so begins its name has the focus."""
    for _ in range(40):
        page.keyboard.press("Tab")
        here = page.evaluate("document.activeElement.getAttribute('aria-label') ||"
                             " document.activeElement.labels?.[0]?.textContent ||"
                             " document.activeElement.textContent")
        if here and here.startswith(label):
            return
    pytest.fail(f"{label} is out of the keyboard's reach")


def said(page, name, words):
    """Wait until the figure says these words, and return all it says."""
    status = page.locator(f"{name} [role=status]")
    status.filter(has_text=words).wait_for()
    return status.inner_text()


def data_of(window, path, name):
    """What the page at that path gives the figure."""
    with window() as visit:
        script = visit.open(path).locator(f"{name} script").text_content()
    return json.loads(script)


def cells(page, name, row):
    """The cells of a row of the figure's table, without its header."""
    return page.locator(f"{name} tbody tr").nth(row).locator("td").all_inner_texts()


def click(page, name, scale, value, below):
    """Click where a scale of the figure has a value, so many pixels below its top."""
    figure = ready(page, name)
    figure.scroll_into_view_if_needed()
    settled(page, name)
    box = figure.locator("svg").bounding_box()
    x = figure.evaluate(f"(figure, value) => figure.{scale}(value)", value)
    page.mouse.click(box["x"] + x, box["y"] + below)
    settled(page, name)
    return figure
