"""What a page is about, in a sentence, for those who find it in a list of results.

A page says so itself, in its front matter (``myst: html_meta: description``). For one
that does not, its first paragraph does; the pages without a source have theirs here.
"""

from __future__ import annotations

from html import escape, unescape
import re

from docutils import nodes
from sphinx.application import Sphinx

#: Characters; more is cut off by those who show it.
LONGEST = 160
#: Of the pages that no file of ours is the source of.
GENERATED = {
    "404": "There is nothing at this address. What is there is found here.",
    "genindex": "Every term of the book from A to Z, with its definition and the "
    "sections that treat it.",
    "search": "Search the chapters of the book, its glossary and its reference pages.",
}


def describe(doctree: nodes.document) -> str:
    """The first paragraph with a full sentence, as far as there is room."""
    for paragraph in doctree.findall(nodes.paragraph):
        text = " ".join(paragraph.astext().split())
        if "." in text and not any(paragraph.findall(nodes.math)):
            break
    else:
        return ""
    if len(text) <= LONGEST:
        return text
    return text[: LONGEST - 1].rsplit(" ", 1)[0].rstrip(",;:") + "…"


def said(metatags: str) -> str:
    """The description that is among the tags of a page's head; empty if none is."""
    for tag in re.findall(r"<meta\b[^>]*>", metatags):
        if 'name="description"' in tag:
            return unescape(re.search(r'content="([^"]*)"', tag)[1])
    return ""


def add(app: Sphinx, pagename, templatename, context, doctree) -> None:
    tags = context.get("metatags", "")
    if said(tags):
        return
    text = doctree is not None and describe(doctree)
    text = text or GENERATED.get(pagename) or f"{pagename}: {app.config.html_title}"
    context["metatags"] = tags + f'<meta name="description" content="{escape(text)}">\n'


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", add)
