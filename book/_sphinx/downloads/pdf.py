"""The book in print: one PDF of all pages, with bookmarks and tags.

Run as a script, after a build, it makes one long page of the built ones, in the order
of the contents, and lets Chromium set and print it: `make pdf`. What only answers on a
screen is left out. A setup cell that the pages fold is printed, and so are solutions;
folded code that only draws a figure is not. Links within the book lead to pages of the
PDF. The contents say on which page all is: the book is printed twice, the first time
to count.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
import posixpath
import sys
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup
from bs4.element import Tag
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import DictionaryObject, NameObject, TextStringObject
import yaml

from _sphinx.downloads import chromium, offline_archive
from _sphinx.web import hosting

ROOT = Path(__file__).resolve().parents[3]
SHEET = Path(__file__).with_suffix(".css")
#: Where the text is laid out before it is printed: as wide as on paper, in CSS pixels.
WIDTH = 605
#: What a page has for a screen alone.
SCREEN = (
    ".headerlink, .tocnotdef, script[src], script[data-live], "
    "details.hide > summary, .cell.tag_hide-input details.hide"
)
#: Attributes that name an element of the same page.
REFERENCES = ("for", "aria-labelledby", "aria-describedby", "aria-controls")
PAPER = {"prefer_css_page_size": True, "print_background": True}

EXPLORABLES = """() =>
    [...document.querySelectorAll("figure.explorable > :first-child")]
        .map(figure => figure.localName)"""
# What has been drawn is a picture now, that words describe.
STAND_STILL = """() => {
    for (const figure of document.querySelectorAll("figure.explorable")) {
        const words = figure.querySelector(".explorable-description");
        const drawing = figure.querySelector("svg");
        drawing.setAttribute("role", "img");
        drawing.setAttribute("aria-label", words.textContent);
        drawing.removeAttribute("aria-describedby");
        words.remove();
    }
}"""
NUMBER = """pages => {
    for (const link of document.querySelectorAll(".book-contents a")) {
        const page = pages[decodeURIComponent(link.hash.slice(1))];
        link.querySelector(".page").textContent = page;
    }
}"""


class Chapter(NamedTuple):
    """A page of the site, as a part of the long page."""

    name: str
    title: str
    article: Tag
    head: str

    @property
    def slug(self) -> str:
        return self.name.rsplit("/", 1)[-1]


class Part(NamedTuple):
    """Some chapters under a title."""

    title: str
    chapters: list[Chapter]

    @property
    def slug(self) -> str:
        return "part-" + self.chapters[0].slug


# The long page


def assemble(site: Path, root: Path = ROOT) -> str:
    """All pages of the site in one, for print.

    Parameters
    ----------
    site : Path
        The folder of the built pages.
    root : Path
        The folder of the book, for its contents and its title.

    Raises
    ------
    ValueError
        If a link leads nowhere, or two elements have one name.
    """
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    about = _config(root)
    first = _read(site, toc["root"])
    parts = [
        Part(part["caption"], [_read(site, each["file"]) for each in part["chapters"]])
        for part in toc["parts"]
    ]
    chapters = [first, *(each for part in parts for each in part.chapters)]
    cover = first.article.select_one("#fig-index-cover img")
    if cover is None:
        raise ValueError("the first page has no figure for the cover")
    for chapter in chapters:
        _for_print(chapter, site, {each.name: each.slug for each in chapters})
    for part in parts:
        for chapter in part.chapters:
            _lower(chapter.article)
    _link_up(chapters)
    cover = f'<img src="{cover["src"]}" alt="{escape(cover["alt"])}">'
    body = [
        _title_page(about, cover),
        _contents(first, parts),
        _chapter(first),
    ]
    for part in parts:
        body += [_part(part), *map(_chapter, part.chapters)]
    # Pages have sheets and scripts that others lack.
    heads = "".join(dict.fromkeys("".join(each.head for each in chapters).splitlines()))
    margins = "".join(_margins(each, about["title"]) for each in chapters)
    return f"""<!DOCTYPE html>
<html lang="en" data-theme="light">
<head><meta charset="utf-8"><title>{escape(about["title"])}</title>
{heads}
<style>{SHEET.read_text(encoding="utf-8")}{margins}</style></head>
<body><main><article>{"".join(body)}</article></main></body></html>"""


def _config(root: Path) -> dict[str, str]:
    return yaml.safe_load((root / "_config.yml").read_text(encoding="utf-8"))


def _read(site: Path, name: str) -> Chapter:
    """A page's article, and what its explorables need of its head."""
    text = (site / f"{name}.html").read_text(encoding="utf-8")
    soup = BeautifulSoup(text, "html.parser")
    article = soup.select_one("article")
    title = article.select_one("h1")
    for link in title.select(".headerlink"):
        link.decompose()
    head = []
    for tag in soup.head.select(
        'link[rel="stylesheet"], style, script[src*="explorables/"]'
    ):
        # On paper nothing waits for a reader.
        for key in ("type", "disabled", "data-later"):
            tag.attrs.pop(key, None)
        if tag.name == "script":
            tag["defer"] = ""
        for key in ("href", "src"):
            if key in tag.attrs:
                tag[key] = _address(site, name, tag[key])
        head.append(str(tag).replace("\n", " ") + "\n")
    return Chapter(name, title.get_text().strip(), article, "".join(head))


def _address(site: Path, page: str, relative: str) -> str:
    """Of a file of the site, from anywhere on this machine."""
    path = urlsplit(relative).path
    return (site / posixpath.dirname(page) / unquote(path)).resolve().as_uri()


def _for_print(chapter: Chapter, site: Path, slugs: dict[str, str]) -> None:
    """Take out what is for screens; let every address hold on the long page."""
    article, slug = chapter.article, chapter.slug
    for tag in article.select(SCREEN):
        tag.decompose()
    for details in article.select("details"):
        details.name = "div"
        details["class"] = [*details.get("class", []), "unfolded"]
        for summary in details.find_all("summary", recursive=False):
            summary.name = "p"
    for image in article.select("img"):
        for attribute in ("loading", "decoding"):
            image.attrs.pop(attribute, None)
        image["src"] = _address(site, chapter.name, image["src"])
    for link in article.select("a:has(> img)"):
        # It leads to the figure's own file.
        link.unwrap()
    for formula in article.select(".katex"):
        # The TeX is what is read aloud: print has no MathML.
        said = formula.select_one("annotation").get_text().strip()
        formula.select_one(".katex-mathml").decompose()
        seen = formula.select_one(".katex-html")
        del seen["aria-hidden"]
        seen["role"], seen["aria-label"] = "img", said
    for tag in article.select("[id]"):
        tag["id"] = f"{slug}--{tag['id']}"
    for attribute in REFERENCES:
        for tag in article.select(f"[{attribute}]"):
            names = tag[attribute].split()
            tag[attribute] = " ".join(f"{slug}--{name}" for name in names)
    for link in article.select("a[href]"):
        address = _leads_to(link["href"], chapter, slugs)
        if address is None:
            link.unwrap()
        else:
            link["href"] = address


def _leads_to(href: str, chapter: Chapter, slugs: dict[str, str]) -> str | None:
    """Where a link leads from the long page; None where only the site has it."""
    link = urlsplit(href)
    if link.scheme:
        return href
    path = posixpath.normpath(
        posixpath.join(posixpath.dirname(chapter.name), unquote(link.path))
    )
    page = path.removesuffix(".html") if link.path else chapter.name
    if page not in slugs:
        return hosting.site() and hosting.site() + path or None
    return f"#{slugs[page]}--{unquote(link.fragment)}" if link.fragment else (
        f"#{slugs[page]}"
    )


def _lower(article: Tag) -> None:
    """Headings one level down: above a chapter's is that of its part."""
    for heading in article.select("h1, h2, h3, h4, h5"):
        heading.name = f"h{int(heading.name[1]) + 1}"


def _link_up(chapters: list[Chapter]) -> None:
    """Keep the names that something leads to, and see that each is there once."""
    wanted = {
        link["href"].removeprefix("#")
        for chapter in chapters
        for link in chapter.article.select('a[href^="#"]')
    }
    wanted -= {chapter.slug for chapter in chapters}
    named = {
        name
        for chapter in chapters
        for attribute in REFERENCES
        for tag in chapter.article.select(f"[{attribute}]")
        for name in tag[attribute].split()
    }
    found: set[str] = set()
    for chapter in chapters:
        for section in chapter.article.select("section[id]"):
            if section.parent is not chapter.article and _heading(section):
                named.add(section["id"])
        for tag in chapter.article.select("[id]"):
            name = tag["id"]
            if name not in wanted | named:
                del tag["id"]
            elif name in found:
                raise ValueError(f"{name} is the name of two elements")
            found.add(name)
    if dead := sorted(wanted - found):
        raise ValueError(f"links lead nowhere: {', '.join(dead)}")


def _heading(section: Tag) -> Tag | None:
    return section.find(["h2", "h3"], recursive=False)


# What the site does not have


def _title_page(about: dict, cover: str) -> str:
    return f"""<section class="title-page">
<p class="title">{escape(about["title"])}</p>
<p class="subtitle">Hierarchical Bayesian models in PyMC</p>
{cover}
<p class="author">{escape(about["author"])}</p>
<p>The book in print. On the pages that it is made from, some figures are interactive,
code can be changed and run, and each figure has the code that draws it, which is left
out here. Text and figures may be shared under CC BY 4.0, the
code under the MIT licence.</p>
</section>"""


def _contents(first: Chapter, parts: list[Part]) -> str:
    lines = [_line(first.slug, first.title, "part")]
    for part in parts:
        lines.append(_line(part.slug, part.title, "part"))
        for chapter in part.chapters:
            lines.append(_line(chapter.slug, chapter.title, "chapter"))
            lines += [
                _line(section["id"], _heading(section).get_text(), "section")
                for section in chapter.article.select("section[id]")
                if (_heading(section) or section).name == "h3"
            ]
    return (
        '<nav class="book-contents" aria-label="Contents"><p class="title">Contents</p>'
        f"<ul>{''.join(lines)}</ul></nav>"
    )


def _line(slug: str, title: str, kind: str) -> str:
    # Its page is known when all has been printed once.
    return (
        f'<li class="{kind}"><a href="#{slug}"><span>{escape(title.strip())}</span>'
        ' <span class="page"></span></a></li>'
    )


def _part(part: Part) -> str:
    lines = "".join(_line(e.slug, e.title, "chapter") for e in part.chapters)
    return (
        f'<section class="part" id="{part.slug}"><h1>{escape(part.title)}</h1>'
        f'<ul class="book-contents">{lines}</ul></section>'
    )


def _chapter(chapter: Chapter) -> str:
    return (
        f'<section class="chapter" id="{chapter.slug}" style="page: {chapter.slug}">'
        f"{chapter.article.decode_contents()}</section>"
    )


def _margins(chapter: Chapter, title: str) -> str:
    """The running heads of a chapter."""
    quoted = chapter.title.replace("\\", "\\\\").replace('"', '\\"')
    return (
        f'@page {chapter.slug} {{ @top-left {{ content: "{title}" }} '
        f'@top-right {{ content: "{quoted}" }} }}\n'
    )


# The PDF


def print_book(browser: Browser, site: Path, target: Path, root: Path = ROOT) -> None:
    """Print the book of a built site."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft, long_page = target.with_suffix(".part"), target.with_suffix(".html")
    text = assemble(site, root)
    long_page.write_text(text, encoding="utf-8")
    with _opened(browser, long_page) as page:
        page.pdf(path=draft, **PAPER)
        page.evaluate(NUMBER, places(PdfReader(draft)))
        page.pdf(path=draft, outline=True, tagged=True, **PAPER)
    _name(draft, target, _config(root), headings(text))
    draft.unlink()
    long_page.unlink()


def headings(long_page: str) -> list[tuple[int, str]]:
    """Level and words of every heading, in their order."""
    found = BeautifulSoup(long_page, "html.parser").select("h1, h2, h3, h4, h5, h6")
    return [(int(each.name[1]), " ".join(each.get_text().split())) for each in found]


def _name(draft: Path, target: Path, about: dict, titles: list) -> None:
    """Write the PDF with its title, its author, and bookmarks as its headings say.

    Chromium says a title twice that it has set twice, and joins the words between
    which it breaks a line.
    """
    # What is changed is added at the end: to write all anew would take longer than
    # to print it.
    writer = PdfWriter(draft, incremental=True)
    entries = _below(writer.root_object["/Outlines"])
    for entry, (_, title) in zip(entries, titles, strict=True):
        entry[NameObject("/Title")] = TextStringObject(title)
    writer.add_metadata({"/Title": about["title"], "/Author": about["author"]})
    writer.write(target)


def _below(parent: DictionaryObject) -> Iterator[DictionaryObject]:
    """The entries of an outline, in their order."""
    entry = parent.get("/First")
    while entry is not None:
        entry = entry.get_object()
        yield entry
        yield from _below(entry)
        entry = entry.get("/Next")


@contextmanager
def _opened(browser: Browser, long_page: Path) -> Iterator[Page]:
    """The long page, as it is to be printed.

    Raises
    ------
    ValueError
        If a file that it needs is not there, or a script of it fails.
    """
    page = browser.new_page(viewport={"width": WIDTH, "height": 900})
    page.emulate_media(media="print", color_scheme="light", reduced_motion="reduce")
    failed: list[str] = []
    page.on("requestfailed", lambda request: failed.append(request.url))
    page.on("pageerror", lambda error: failed.append(str(error)))
    page.goto(long_page.resolve().as_uri(), wait_until="load")
    page.evaluate("document.fonts.ready")
    for name in page.evaluate(EXPLORABLES):
        page.locator(f"{name}[ready]").wait_for(state="attached")
    page.evaluate(STAND_STILL)
    if failed:
        raise ValueError(f"the book cannot be printed: {', '.join(failed)}")
    yield page
    page.close()


def places(pdf: PdfReader) -> dict[str, int]:
    """The page of each name that a link leads to, counted from one."""
    return {
        name.removeprefix("/"): pdf.get_destination_page_number(place) + 1
        for name, place in pdf.named_destinations.items()
    }


@contextmanager
def a_browser() -> Iterator[Browser]:
    """The Chromium of this machine.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    path = chromium.find()
    if path is None:
        raise FileNotFoundError(chromium.HOW)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=chromium.flags()
        )
        yield browser
        browser.close()


def main() -> int:
    site = ROOT / "_build" / "html"
    target = (site / offline_archive.PRINTED).resolve()
    try:
        with a_browser() as browser:
            print_book(browser, site, target)
    except FileNotFoundError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"The book in print is at {target}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
