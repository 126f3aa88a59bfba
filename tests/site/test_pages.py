"""Every page, as it loads in a browser: complete, silent, local, described."""

import gzip
import os
from pathlib import Path
import re
import tomllib

import pytest

import axe
from built import SOURCES, TEXT, pages
import chapters

BUDGET = tomllib.loads(
    Path(__file__).with_name("budget.toml").read_text(encoding="utf-8")
)["kB"]
#: Where pictures of every page go; none are kept without it.
SCREENSHOTS = os.environ.get("BOOK_SCREENSHOTS")

#: A sentence, and not a word: for the figures that cells drew.
SHORTEST = 20

#: The ground of a page.
GROUND = {"light": "rgb(254, 253, 251)", "dark": "rgb(20, 23, 28)"}

IMAGES = """() => [...document.querySelectorAll("img")].map(image => ({
    alt: image.getAttribute("alt") ?? "",
    source: image.getAttribute("src"),
    figure: image.closest(".cell_output") !== null,
    lazy: image.loading === "lazy",
    sized: Number(image.getAttribute("width")) > 0 || image.style.width.endsWith("px"),
    roomy: image.width > 0 && image.height > 0,
}))"""

# Pictures that wait for a reader to come near are asked for, and waited for.
ASK = """() => {
    for (const image of document.images) image.loading = "eager";
}"""
ALL_HAVE_COME = "() => [...document.images].every(image => image.complete)"
NOT_DRAWN = """() => [...document.images]
    .filter(image => image.naturalWidth === 0).map(image => image.src)"""

# A block that scrolls by itself is fine; the page must not, nor cut anything off.
# KaTeX keeps the MathML for screen readers, which nobody sees, in a corner.
SIDEWAYS = """() => {
    const right = element => element.getBoundingClientRect().right;
    const scrolls = element => {
        for (let e = element.parentElement; e; e = e.parentElement) {
            const overflow = getComputedStyle(e).overflowX;
            if (overflow === "auto" || overflow === "scroll") return true;
            if (overflow !== "visible" && right(element) > right(e) + 1) return false;
        }
        return false;
    };
    const shows = element =>
        element.matches("img, input, button") ||
        [...element.childNodes].some(n => n.nodeType === 3 && n.data.trim());
    scrollTo(10000, scrollY);
    return {
        scrolled: scrollX,
        cut: [...document.querySelectorAll("article *")]
            .filter(e => right(e) > innerWidth + 1)
            .filter(e => shows(e) && !e.closest(".katex-mathml"))
            .filter(e => !scrolls(e))
            .map(e => e.textContent.slice(0, 100)),
    };
}"""


# What a page loads by itself after seconds is not to be weighed, however long a busy
# machine takes for the rest.
NOTHING_AFTER_SECONDS = """{
    const start = setTimeout;
    globalThis.setTimeout = (call, delay, ...more) =>
        delay >= 1000 ? 0 : start(call, delay, ...more);
}"""
# What a page's own Content-Security-Policy has refused.
REFUSED = """globalThis.refused = [];
    document.addEventListener("securitypolicyviolation", (event) =>
        refused.push(`${event.violatedDirective}: ${event.blockedURI}`));"""


@pytest.mark.skipif("BOOK_SITE" in os.environ, reason="another site than the book's")
def test_every_page_of_the_contents_is_built(site):
    names = [*chapters.pages(), "search", "genindex", "index"]
    missing = [name for name in names if not (site / f"{name}.html").exists()]
    assert not missing


def weight(visit, site) -> float:
    """kB of all that came, as a host that compresses would have sent it."""
    total = 0
    for name in visit.loaded:
        file = site / name
        if file.is_file():
            content = file.read_bytes()
            total += len(gzip.compress(content) if file.suffix in TEXT else content)
    return total / 1000


def budget(page_path: str) -> float:
    source = SOURCES / Path(page_path).with_suffix(".md")
    has_code = source.exists() and "{code-cell}" in source.read_text(encoding="utf-8")
    return BUDGET["chapter" if has_code else "other"]


def keep(page, page_path: str, name: str, scheme: str) -> None:
    """A picture of the whole page, for people."""
    folder = Path(SCREENSHOTS)
    folder.mkdir(parents=True, exist_ok=True)
    stem = page_path.removesuffix(".html").replace("/", "-")
    page.screenshot(path=folder / f"{stem}-{name}-{scheme}.png", full_page=True)


@pytest.mark.parametrize(
    ("name", "scheme", "other"), [("wide", "light", "dark"), ("phone", "dark", "light")]
)
def test_a_page_is_complete_light_and_accessible(
    page_path, name, scheme, other, window, site
):
    """Loaded once, and asked everything; then it follows the reader's system."""
    with window(name, scheme) as visit:
        visit.page.add_init_script(REFUSED)
        visit.page.add_init_script(NOTHING_AFTER_SECONDS)
        page = visit.open(page_path, act=False)
        assert not visit.outside, f"asked elsewhere: {visit.outside}"
        assert weight(visit, site) <= budget(page_path)
        assert page.title()
        visit.act()
        assert page.locator("h1").count() == 1
        for place, image in enumerate(page.evaluate(IMAGES)):
            assert image["alt"].strip(), image
            assert image["sized"] and image["roomy"], image
            assert len(image["alt"]) > SHORTEST or not image["figure"], image
            assert image["lazy"] == (place > 0), image
        assert not axe.violations_of_page(page)
        found = page.evaluate(SIDEWAYS)
        assert found["scrolled"] == 0, "the page scrolls sideways"
        assert not found["cut"]
        page.evaluate(ASK)
        page.wait_for_function(ALL_HAVE_COME)
        assert not page.evaluate(NOT_DRAWN)
        if SCREENSHOTS:
            keep(page, page_path, name, scheme)
        # Without its transitions, whose halfway colours nobody reads.
        page.emulate_media(color_scheme=other, reduced_motion="reduce")
        page.wait_for_function(
            "color => getComputedStyle(document.body).backgroundColor === color",
            arg=GROUND[other],
        )
        assert not axe.violations_of_colours(page)
        assert not visit.errors
        assert page.evaluate("refused") == []
        if SCREENSHOTS:
            keep(page, page_path, name, other)


def test_what_is_interactive_waits_for_a_pointer_that_moves(window):
    """A page that appears under a resting pointer hears of it too."""
    with window() as visit:
        visit.page.add_init_script(NOTHING_AFTER_SECONDS)
        page = visit.open("book/pooling/radon.html", act=False)
        page.evaluate("dispatchEvent(new PointerEvent('pointermove'))")
        assert page.locator("[data-later]").count()
        visit.act()
        assert not page.locator("[data-later]").count()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_colours_of_code_can_be_read(scheme, window, site):
    """Each kind of word that some page's code has, once."""
    kinds = set()
    for page_path in pages():
        for code in re.findall(
            r'<div class="highlight"><pre>(.*?)</pre>',
            (site / page_path).read_text(encoding="utf-8"),
            re.S,
        ):
            kinds |= set(re.findall(r'<span class="(\w+)"', code))
    assert {"k", "s2", "c1"} <= kinds, "no code, or code without colours"
    words = "".join(f'<span class="{kind}">word </span>' for kind in sorted(kinds))
    with window(scheme=scheme) as visit:
        page = visit.open("genindex.html")
        page.evaluate(
            "html => document.querySelector('article').innerHTML = html",
            f'<h1>Code</h1><div class="highlight"><pre>{words}</pre></div>',
        )
        found = page.evaluate(
            "() => new Set([...document.querySelectorAll('pre span')]"
            ".map(word => getComputedStyle(word).color)).size"
        )
        assert found > 3
        assert not axe.violations(page, "article", rules=axe.COLOURS, whole=True)


def test_every_chapter_is_weighed(site):
    """A budget is of use where there are pages that it is for."""
    chapter, other = BUDGET["chapter"], BUDGET["other"]
    budgets = {budget(f"{name}.html") for name in chapters.pages()}
    assert budgets == {chapter, other} and other < chapter


def test_the_theme_s_heavy_scripts_are_gone(page_path, site):
    page = (site / page_path).read_text(encoding="utf-8")
    assert not re.search(r"fontawesome\.js|bootstrap\.js|searchindex", page) or (
        page_path == "search.html"
    )
    for script in re.findall(r"<script[^>]*\bsrc=[^>]*>", page.partition("</main>")[0]):
        assert re.search(r"\b(defer|async|type=\"module\"|data-later)", script), script
