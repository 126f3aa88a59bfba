"""The page that a host shows at an address without a page, ``404.html``.

A host shows it in any folder, so sphinx-notfound-page writes its links from the root of
the host. Where the site has a folder of its own there, the path of `hosting.site` names
that folder.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sphinx.application import Sphinx

from _sphinx.web import hosting
from _sphinx.web.metadata import GENERATED


def configure(app: Sphinx, config) -> None:
    """Choose the page's template and the address from which its links begin."""
    config.notfound_template = "404.html"
    config.notfound_context = {"title": GENERATED["404"][0]}
    config.notfound_urls_prefix = urlsplit(hosting.site()).path or "/"


def set_root(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Tell the page's scripts where the site begins, as its links do."""
    if pagename == app.config.notfound_pagename:
        context["content_root"] = app.config.notfound_urls_prefix


def setup(app: Sphinx) -> None:
    app.connect("config-inited", configure)
    app.connect("html-page-context", set_root)
