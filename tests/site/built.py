"""Where the built site is, and the pages it has."""

from __future__ import annotations

import os
from pathlib import Path
import re

ROOT = Path(__file__).resolve().parents[2]
#: The folder of the site: the book's own, or that of the variable BOOK_SITE.
SITE = Path(os.environ.get("BOOK_SITE") or ROOT / "_build" / "html").resolve()
#: The folder of its sources.
SOURCES = SITE.parents[1]


def root() -> str:
    """Where the site is on its host, with a slash on either side.

    Only the page for readers who are lost knows; it is shown anywhere.
    """
    lost = SITE / "404.html"
    found = lost.is_file() and re.search(
        r'data-content_root="(/[^"]*)"', lost.read_text(encoding="utf-8")
    )
    return found[1] if found else "/"


def pages() -> list[str]:
    """Every HTML page of the site, as seen from its root."""
    found = [
        file.relative_to(SITE).as_posix()
        for file in sorted(SITE.rglob("*.html"))
        if "_static" not in file.relative_to(SITE).parts
    ]
    return found or ["index.html"]


def lasting() -> list[str]:
    """The pages whose addresses readers keep: all but the search and the lost."""
    return [page for page in pages() if page not in ("404.html", "search.html")]

#: What a host compresses; fonts and PNGs are compressed as they are.
TEXT = {".html", ".css", ".js", ".mjs", ".svg", ".json", ".xml", ".txt"}
