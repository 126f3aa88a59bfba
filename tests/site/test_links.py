"""Every link inside the site leads to a page, and to a place on it. No browser."""

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
import posixpath
from urllib.parse import unquote, urlsplit

import pytest

from built import root

ROOT = root()
#: What no link leads to, since a host shows it by itself.
ALONE = {"404.html"}


class Document(HTMLParser):
    """The places and the links of a page."""

    def __init__(self, html: str):
        super().__init__()
        self.places: set[str] = set()
        self.links: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.places |= {attributes.get("id"), tag == "a" and attributes.get("name")}
        for name in ("href", "src"):
            if attributes.get(name) is not None:
                self.links.append(attributes[name])
        # <meta http-equiv="refresh" content="0; url=book/index.html">
        if tag == "meta" and attributes.get("http-equiv", "").lower() == "refresh":
            self.links.append(attributes["content"].split("=", 1)[1])


@cache
def document(file: Path) -> Document:
    return Document(file.read_text(encoding="utf-8"))


def broken(site: Path, page_path: str) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for link in document(site / page_path).links:
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        path = page_path
        if parts.path:
            folder = posixpath.dirname(page_path)
            # Of the site, where it begins at the root of the host.
            inside = parts.path.removeprefix(ROOT)
            path = posixpath.normpath(posixpath.join(folder, unquote(inside)))
        target = site / path
        if path.startswith("..") or not target.is_file():
            found.append(f"{link}: no such file")
        elif parts.fragment and target.suffix == ".html":
            if unquote(parts.fragment) not in document(target).places:
                found.append(f"{link}: no such place")
    return found


def test_every_link_leads_somewhere(page_path, site):
    assert not broken(site, page_path)


def test_no_page_is_an_island(site):
    """Every page can be reached from the first by its links."""
    seen, todo = set(), ["index.html"]
    while todo:
        page = todo.pop()
        if page in seen or not (site / page).is_file():
            continue
        seen.add(page)
        for link in document(site / page).links:
            parts = urlsplit(link)
            if not parts.netloc and parts.path.endswith(".html"):
                folder = posixpath.dirname(page)
                todo.append(posixpath.normpath(posixpath.join(folder, parts.path)))
    pages = {file.relative_to(site).as_posix() for file in site.rglob("*.html")}
    assert {page for page in pages - ALONE if "_static" not in page} <= seen


@pytest.mark.parametrize(
    ("link", "reason"),
    [
        ("missing.html", "no such file"),
        ("../../outside.html", "no such file"),
        ("b.html#nowhere", "no such place"),
        ("#nowhere", "no such place"),
        ("b.html#here", None),
        ("b.html?q=x", None),
        ("#top", None),
        ("#", None),
        ("https://example.org/missing.html", None),
        ("/missing.html", "no such file"),
    ],
)
def test_a_broken_link_is_found(tmp_path, link, reason):
    (tmp_path / "a.html").write_text(f'<p id="top"><a href="{link}">x</a></p>')
    (tmp_path / "b.html").write_text('<h1 id="here">b</h1>')
    found = broken(tmp_path, "a.html")
    assert found == ([f"{link}: {reason}"] if reason else [])
