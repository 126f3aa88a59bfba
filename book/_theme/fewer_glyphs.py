"""Fonts cut down to the characters that the pages show."""

from __future__ import annotations

from collections.abc import Iterable
from html import unescape
from io import BytesIO
import logging
import re

from fontTools import subset

# It tells each step of each font, hundreds of lines in the log of a build.
logging.getLogger("fontTools").setLevel(logging.WARNING)

_SPAN = re.compile(r"<(/?)span\b[^>]*>")
_FORMULA = '<span class="katex-html"'


def formulae(page: str) -> str:
    """The characters of a page's formulae, as KaTeX has set them."""
    found: set[str] = set()
    start = page.find(_FORMULA)
    while start >= 0:
        depth = 0
        for tag in _SPAN.finditer(page, start):
            depth += -1 if tag[1] else 1
            if depth == 0:
                break
        found.update(unescape(re.sub(r"<[^>]*>", "", page[start : tag.end()])))
        start = page.find(_FORMULA, tag.end())
    return "".join(sorted(found))


def text(pages: Iterable[str]) -> str:
    """Every character of the pages, and all that are on a keyboard."""
    found = {chr(code) for code in range(0x20, 0x7F)}
    for page in pages:
        found.update(unescape("".join(set(page))))
        found.update(unescape(each) for each in set(re.findall(r"&[#\w]+;", page)))
    return "".join(sorted(each for each in found if len(each) == 1))


def cut(font: bytes, characters: str) -> bytes | None:
    """A WOFF2 font with these characters alone; None if it has none of them."""
    options = subset.Options()
    options.flavor = "woff2"
    options.layout_features = ["kern", "liga", "onum", "lnum", "tnum", "pnum"]
    # For low resolutions, and half of a font's weight.
    options.hinting = False
    whole = subset.load_font(BytesIO(font), options)
    if not set(map(ord, characters)) & set(whole.getBestCmap()):
        return None
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=characters)
    subsetter.subset(whole)
    out = BytesIO()
    subset.save_font(whole, out, options)
    return out.getvalue()
