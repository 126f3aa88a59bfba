"""What a page is about, in a sentence, for those who find it in a list of results."""

from __future__ import annotations

from html import escape

from docutils import nodes
from sphinx.application import Sphinx

#: Characters; more is cut off by those who show it.
LONGEST = 160


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


def add(app: Sphinx, pagename, templatename, context, doctree) -> None:
    said = context.get("metatags", "")
    if 'name="description"' in said:
        return
    text = doctree is not None and describe(doctree)
    text = text or f"{context.get('title') or pagename}: {app.config.html_title}"
    context["metatags"] = said + f'<meta name="description" content="{escape(text)}">\n'


def setup(app: Sphinx):
    app.connect("html-page-context", add, priority=600)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
