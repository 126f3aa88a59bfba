"""What the book consists of: its pages in order, its exercises, its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from docutils import nodes


def pages(env) -> list[str]:
    """The names of the pages, in the order of the table of contents."""
    toc = env.app.config.external_site_map
    return [
        document
        for document in _in_order(toc, toc.root.docname)
        if document in env.found_docs
    ]


def _in_order(toc, docname: str) -> Iterator[str]:
    yield docname
    for tree in toc[docname].subtrees:
        for item in tree.items:
            if str(item) in toc:
                yield from _in_order(toc, str(item))


def part_titles(env) -> dict[str, str]:
    """The title of the part that each page belongs to, by the page's name."""
    root = env.app.config.external_site_map.root
    return {str(page): tree.caption for tree in root.subtrees for page in tree.items}


def short_name(docname: str) -> str:
    """The name of a page without its folders: of its notebooks, and in print.

    A part's own page, ``index`` in the part's folder, is named after the folder.
    """
    return docname.removesuffix("/index").rsplit("/", 1)[-1]


@cache
def document(env, docname: str) -> nodes.document:
    """The document tree of a page, once all pages are read: not to be changed."""
    return env.get_doctree(docname)


def exercises(env, docname: str) -> list[str]:
    """The labels of the exercises on a page."""
    return [
        label
        for label, entry in getattr(env, "sphinx_exercise_registry", {}).items()
        if entry["docname"] == docname and entry["type"].startswith("exercise")
    ]


def chapters(env) -> list[str]:
    """The names of the pages with exercises, in the order of the book."""
    return [name for name in pages(env) if exercises(env, name)]


def number(env, docname: str, kind: str, node: nodes.Element) -> str:
    """The number that a page shows for a figure, an equation or an exercise.

    Parameters
    ----------
    kind : {"figure", "displaymath", "exercise"}
        The name under which Sphinx counts the node.
    """
    numbers = env.toc_fignumbers[docname][kind]
    return ".".join(map(str, next(numbers[i] for i in node["ids"] if i in numbers)))
