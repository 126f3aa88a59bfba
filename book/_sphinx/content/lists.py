"""The directive ``{list-of}``: all figures, explorables or exercises of the book.

Its argument names the kind. Each entry has the number, the title and a link; the lists
are filled when pages are written, once every page has been read. The title of a figure
or an exercise is the bold text with which its caption or its text begins; that of an
explorable is its label.
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
from _sphinx.contents import document, number, pages
from _sphinx.events import depend_on_all_pages

logger = logging.getLogger(__name__)

KINDS = ("figures", "explorables", "exercises")


class list_of(nodes.General, nodes.Element):
    """The place of a list of a ``kind``."""


class ListOf(SphinxDirective):
    """Mark the place of a list."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        kind = directives.choice(self.arguments[0], KINDS)
        depend_on_all_pages(self.env)
        return [list_of(kind=kind)]


def fill(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Replace each marked place by its list.

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
    """For each chapter, its title and the list of its entries."""
    for chapter in pages(app.env):
        if kind == "exercises":
            items = _exercises(app, here, chapter)
        else:
            items = _figures(app, here, chapter, interactive=kind == "explorables")
        items = [nodes.list_item("", item) for item in items]
        if items:
            title = app.env.titles[chapter].deepcopy().children
            heading = nodes.strong("", "", _link(app, here, chapter, "", "", title))
            yield nodes.paragraph("", "", heading, classes=["list-of-chapter"])
            yield nodes.bullet_list("", *items, classes=["list-of"])


def _figures(
    app, here: str, chapter: str, interactive: bool
) -> Iterator[nodes.paragraph]:
    """The figures of a chapter, or the interactive ones alone."""
    for figure in document(app.env, chapter).findall(nodes.figure):
        explorables = list(figure.findall(explorable))
        if not figure["ids"] or (interactive and not explorables):
            continue
        title = title_of(next(figure.findall(nodes.caption)))
        if interactive:
            title = [nodes.Text(explorables[0]["label"])]
        words = f"Figure {number(app.env, chapter, 'figure', figure)}. "
        target = figure["ids"][0]
        yield nodes.paragraph("", "", _link(app, here, chapter, target, words, title))


def _exercises(app, here: str, chapter: str) -> Iterator[nodes.paragraph]:
    tree = document(app.env, chapter)
    solutions = {
        node["target_label"]: node["ids"][0]
        for node in tree.findall(is_solution_node)
    }
    for exercise in tree.findall(is_exercise_node):
        n = number(app.env, chapter, "exercise", exercise)
        title = title_of(next(exercise.findall(nodes.paragraph)))
        target = exercise["ids"][0]
        line = nodes.paragraph()
        line += _link(app, here, chapter, target, f"Exercise {n}. ", title)
        if target := solutions.get(exercise["label"]):
            line += nodes.Text(" ")
            line += _link(app, here, chapter, target, f"Solution to exercise {n}")
            line[-1]["classes"].append("list-of-solution")
        yield line


def _link(
    app, here: str, chapter: str, target: str, words: str, title=()
) -> nodes.reference:
    inline = nodes.inline("", "", nodes.Text(words), *title)
    return make_refnode(app.builder, here, chapter, target, inline)


def title_of(node: nodes.Element) -> list[nodes.Node]:
    """The bold text with which a caption or an exercise begins."""
    for bold in node.findall(nodes.strong):
        return [_plain(child) for child in bold.children]
    logger.warning("this has no title: begin it with words in bold", location=node)
    return []


def _plain(node: nodes.Node) -> nodes.Node:
    """A copy without labels and links, for use inside a link."""
    if isinstance(node, (nodes.Text, nodes.math, nodes.literal)):
        return node.deepcopy()
    kind = (
        type(node) if isinstance(node, (nodes.emphasis, nodes.strong)) else nodes.inline
    )
    return kind("", "", *(_plain(child) for child in node.children))


def setup(app: Sphinx) -> None:
    app.add_node(list_of)
    app.add_directive("list-of", ListOf)
    app.connect("doctree-resolved", fill)
