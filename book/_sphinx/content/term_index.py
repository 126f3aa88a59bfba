"""The index of terms: where each term is defined, and the sections that treat it.

Its entries come from the directive ``{index}`` below the title of a section, and from
the glossary. Sphinx's own index numbers the places of a term; ours gives the titles of
the section and of its chapter. A search for a term lists these places first.
"""

from __future__ import annotations

from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.nodes import clean_astext

from _sphinx.contents import chapters

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
        context["term_index"] = named(app.env, context["genindexentries"])


def complete_search(app: Sphinx) -> list:
    """Index the pages for the search that this build has not written.

    Sphinx collects their terms in its environment after it has saved it; without
    this, the search of a second build would not have those of the first.
    """
    indexer = getattr(app.builder, "indexer", None)
    if indexer is not None:
        for docname in sorted(app.env.found_docs - set(indexer._index_entries)):
            title = app.env.titles[docname].astext()
            app.builder.index_page(docname, app.env.get_doctree(docname), title)
    return []


def named(env, index) -> list[tuple[str, list[tuple[str, list[Place]]]]]:
    """Sphinx's index, letter by letter, with titles of the places.

    Raises
    ------
    ValueError
        If an entry has sub-entries, which the template does not show.
    """
    order = {docname: number for number, docname in enumerate(chapters(env))}
    letters = []
    for letter, entries in index:
        terms = []
        for term, (links, below, _) in entries:
            if below:
                raise ValueError(f"the index has no room for {list(below)} of {term}")
            uris = sorted((uri for _, uri in links), key=lambda uri: _rank(uri, order))
            places = dict.fromkeys(_place(env, uri) for uri in uris)
            terms.append((term, list(places)))
        letters.append((letter, terms))
    return letters


def _rank(uri: str, order: dict[str, int]) -> tuple[bool, int]:
    """The definition first, then sections in the order of the book."""
    docname, target = _parts(uri)
    return not target.startswith(GLOSSARY), order[docname]


def _parts(uri: str) -> tuple[str, str]:
    page, _, target = uri.partition("#")
    return page.removesuffix(".html"), target


def _place(env, uri: str) -> Place:
    docname, target = _parts(uri)
    if target.startswith(GLOSSARY):
        return Place(uri, DEFINITION)
    chapter = clean_astext(env.titles[docname])
    for link in env.tocs[docname].findall(nodes.reference):
        if link["anchorname"] == f"#{target}":
            return Place(uri, clean_astext(link), chapter)
    # The title of the page itself has no anchor there.
    return Place(uri, chapter)


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", point_to_sections)
    # After _toc.yml's contents have been added, and before Sphinx collects them.
    app.connect("doctree-read", add_to_contents, priority=400)
    app.connect("html-page-context", show)
    # The last event before Sphinx writes the search index.
    app.connect("html-collect-pages", complete_search)
