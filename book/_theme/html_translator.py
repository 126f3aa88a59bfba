"""What the nodes of a page become in HTML, where Sphinx writes something else."""

from __future__ import annotations

import json
import posixpath
from urllib.parse import quote

from docutils import nodes
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator
from sphinx_exercise.nodes import (
    exercise_enumerable_node,
    exercise_node,
    solution_node,
)

#: Ids that sphinx-exercise gives to the text of every exercise and solution.
REPEATED_IDS = ("exercise-content", "solution-content")


class HtmlTranslator(HTML5Translator):
    """Sphinx's translator, for pages that are light and accessible."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.has_image = False

    def starttag(self, node, tagname, suffix="\n", empty=False, **attributes):
        # The entry of this page in the contents of the book.
        if tagname == "a" and "current" in node.get("classes", ()):
            attributes["aria-current"] = "page"
        return super().starttag(node, tagname, suffix, empty, **attributes)

    # Containers and sections

    def visit_container(self, node):
        self.body.append(self.starttag(node, "div"))

    def depart_container(self, node):
        self.body.append("</div>\n")

    def visit_section(self, node):
        node["ids"] = [name for name in node["ids"] if name not in REPEATED_IDS]
        super().visit_section(node)

    def visit_folded_code(self, node):
        self.body.append(self.starttag(node, "details", CLASS="hide"))
        self.body.append(
            f'<summary><span class="collapsed">{node["prompt_show"]}</span>'
            f'<span class="expanded">{node["prompt_hide"]}</span></summary>\n'
        )

    def depart_folded_code(self, node):
        self.body.append("</details>\n")

    # Admonitions, exercises and solutions: one that drops down is a <details>

    def visit_admonition(self, node, name=""):
        if drops_down(node):
            self.body.append(self.starttag(node, "details", CLASS="admonition"))
        else:
            super().visit_admonition(node, name)

    def depart_admonition(self, node=None):
        if drops_down(node):
            self.body.append("</details>\n")
        else:
            super().depart_admonition(node)

    def visit_title(self, node):
        if drops_down(node.parent):
            # What opens and closes the box cannot be a link as well.
            for link in list(node.findall(nodes.reference)):
                link.replace_self(link.children)
            tag = self.starttag(node, "summary", "", CLASS="admonition-title")
            self.body.append(tag)
            self.context.append("</summary>\n")
            self.add_fignumber(node.parent)
        elif node.parent.get("toctree"):
            # Of a part of the book, in its contents.
            self.body.append(self.starttag(node, "p", "", CLASS="caption"))
            self.context.append("</p>\n")
        else:
            super().visit_title(node)

    # Tables: cells of a header say what they head, and an empty one is none

    def visit_table(self, node):
        self.body.append('<div class="table-scroll">\n')
        super().visit_table(node)

    def depart_table(self, node):
        super().depart_table(node)
        self.body.append("</div>\n")

    def visit_row(self, node):
        self.body.append(self.starttag(node, "tr", ""))
        node.column = 0

    def visit_entry(self, node):
        row, group = node.parent, node.parent.parent.parent
        scope = node.get("scope")
        if isinstance(row.parent, nodes.thead):
            scope = "col"
        elif group.stubs[row.column]:
            scope = "row"
        row.column += 1 + node.get("morecols", 0)
        attributes = {
            name: node[more] + 1
            for name, more in (("rowspan", "morerows"), ("colspan", "morecols"))
            if more in node
        }
        tag = "th" if scope and node.astext().strip() else "td"
        if tag == "th":
            attributes["scope"] = scope
        self.body.append(self.starttag(node, tag, "", **attributes))
        self.context.append(f"</{tag}>\n")

    # Words, images and references

    def visit_literal(self, node):
        if "code" in node["classes"] or "kbd" in node["classes"]:
            super().visit_literal(node)
        else:
            text = self.encode(node.astext())
            self.body.append(f"{self.starttag(node, 'code', '')}{text}</code>")
            raise nodes.SkipNode

    def visit_image(self, node):
        uri = node["uri"]
        if name := self.builder.images.get(uri):
            uri = posixpath.join(self.builder.imgpath, quote(name))
        attributes = {
            name: node[name].removesuffix("px")
            for name in ("width", "height")
            if name in node
        }
        # All but the first are loaded when a reader comes near.
        if self.has_image:
            attributes |= {"loading": "lazy", "decoding": "async"}
        self.has_image = True
        alt = node.get("alt", "")
        self.body.append(self.emptytag(node, "img", "", src=uri, alt=alt, **attributes))

    def depart_image(self, node):
        pass

    def visit_citation(self, node):
        # An item of the list that docutils puts around neighbouring citations.
        if not isinstance(node.previous_sibling(), nodes.citation):
            self.body.append('<div role="list" class="citation-list">\n')
        tag = self.starttag(node, "div", CLASS="citation", role="listitem")
        self.body.append(tag)


def json_script(data, kind: str = "application/json") -> str:
    """A script element with data in place of a program."""
    # Its end tag alone ends such an element, so a "<" in the data is written otherwise.
    text = json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")
    return f'<script type="{kind}">{text}</script>'


def drops_down(node: nodes.Node) -> bool:
    """Whether this is an admonition that is folded at first."""
    return isinstance(node, nodes.Admonition) and "dropdown" in node["classes"]


def add_nodes(app: Sphinx) -> None:
    """Write the nodes of myst-nb and sphinx-exercise in our own way."""
    box = (HtmlTranslator.visit_admonition, HtmlTranslator.depart_admonition)
    folded = (HtmlTranslator.visit_folded_code, HtmlTranslator.depart_folded_code)
    for kind in (exercise_node, exercise_enumerable_node, solution_node):
        app.add_node(kind, override=True, html=box)
    app.add_node(HideCodeCellNode, override=True, html=folded)
