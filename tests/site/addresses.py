"""The addresses that the site promises, in ``addresses.txt``: none may disappear.

A page; and on it each section, figure, formula with a number, exercise, solution and
term. ``python tests/site/addresses.py`` adds those of the site that are not promised
yet, and takes none away.

When a page is given another name, an entry in ``redirects`` of ``_config.yml`` keeps
the old one; when a section is, a label with the old name above its title does:
``(old-name)=``.
"""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
import posixpath
import re

PROMISED = Path(__file__).with_name("addresses.txt")
#: Names that Sphinx or docutils count: they change with whatever comes before.
COUNTED = re.compile(r"(?:id|index-)\d+$|(?:exercise|solution)-content$")
KINDS = {"exercise", "solution", "math-block"}
#: A page that only leads to another.
LEADS_TO = re.compile(r'<meta http-equiv="refresh" content="\d+; ?url=([^"#]*)', re.I)


class Places(HTMLParser):
    """The names on a page: all, and those that are worth a promise."""

    def __init__(self, page: str):
        super().__init__()
        self.all: set[str] = set()
        self.worth: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        name = attributes.get("id")
        self.all.add(name)
        kinds = set((attributes.get("class") or "").split())
        # A label that an author has set is an empty span.
        label = tag == "span" and not kinds
        if name and (tag in ("section", "figure", "dt") or label or KINDS & kinds):
            if not COUNTED.match(name):
                self.worth.add(name)


def places(site: Path, page: str) -> Places:
    """Those of a page; of one that only leads to another, those of the other."""
    text = (site / page).read_text(encoding="utf-8")
    if leads := LEADS_TO.search(text):
        folder = posixpath.dirname(page)
        return places(site, posixpath.normpath(posixpath.join(folder, leads[1])))
    return Places(text)


def worth_promising(site: Path, pages: list[str]) -> set[str]:
    """The pages, and all places on them that deserve a lasting address."""
    return {*pages} | {
        f"{page}#{place}"
        for page in pages
        if page != "index.html"  # which leads to the first page
        for place in places(site, page).worth
    }


def promised() -> list[str]:
    return PROMISED.read_text(encoding="utf-8").split()


def broken(site: Path, addresses: list[str]) -> list[str]:
    """Those of the addresses at which there is nothing any more."""
    pages: dict[str, set[str]] = {}
    lost = []
    for address in addresses:
        page, _, place = address.partition("#")
        if page not in pages:
            there = (site / page).is_file()
            pages[page] = {"", *places(site, page).all} if there else set()
        if place not in pages[page]:
            lost.append(address)
    return lost


if __name__ == "__main__":
    import built

    found = worth_promising(built.SITE, built.lasting())
    everything = sorted(found | set(promised() if PROMISED.exists() else ()))
    PROMISED.write_text("\n".join(everything) + "\n", encoding="utf-8")
    print(f"{len(everything)} addresses in {PROMISED.name}")
