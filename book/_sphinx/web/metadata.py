"""Describe each page to search engines and to services where a link to it is shared.

The head of a page gets its description, Open Graph tags for the card of a shared link,
and linked data in the terms of schema.org. Tags with an absolute address are written
only where `hosting.site` knows the address of the site.

The packages for this fall short here. sphinxext-opengraph (0.13) ignores the
description in a page's front matter and cuts the page's first words off after 200
characters, and without an address of the site it writes a relative ``og:url``; it has
no linked data.
"""

from __future__ import annotations

from urllib.parse import urljoin

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging

from _sphinx.contents import chapters
from _sphinx.web import hosting, social_card
from _theme.html_translator import json_script

logger = logging.getLogger(__name__)

LICENCE = "https://creativecommons.org/licenses/by/4.0/"
SCHEMA = "https://schema.org"
#: Title and description of the pages that no source file describes.
GENERATED = {
    "404": (
        "There is nothing here",
        "There is no page at this address. Search the book, or open its front page.",
    ),
    "genindex": (
        "Index of terms",
        "Every term of the book from A to Z, with its definition and the sections that "
        "treat it.",
    ),
    "search": (
        "Search",
        "Search the chapters of the book, its glossary and its reference pages.",
    ),
}
#: Pages that search engines are asked to leave out.
NOT_INDEXED = ("404", "search")
#: The subjects of the book.
SUBJECTS = ("hierarchical models", "Bayesian statistics", "partial pooling", "PyMC")


def set_site_address(app: Sphinx, config) -> None:
    """Give Sphinx the site's address, from which it makes canonical links."""
    config.html_baseurl = hosting.site()


def describe(doctree: nodes.document) -> str:
    """The description in a page's front matter (``myst: html_meta: description``)."""
    for meta in doctree.findall(nodes.meta):
        if meta.get("name") == "description":
            return meta["content"]
    logger.warning(
        "this page needs a description: write one into its front matter, as "
        "myst: html_meta: description",
        location=doctree,
    )
    return ""


def add(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Give the template ``metadata.html`` what it writes into a page's head."""
    if pagename in GENERATED:
        title, description = GENERATED[pagename]
        context["description"] = description
    elif doctree is not None:
        # Sphinx has written the tag with the description already.
        title, description = app.env.titles[pagename].astext(), describe(doctree)
    else:
        return
    if pagename in NOT_INDEXED:
        context |= {"pageurl": None, "not_indexed": True}
        return
    width, height = social_card.SIZE
    address = hosting.site() + social_card.NAME
    context["card"] = {
        "type": "book" if pagename == app.config.root_doc else "article",
        "title": title,
        "description": description,
        "image": {
            "url": address, "width": width, "height": height, "alt": social_card.ALT
        },
    }
    data = linked_data(app, pagename, title, description)
    context["linked_data"] = json_script(data, "application/ld+json")


def linked_data(app: Sphinx, pagename: str, title: str, description: str) -> dict:
    """Describe a page in the terms of schema.org."""
    names = chapters(app.env)
    book = {
        "@type": "Book",
        "name": app.config.html_title,
        "author": {"@type": "Organization", "name": app.config.author},
        "license": LICENCE,
        "inLanguage": "en-GB",
        "isAccessibleForFree": True,
        "about": list(SUBJECTS),
        **address(app, app.config.root_doc),
    }
    if pagename == app.config.root_doc:
        parts = [
            {
                "@type": "Chapter",
                "name": app.env.titles[name].astext(),
                **address(app, name),
            }
            for name in names
        ]
        return {
            "@context": SCHEMA, **book, "description": description, "hasPart": parts
        }
    data = {
        "@context": SCHEMA,
        "@type": "WebPage",
        "name": title,
        "description": description,
        "inLanguage": "en-GB",
        **{key: book[key] for key in ("author", "license", "isAccessibleForFree")},
        **address(app, pagename),
        "isPartOf": book,
    }
    if pagename in names:
        data |= {
            "@type": ["Chapter", "LearningResource"],
            "position": names.index(pagename) + 1,
            "learningResourceType": "textbook chapter with exercises",
        }
    return data


def address(app: Sphinx, docname: str) -> dict[str, str]:
    """``{"url": ...}``, or nothing where the site's address is not known."""
    if not hosting.site():
        return {}
    return {"url": urljoin(hosting.site(), app.builder.get_target_uri(docname))}


def setup(app: Sphinx) -> None:
    app.connect("config-inited", set_site_address)
    app.connect("html-page-context", add)
