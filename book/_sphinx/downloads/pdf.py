"""Print the book: one PDF with bookmarks, page numbers in its contents, and tags.

Run as a script after the builders ``html`` and ``print`` (`make pdf`), it lets Chromium
print the page of all chapters that ``print_builder.py`` wrote. The book is printed
twice: the first time shows on which page each chapter begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import sys

from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject

from _sphinx.downloads import chromium, offline_archive
from _sphinx.downloads.print_builder import PAGE, PrintBuilder

BUILD = Path(__file__).resolve().parents[3] / "_build"
LONG_PAGE = BUILD / PrintBuilder.name / PAGE
TARGET = (BUILD / "html" / offline_archive.PRINTED).resolve()
#: The width of the text on paper, in CSS pixels: the page is laid out so before it is
#: printed.
WIDTH = 605
PAPER = {"prefer_css_page_size": True, "print_background": True}

EXPLORABLES = """() =>
    [...document.querySelectorAll("figure.explorable > :first-child")]
        .map(figure => figure.localName)"""
# Interactive figures and formulas are pictures in print, each with a description. KaTeX
# hides a formula from screen readers, and Chromium would leave it out of the tags.
MAKE_PICTURES = """() => {
    for (const formula of document.querySelectorAll("[role=img] .katex-html"))
        formula.removeAttribute("aria-hidden");
    for (const figure of document.querySelectorAll("figure.explorable")) {
        const description = figure.querySelector(".explorable-description");
        const drawing = figure.querySelector("svg");
        drawing.setAttribute("role", "img");
        drawing.setAttribute("aria-label", description.textContent);
        drawing.removeAttribute("aria-describedby");
        description.remove();
    }
}"""
NUMBER_CONTENTS = """pages => {
    for (const link of document.querySelectorAll(".book-contents a")) {
        const page = pages[decodeURIComponent(link.hash.slice(1))];
        link.querySelector(".page").textContent = page;
    }
}"""
HEADINGS = """() =>
    [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map(
        heading => heading.textContent.trim().replace(/\\s+/g, " "))"""
WRONG_IDS = """() => {
    const found = [...document.querySelectorAll("[id]")].map(e => e.id);
    const wanted = [...document.querySelectorAll('a[href^="#"]')]
        .map(a => decodeURIComponent(a.getAttribute("href").slice(1)));
    return [
        ...wanted.filter(id => !found.includes(id)).map(id => `no ${id}`),
        ...wanted.filter(id => found.indexOf(id) !== found.lastIndexOf(id))
            .map(id => `two ${id}`),
    ];
}"""


def print_book(browser: Browser, long_page: Path, target: Path) -> None:
    """Print the book from the page of all its chapters.

    Raises
    ------
    ValueError
        If a file that the page needs is missing, a script of it fails, a link of it
        leads to no place or to two, or something is wider than the text.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part")
    with opened(browser, long_page) as page:
        page.pdf(path=draft, **PAPER)
        page.evaluate(NUMBER_CONTENTS, destinations(PdfReader(draft)))
        page.pdf(path=draft, outline=True, tagged=True, **PAPER)
        titles = page.evaluate(HEADINGS)
        about = {
            "/Title": page.title(),
            "/Author": page.locator(".title-page .author").inner_text(),
        }
    set_titles(draft, target, about, titles)
    draft.unlink()


def set_titles(draft: Path, target: Path, about: dict, titles: list[str]) -> None:
    """Write the PDF with its title, its author, and bookmarks as its headings say.

    Chromium repeats a title that it has set twice, and joins the words between which it
    breaks a line.
    """
    # An incremental update: writing all of it again takes longer than printing it.
    writer = PdfWriter(draft, incremental=True)
    entries = outline(writer.root_object["/Outlines"])
    for entry, title in zip(entries, titles, strict=True):
        entry[NameObject("/Title")] = TextStringObject(title)
    writer.add_metadata(about)
    writer.write(target)


def outline(parent: DictionaryObject) -> Iterator[DictionaryObject]:
    """The entries of an outline, in their order."""
    entry = parent.get("/First")
    while entry is not None:
        entry = entry.get_object()
        yield entry
        yield from outline(entry)
        entry = entry.get("/Next")


@contextmanager
def opened(browser: Browser, long_page: Path) -> Iterator[Page]:
    """The page of all chapters in a browser, as it is to be printed."""
    page = browser.new_page(viewport={"width": WIDTH, "height": 900})
    page.emulate_media(media="print", color_scheme="light", reduced_motion="reduce")
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(long_page.resolve().as_uri(), wait_until="load")
    page.evaluate("document.fonts.ready")
    for name in page.evaluate(EXPLORABLES):
        page.locator(f"{name}[ready]").wait_for(state="attached")
    page.evaluate(MAKE_PICTURES)
    wide = page.evaluate("document.documentElement.scrollWidth")
    if wide > WIDTH + 5:
        failed.append(f"something is {wide} pixels wide, for which all would shrink")
    if failed := failed + page.evaluate(WRONG_IDS):
        raise ValueError(f"the book cannot be printed: {', '.join(failed)}")
    yield page
    page.close()


def destinations(pdf: PdfReader) -> dict[str, int]:
    """The page of each id that a link leads to, counted from one."""
    return {
        name.removeprefix("/"): pdf.get_destination_page_number(place) + 1
        for name, place in pdf.named_destinations.items()
    }


def main() -> int:
    path = chromium.find()
    if path is None:
        print(chromium.HOW, file=sys.stderr)
        return 1
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=chromium.flags()
        )
        print_book(browser, LONG_PAGE, TARGET)
        browser.close()
    print(f"The printed book is at {TARGET}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
