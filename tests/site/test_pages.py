"""Every page, as it loads in a browser: complete, silent, local, described."""

import os

import pytest

import chapters

#: A sentence, and not a word: for the figures that cells drew.
SHORTEST = 20

IMAGES = """() => [...document.querySelectorAll("img")].map(image => ({
    alt: image.getAttribute("alt") ?? "",
    source: image.getAttribute("src"),
    figure: image.closest(".cell_output") !== null,
    drawn: image.naturalWidth > 0,
}))"""

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


@pytest.mark.skipif("BOOK_SITE" in os.environ, reason="another site than the book's")
def test_every_page_of_the_contents_is_built(site):
    names = [*chapters.documents(), "search", "genindex", "index"]
    missing = [name for name in names if not (site / f"{name}.html").exists()]
    assert not missing


def test_a_page_loads_in_silence_and_asks_only_this_machine(page_path, window):
    with window() as visit:
        page = visit.open(page_path)
        assert not visit.outside, f"asked elsewhere: {visit.outside}"
        assert not visit.errors
        assert page.title()
        assert page.locator("h1").count() >= 1 or page_path == "index.html"
        for image in page.evaluate(IMAGES):
            assert image["drawn"], image
            assert image["alt"].strip(), image
            assert len(image["alt"]) > SHORTEST or not image["figure"], image


def test_a_page_fits_a_phone(page_path, window):
    with window("phone") as visit:
        found = visit.open(page_path).evaluate(SIDEWAYS)
        assert found["scrolled"] == 0, "the page scrolls sideways"
        assert not found["cut"]
        assert not visit.errors
