"""The directive ``{list-of}``: every figure, explorable or exercise of the book.

Its argument says of what. The lists are made when pages are written, from the pages as
they were read: each entry has its number, its title and a link. A title is what the
caption of a figure, or an exercise, begins with in bold; an explorable has its label.
"""

from __future__ import annotations

from collections.abc import Iterator

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode
from sphinx_exercise.nodes import is_exercise_node, is_solution_node

from _sphinx.content.explorable import explorable
from _sphinx.contents import chapters, number

logger = logging.getLogger(__name__)

KINDS = ("figures", "explorables", "exercises")


class list_of(nodes.General, nodes.Element):
    """Where a list of a ``kind`` will be."""


class ListOf(SphinxDirective):
    """The place of a list."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = directives.choice(self.arguments[0], KINDS)
        self.env.list_pages.add(self.env.docname)
        return [list_of(kind=kind)]


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the lists in their places.

    Raises
    ------
    ValueError
        If the book has nothing of a kind.
    """
    for place in list(doctree.findall(list_of)):
        found = list(_groups(app, docname, place["kind"]))
        if not found:
            raise ValueError(f"{docname}: the book has no {place['kind']} to list")
        place.replace_self(found)


def _groups(app: Sphinx, here: str, kind: str) -> Iterator[nodes.Element]:
    """The chapter's title, and a list of what it has; chapter by chapter."""
    for chapter in chapters(app.env):
        if kind == "exercises":
            items = _exercises(app, here, chapter)
        else:
            items = _figures(app, here, chapter, moves=kind == "explorables")
        items = [nodes.list_item("", item) for item in items]
        if items:
            title = app.env.titles[chapter].deepcopy().children
            heading = nodes.strong("", "", _link(app, here, chapter, "", title))
            yield nodes.paragraph("", "", heading, classes=["list-of-chapter"])
            yield nodes.bullet_list("", *items, classes=["list-of"])


def _figures(app, here: str, chapter: str, moves: bool) -> Iterator[nodes.paragraph]:
    for figure in app.env.get_doctree(chapter).findall(nodes.figure):
        if figure["ids"] and any(figure.findall(explorable)) >= moves:
            numbered = number(app.env, chapter, "figure", figure)
            title = title_of(next(figure.findall(nodes.caption)))
            if moves:
                title = [nodes.Text(next(figure.findall(explorable))["label"])]
            words = [nodes.Text(f"Figure {numbered}. "), *title]
            yield nodes.paragraph(
                "", "", _link(app, here, chapter, figure["ids"][0], words)
            )


def _exercises(app, here: str, chapter: str) -> Iterator[nodes.paragraph]:
    document = app.env.get_doctree(chapter)
    solutions = {
        node["target_label"]: node["ids"][0]
        for node in document.findall(is_solution_node)
    }
    for exercise in document.findall(is_exercise_node):
        numbered = number(app.env, chapter, "exercise", exercise)
        title = title_of(next(exercise.findall(nodes.paragraph)))
        words = [nodes.Text(f"Exercise {numbered}. "), *title]
        line = nodes.paragraph("", "")
        line += _link(app, here, chapter, exercise["ids"][0], words)
        if target := solutions.get(exercise["label"]):
            answer = [nodes.Text(f"Solution to exercise {numbered}")]
            line += [nodes.Text(" "), _link(app, here, chapter, target, answer)]
            line[-1]["classes"].append("list-of-solution")
        yield line


def _link(app, here: str, chapter: str, target: str, words) -> nodes.reference:
    inline = nodes.inline("", "", *words)
    return make_refnode(app.builder, here, chapter, target, inline)


def title_of(node: nodes.Element) -> list[nodes.Node]:
    """What the words of a figure or an exercise begin with in bold."""
    for bold in node.findall(nodes.strong):
        return [_plain(child) for child in bold.children]
    logger.warning("this needs a title: begin it with words in bold", location=node)
    return []


def _plain(node: nodes.Node) -> nodes.Node:
    """A copy without links, which would be links in a link, and without labels."""
    if isinstance(node, (nodes.Text, nodes.math, nodes.literal)):
        return node.deepcopy()
    kind = (
        type(node) if isinstance(node, (nodes.emphasis, nodes.strong)) else nodes.inline
    )
    return kind("", "", *(_plain(child) for child in node.children))


def begin(app: Sphinx) -> None:
    if not hasattr(app.env, "list_pages"):
        app.env.list_pages = set()


def forget(app: Sphinx, env, docname: str) -> None:
    env.list_pages.discard(docname)


def outdated(app: Sphinx, env, added, changed, removed) -> set[str]:
    """Write the lists again whenever a page has changed that they may list."""
    pages = getattr(env, "list_pages", set()) & env.found_docs
    return pages if added or changed or removed else set()


def setup(app: Sphinx) -> None:
    app.add_node(list_of)
    app.add_directive("list-of", ListOf)
    app.connect("builder-inited", begin)
    app.connect("env-purge-doc", forget)
    app.connect("env-get-outdated", outdated)
    app.connect("doctree-resolved", fill)
