"""The index of terms: where each term is defined, and the sections that treat it.

Its entries come from the directive ``{index}`` below the title of a section, and from
the glossary. Sphinx's own index numbers the places of a term; ours gives the titles of
the section and of its chapter. A search for a term lists these places first.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import groupby
from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.nodes import clean_astext

from _sphinx.contents import pages

TITLE = "Index of terms"
DEFINITION = "Definition"
#: Prefix of the glossary's identifiers.
GLOSSARY = "term-"


class Place(NamedTuple):
    """Where a term is treated: the address, seen from the index, and its titles."""

    uri: str
    section: str
    chapter: str = ""


def point_to_sections(app: Sphinx, doctree: nodes.document) -> None:
    """Let each entry of the index lead to the section that it is in."""
    entries = []
    for index in doctree.findall(addnodes.index):
        section = index
        while not isinstance(section, nodes.section):
            section = section.parent
        for number, (kind, term, target, main, key) in enumerate(index["entries"]):
            if not target.startswith(GLOSSARY):
                # The search puts entries that are not "main" last.
                target, main = section["ids"][0], "main"
            index["entries"][number] = kind, term, target, main, key
        entries += index["entries"]
    app.env.domains["index"].entries[app.env.docname] = entries


def add_to_contents(app: Sphinx, doctree: nodes.document) -> None:
    """Add the index to the end of the table of contents."""
    if app.env.docname == app.config.root_doc:
        last = list(doctree.findall(addnodes.toctree))[-1]
        last["entries"].append((TITLE, "genindex"))


def show(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Give the index's template the terms and their places."""
    if pagename == "genindex":
        context["title"] = TITLE
        found = terms(app.env, app.builder.get_relative_uri)
        order = sorted(found.items(), key=lambda entry: entry[0].casefold())
        letters = groupby(order, lambda entry: entry[0][0].upper())
        context["term_index"] = [(letter, list(group)) for letter, group in letters]


def terms(env, relative_uri) -> dict[str, list[Place]]:
    """For each term, its definition first, and then sections in the book's order.

    Raises
    ------
    ValueError
        If an entry has sub-entries, which the template does not show.
    """
    found = defaultdict(list)
    for docname in pages(env):
        chapter = clean_astext(env.titles[docname])
        # The title of the page itself has no anchor.
        titles = {
            link["anchorname"].removeprefix("#"): clean_astext(link)
            for link in env.tocs[docname].findall(nodes.reference)
        }
        for kind, term, target, _, _ in env.domains["index"].entries[docname]:
            if kind != "single" or ";" in term:
                raise ValueError(f"{docname}: the index has no room for {term!r}")
            uri = f"{relative_uri('genindex', docname)}#{target}"
            if target.startswith(GLOSSARY):
                found[term].insert(0, Place(uri, DEFINITION))
            elif target in titles:
                found[term].append(Place(uri, titles[target], chapter))
            else:
                found[term].append(Place(uri, chapter))
    return {term: list(dict.fromkeys(places)) for term, places in found.items()}


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", point_to_sections)
    # After _toc.yml's contents have been added, and before Sphinx collects them.
    app.connect("doctree-read", add_to_contents, priority=400)
    app.connect("html-page-context", show)
