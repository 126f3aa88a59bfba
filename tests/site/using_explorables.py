"""Where the interactive figures are, and how a reader uses one."""

from __future__ import annotations

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
