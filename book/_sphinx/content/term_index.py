"""The index of terms: each with its definition, and the sections that treat it.

Its entries are those of the directive ``{index}``, below the title of a section, and
the terms of the glossary. Sphinx's own index would number the places of a term; ours
names them: the title of the section, and of the chapter that it is in. A search for a
term finds the same places, before whatever else has the word in it.
"""

from __future__ import annotations

from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.nodes import clean_astext

from _sphinx.contents import chapters

#: What the index is called, in the table of contents too.
TITLE = "Index of terms"
DEFINITION = "Definition"
#: What the name of a place in the glossary begins with.
DEFINED = "term-"


class Place(NamedTuple):
    """Where a term is treated: an address seen from the index, and its titles."""

    uri: str
    section: str
    chapter: str = ""


def remember(app: Sphinx, doctree: nodes.document) -> None:
    """Let each entry of the index lead to the section that it stands in."""
    found = app.env.index_sections[app.env.docname] = {}
    entries = []
    for index in doctree.findall(addnodes.index):
        section = index
        while not isinstance(section, nodes.section):
            section = section.parent
        place = section["ids"][0]
        for number, (kind, term, target, main, key) in enumerate(index["entries"]):
            if not target.startswith(DEFINED):
                # The search puts what is not "main" behind all the rest.
                target, main = place, "main"
                found[place] = clean_astext(section[0])
            index["entries"][number] = kind, term, target, main, key
        entries += index["entries"]
    app.env.domains["index"].entries[app.env.docname] = entries


def begin(app: Sphinx) -> None:
    if not hasattr(app.env, "index_sections"):
        app.env.index_sections = {}


def forget(app: Sphinx, env, docname: str) -> None:
    env.index_sections.pop(docname, None)


def add_to_contents(app: Sphinx, doctree: nodes.document) -> None:
    """A line for the index, at the end of the table of contents."""
    if app.env.docname == app.config.root_doc:
        last = list(doctree.findall(addnodes.toctree))[-1]
        last["entries"].append((TITLE, "genindex"))


def show(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Give the index's own template the terms and their places."""
    if pagename == "genindex":
        context["title"] = TITLE
        context["term_index"] = named(app.env, context["genindexentries"])


def complete_search(app: Sphinx) -> list:
    """Give the search the terms of the pages that this build has not written.

    Sphinx keeps them in its environment, which it has saved by the time that it
    collects them: without this, a second build would forget those of the first.
    """
    indexer = getattr(app.builder, "indexer", None)
    if indexer is not None:
        for docname in sorted(app.env.found_docs - set(indexer._index_entries)):
            title = app.env.titles[docname].astext()
            app.builder.index_page(docname, app.env.get_doctree(docname), title)
    return []


def named(env, index) -> list[tuple[str, list[tuple[str, list[Place]]]]]:
    """Sphinx's index, letter by letter, with places that have names.

    Raises
    ------
    ValueError
        If an entry has others below it, for which the template has no room.
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
    return not target.startswith(DEFINED), order[docname]


def _parts(uri: str) -> tuple[str, str]:
    page, _, target = uri.partition("#")
    return page.removesuffix(".html"), target


def _place(env, uri: str) -> Place:
    docname, target = _parts(uri)
    if target.startswith(DEFINED):
        return Place(uri, DEFINITION)
    title = env.index_sections[docname][target]
    chapter = clean_astext(env.titles[docname])
    return Place(uri, title, "" if title == chapter else chapter)


def setup(app: Sphinx) -> None:
    app.connect("builder-inited", begin)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", remember)
    # After the contents of _toc.yml are there, and before they are collected.
    app.connect("doctree-read", add_to_contents, priority=400)
    app.connect("html-page-context", show)
    # The last time to be asked before the search's index is written.
    app.connect("html-collect-pages", complete_search)
