"""The printed book, and a page that a reader prints."""

from collections import Counter
from pathlib import Path
import re
import subprocess
import sys
from types import SimpleNamespace
import unicodedata

from bs4 import BeautifulSoup
from pypdf import PdfReader
from pypdfium2 import PdfDocument
import pytest

from _sphinx.downloads import pdf
from _sphinx.downloads.print_builder import PAGE, PrintBuilder
from built import SOURCES
import chapters

CHAPTER = "book/pooling/radon.html"


@pytest.fixture(scope="module")
def book(browser, site, tmp_path_factory):
    """The PDF, and the page of all chapters that it is printed from."""
    build = [Path(sys.executable).with_name("jupyter-book"), "build", "."]
    options = ["-W", "--keep-going", "-n", "-q", "--builder", "custom"]
    done = subprocess.run(
        [*build, *options, "--custom-builder", "print"],
        cwd=SOURCES,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    long_page = SOURCES / "_build" / PrintBuilder.name / PAGE
    target = tmp_path_factory.mktemp("in print") / "book.pdf"
    pdf.print_book(browser, long_page, target)
    assert [file.name for file in target.parent.iterdir()] == ["book.pdf"]
    return SimpleNamespace(
        pdf=PdfReader(target),
        texts=texts(target),
        soup=BeautifulSoup(long_page.read_text(encoding="utf-8"), "html.parser"),
    )


def texts(path: Path) -> list[str]:
    """The text of each page of a PDF."""
    with PdfDocument(path) as document:
        return [page.get_textpage().get_text_bounded() for page in document]


def headings(soup):
    """Level and words of each heading of the long page."""
    return [
        (int(tag.name[1]), " ".join(tag.get_text().split()))
        for tag in soup.select("h1, h2, h3, h4, h5, h6")
    ]


def outline(pdf, entries=None, level=1):
    for entry in pdf.outline if entries is None else entries:
        if isinstance(entry, list):
            yield from outline(pdf, entry, level + 1)
        else:
            yield level, entry


def words(text: str) -> str:
    """Its words, with one space between them, and superscripts as plain digits."""
    return " ".join(unicodedata.normalize("NFKC", text).split())


def solid(text: str) -> str:
    """Its words without any space."""
    return words(text).replace(" ", "")


def test_the_bookmarks_are_the_headings(book):
    found = [(level, entry.title) for level, entry in outline(book.pdf)]
    assert found == headings(book.soup)
    titles = [title for level, title in found if level == 1]
    parts = [tag.get_text() for tag in book.soup.select("section.part > h1")]
    assert len(parts) == 5 and titles == ["Borrowing Strength", *parts]
    assert len(book.soup.select("section.chapter")) == len(chapters.pages())


def test_a_bookmark_leads_to_its_heading(book):
    for _, entry in outline(book.pdf):
        page = words(book.texts[book.pdf.get_destination_page_number(entry)])
        # Formulae have spaces of their own.
        start = re.split(r"[^\w ?,]", entry.title)[0]
        assert words(start) in page, entry.title


def test_the_contents_say_where_all_is(book):
    places = pdf.destinations(book.pdf)
    end = min(places.values()) - 1
    # PDFium finds no spaces in a line with dots between its ends.
    contents = solid(" ".join(book.texts[:end]))
    lines = book.soup.select("nav.book-contents a")
    assert len(lines) > 50
    for line in lines:
        title = solid(line.select_one("span").get_text())
        page = places[line["href"].removeprefix("#")]
        assert f"{title}{page}" in contents
        # The number at the foot of that page is the same.
        assert str(page) in book.texts[page - 1].splitlines()


def test_it_is_tagged_and_says_what_it_is(book):
    root = book.pdf.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"] and root["/Lang"].startswith("en")
    assert book.pdf.metadata.title == "Borrowing Strength"
    assert book.pdf.metadata.author
    kinds = Counter(
        tag["/S"] for tag in tags(root["/StructTreeRoot"]) if "/S" in tag
    )
    for kind in ("/H1", "/H2", "/P", "/L", "/Table", "/TH", "/Link", "/Figure"):
        assert kinds[kind], kind


def tags(root):
    """Every element of the tree of tags."""
    waiting, seen = [root], set()
    while waiting:
        tag = waiting.pop().get_object()
        if isinstance(tag, list):
            waiting += tag
        elif isinstance(tag, dict) and id(tag) not in seen:
            seen.add(id(tag))
            yield tag
            waiting += [tag[key] for key in ("/K",) if key in tag]


def test_every_figure_and_formula_is_described(book):
    tree = book.pdf.trailer["/Root"]["/StructTreeRoot"]
    figures = [tag for tag in tags(tree) if tag.get("/S") == "/Figure"]
    described = Counter(words(str(tag.get("/Alt", ""))) for tag in figures)
    wanted = [words(image["alt"]) for image in book.soup.select("img")]
    wanted += [words(e.get_text()) for e in book.soup.select(".explorable-description")]
    assert len(wanted) > 30
    assert not [alt for alt in wanted if not described[alt]]
    formulae = book.soup.select(".katex-html")
    assert len(figures) >= len(wanted) + len(formulae)


def test_every_link_leads_somewhere(book):
    places, inside, outside = pdf.destinations(book.pdf), 0, 0
    for page in book.pdf.pages:
        for note in page.get("/Annots", []):
            note = note.get_object()
            if "/Dest" in note:
                inside += 1
                assert str(note["/Dest"]).removeprefix("/") in places
            else:
                outside += 1
                assert re.match(r"https?://|mailto:", note["/A"]["/URI"])
    assert inside > 500 and outside > 10


def test_every_font_is_in_it(book):
    fonts = {
        font.get_object().indirect_reference.idnum: font.get_object()
        for page in book.pdf.pages
        for font in page["/Resources"].get("/Font", {}).values()
    }
    assert any("SourceSerif" in font.get("/BaseFont", "") for font in fonts.values())
    for font in fonts.values():
        if font["/Subtype"] == "/Type3":
            continue  # is drawn where it is defined
        (below,) = font["/DescendantFonts"]
        described = below.get_object()["/FontDescriptor"]
        assert {"/FontFile2", "/FontFile3"} & set(described), font["/BaseFont"]


def test_pages_are_a4_and_none_is_blank(book):
    assert 20 < len(book.pdf.pages) / len(chapters.chapters()) < 50
    # The title page is one.
    assert "licence" in book.texts[0] and "Contents" in book.texts[1]
    for number, (page, text) in enumerate(zip(book.pdf.pages, book.texts), 1):
        assert page.mediabox.width == pytest.approx(595, abs=1)
        assert page.mediabox.height == pytest.approx(842, abs=1)
        # Besides its number and its head.
        assert len(words(text)) > 80 or "/XObject" in page["/Resources"] or (
            book.soup.find("h1", string=lambda s: s and s in text)
        ), number


def test_formulae_and_numbers_can_be_found(book):
    text = solid(" ".join(book.texts))
    assert "N(μ,τ)" in text
    glued = [solid(e.get_text()) for e in book.soup.select("span.pasted-text")]
    assert len(glued) > 100
    # A number in two fonts has a space between them.
    assert not [number for number in glued if number not in text]


def test_what_is_for_a_screen_is_not_there(book):
    text = words(" ".join(book.texts))
    for screen in ("Show code cell", "Click to show", "Copy to clip", "Toggle the"):
        assert screen not in text
    # Drawn, and not in words for want of a script.
    assert "is interactive once your browser" not in text


def test_solutions_and_set_up_are_printed_and_what_draws_is_not(book):
    text = words(" ".join(book.texts))
    solutions = [
        words(title.get_text())
        for title in book.soup.select(".solution .admonition-title")
    ]
    assert len(solutions) >= 3 * 7
    assert not [title for title in solutions if title not in text]
    assert "import pymc as pm" in text
    assert book.soup.select(".tag_hide-cell .cell_input")
    assert not book.soup.select(".tag_hide-input .cell_input")
    # Code that is cut off would end where the paper does.
    lines = [
        solid(line)
        for code in book.soup.select(".cell_input pre")
        for line in code.get_text().splitlines()
    ]
    without_spaces = solid(text)
    cut = [line for line in lines if line not in without_spaces]
    assert len(lines) > 500 and not cut


# One page, from a reader's browser


GROUND = "getComputedStyle(document.body).backgroundColor"
ground = {"light": "rgb(254, 253, 251)", "dark": "rgb(20, 23, 28)"}


def colours(path: Path) -> set[tuple[float, ...]]:
    """Every colour that a PDF fills or draws with."""
    found = set()
    for page in PdfReader(path).pages:
        content = page.get_contents().get_data().decode("latin-1")
        for numbers in re.findall(r"((?:[\d.]+ ){3})(?:rg|RG)\b", content):
            found.add(tuple(map(float, numbers.split())))
    return found


@pytest.mark.parametrize("path", [CHAPTER, "book/reference/notation.html"])
def test_a_page_prints_the_same_from_light_and_from_dark(path, window, tmp_path):
    made = {}
    for scheme in ("light", "dark"):
        with window(scheme=scheme) as visit:
            page = visit.open(path)
            assert page.evaluate(GROUND) == ground[scheme]
            made[scheme] = tmp_path / f"{scheme}.pdf"
            page.pdf(path=made[scheme], prefer_css_page_size=True)
            # The screen is as it was.
            assert page.evaluate(GROUND) == ground[scheme]
    assert colours(made["light"]) == colours(made["dark"]) != set()
    assert texts(made["light"]) == texts(made["dark"])


def test_a_printed_page_has_its_title_and_its_text_alone(window, tmp_path):
    with window() as visit:
        page = visit.open(CHAPTER)
        title = page.locator("h1").evaluate("e => e.firstChild.data").strip()
        page.pdf(path=tmp_path / "page.pdf", prefer_css_page_size=True)
        figures = page.locator("article .cell_output img").count()
    pages = texts(tmp_path / "page.pdf")
    text = " ".join(pages)
    assert title in pages[0]
    for screen in ("Show code cell", "Run all above", "Click to show", "Next"):
        assert screen not in text
    assert figures > 3
