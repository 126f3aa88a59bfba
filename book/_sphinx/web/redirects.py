"""The page for a link that leads nowhere, and one for each page that has moved.

sphinx-notfound-page writes ``404.html``, whose links begin at the root of the host,
since a host shows it at any address. sphinx-reredirects writes a page for each entry of
``redirects`` in ``_config.yml``; here it is checked that the entry leads somewhere.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from sphinx.application import Sphinx
from sphinx.util import logging

from _sphinx.web import hosting

logger = logging.getLogger(__name__)


def use_root(app: Sphinx, config) -> None:
    """Let the links of the one page begin where the site does."""
    config.notfound_urls_prefix = urlsplit(hosting.site()).path or "/"


def name_root(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Tell the scripts of the one page the same."""
    if pagename == app.config.notfound_pagename:
        context["content_root"] = app.config.notfound_urls_prefix


def check(app: Sphinx, env) -> None:
    """Warn of an entry whose old page is there, or whose new one is not."""
    for old, new in app.config.redirects.items():
        page = new.partition("#")[0]
        target = page.removeprefix("/").removesuffix(".html")
        if old in env.found_docs:
            logger.warning("redirects: %s is still a page of the book", old)
        if page != f"/{target}.html" or target not in env.found_docs:
            logger.warning(
                "redirects: %s must lead to a page such as /book/index.html, not to %s",
                old,
                new,
            )


def setup(app: Sphinx) -> None:
    app.connect("config-inited", use_root)
    app.connect("env-check-consistency", check)
    app.connect("html-page-context", name_root)
