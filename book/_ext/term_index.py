"""The index of terms: each with its definition, and the sections that treat it.

Its entries are those of the directive ``{index}``, below the title of a section, and
the terms of the glossary. Sphinx's own index would number the places of a term; ours names
them: the title of the section, and of the chapter that it is in.
"""

from __future__ import annotations

from typing import NamedTuple

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.nodes import clean_astext

from fits_table import chapters

#: What the index is called, in the table of contents too.
TITLE = "Index of terms"
DEFINITION = "Definition"


class Place(NamedTuple):
    """Where a term is treated: an address seen from the index, and its titles."""

    uri: str
    section: str
    chapter: str = ""


def remember(app: Sphinx, doctree: nodes.document) -> None:
    """Note in which section each entry of the index stands."""
    found = app.env.index_sections[app.env.docname] = {}
    for index in doctree.findall(addnodes.index):
        section = index
        while section is not None and not isinstance(section, nodes.section):
            section = section.parent
        for _, _, target, *_ in index["entries"]:
            if section is not None:
                found[target] = section["ids"][0], clean_astext(section[0])


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
            links = sorted(links, key=lambda link: (not link[0], _order(link, order)))
            places = dict.fromkeys(_place(env, *link) for link in links)
            terms.append((term, list(places)))
        letters.append((letter, terms))
    return letters


def _order(link: tuple[str, str], order: dict[str, int]) -> int:
    return order[_docname(link[1])]


def _docname(uri: str) -> str:
    return uri.partition(".html")[0]


def _place(env, main: str, uri: str) -> Place:
    if main:
        return Place(uri, DEFINITION)
    docname, (page, _, target) = _docname(uri), uri.partition("#")
    section, title = env.index_sections[docname][target]
    chapter = clean_astext(env.titles[docname])
    return Place(f"{page}#{section}", title, "" if title == chapter else chapter)


def setup(app: Sphinx):
    app.connect("builder-inited", begin)
    app.connect("env-purge-doc", forget)
    app.connect("doctree-read", remember)
    # After the contents of _toc.yml are there, and before they are collected.
    app.connect("doctree-read", add_to_contents, priority=400)
    app.connect("html-page-context", show)
    return {
        "version": "1",
        "env_version": 1,
        "parallel_read_safe": False,
        "parallel_write_safe": True,
    }
