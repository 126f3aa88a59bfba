"""A page for readers whose link leads nowhere, and one for each page that has moved.

A host shows ``404.html`` at every address where nothing is, in any folder: so its links
begin at the root of the host. Where the site is not at the root, the path of
`hosting.site` says where. A page that is given another name leaves one that leads
there, by an entry in ``moved_pages`` of ``_config.yml``.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
import posixpath
import re
from urllib.parse import urlsplit

from sphinx.application import Sphinx

from _sphinx.web import hosting

LOST = "404"
TITLE = "There is nothing here"
#: An address inside the site, seen from the page that has it.
_INSIDE = re.compile(
    r'\b(href|src|action|data-content_root)="(?![#/"]|[a-z][a-z0-9+.-]*:)([^"]*)"'
)
#: A page that only leads to another, as Jupyter Book writes its first; but to the same
#: place on it, where the reader's browser runs scripts.
_MOVED = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<meta name="robots" content="noindex">
<script>location.replace("{page}" + (location.hash || "{place}"))</script>
<meta http-equiv="refresh" content="0; url={target}">
</head>
<body><p>This page has moved: <a href="{target}">here it is</a>.</p></body>
</html>
"""


def add_page(app: Sphinx, config) -> None:
    config.html_additional_pages[LOST] = "404.html"


def name(app: Sphinx, pagename, templatename, context, doctree) -> None:
    if pagename == LOST:
        context["title"] = TITLE


def write(app: Sphinx, exception) -> None:
    """Root the links of the one page, and write the others.

    Raises
    ------
    ValueError
        If a page is said to have moved that is there, or to one that is not.
    """
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    lost = out / f"{LOST}.html"
    found = lost.read_text(encoding="utf-8")
    lost.write_text(rooted(found, urlsplit(hosting.site()).path), encoding="utf-8")
    for old, new in app.config.moved_pages.items():
        docname, hash_, place = new.partition("#")
        if old in app.env.found_docs or docname not in app.env.found_docs:
            raise ValueError(f"moved_pages: {old} is there, or {docname} is not")
        page = posixpath.relpath(f"{docname}.html", posixpath.dirname(old) or ".")
        file = out / f"{old}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(
            _MOVED.format(
                title=escape(app.config.html_title),
                page=escape(page),
                place=escape(hash_ + place),
                target=escape(page + hash_ + place),
            ),
            encoding="utf-8",
        )


def rooted(page: str, root: str) -> str:
    """A page of the site's top folder, with links from anywhere on the host.

    Raises
    ------
    ValueError
        If it has none, from the page or from the root.
    """
    root = root or "/"
    page = _INSIDE.sub(lambda m: f'{m[1]}="{root}{m[2].removeprefix("./")}"', page)
    if f'data-content_root="{root}"' not in page:
        raise ValueError(f"{LOST}.html does not say where the site's root is")
    return page


def setup(app: Sphinx) -> None:
    app.add_config_value("moved_pages", {}, "html", dict)
    app.connect("config-inited", add_page)
    app.connect("html-page-context", name)
    app.connect("build-finished", write)
