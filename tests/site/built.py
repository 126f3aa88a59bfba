"""Where the built site is, and the pages it has."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
#: The folder of the site: the book's own, or that of the variable BOOK_SITE.
SITE = Path(os.environ.get("BOOK_SITE") or ROOT / "_build" / "html").resolve()
#: The folder of its sources.
SOURCES = SITE.parents[1]


def pages() -> list[str]:
    """Every HTML page of the site, as seen from its root."""
    found = [
        file.relative_to(SITE).as_posix()
        for file in sorted(SITE.rglob("*.html"))
        if "_static" not in file.relative_to(SITE).parts
    ]
    return found or ["index.html"]
