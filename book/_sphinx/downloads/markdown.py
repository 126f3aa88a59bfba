"""Write a page, once Sphinx has resolved it, as Markdown that any notebook shows.

References, citations, terms and glued numbers are text by then. What is left is a
small vocabulary of nodes; one that is not in it fails the build.
"""

from __future__ import annotations

from collections.abc import Callable
import re

from docutils import nodes
from sphinx.addnodes import index, number_reference

#: Nodes that a notebook has no use for: what cells put out, it puts out itself.
LEFT_OUT = (
    nodes.target,
    nodes.comment,
    nodes.raw,
    nodes.system_message,
    nodes.image,
    nodes.meta,
    index,
)

_SPECIAL = re.compile(r"([\\`*_$])")


class Markdown:
    """Writes nodes as Markdown.

    Parameters
    ----------
    address : callable
        From a reference node to its absolute address, or None where there is
        none: then the words stand for themselves.
    """

    def __init__(self, address: Callable[[nodes.reference], str | None]):
        self.address = address

    def blocks(self, node: nodes.Element, level: int = 1) -> list[str]:
        """The children of a node, each a block; `level` is that of a title."""
        found = [self.block(child, level) for child in node.children]
        return [text for text in found if text]

    def block(self, node: nodes.Node, level: int = 1) -> str:
        """A paragraph, a list, a formula, a table, …"""
        if isinstance(node, LEFT_OUT):
            return ""
        if isinstance(node, nodes.title):
            return f"{'#' * level} {self.inline(node)}"
        if isinstance(node, nodes.paragraph):
            return _escape_block_start(self.inline(node))
        if isinstance(node, nodes.math_block):
            return formula(node)
        if isinstance(node, nodes.literal_block):
            return f"```{_language(node)}\n{node.astext()}\n```"
        if isinstance(node, nodes.bullet_list):
            return self._list(node, lambda number: "- ")
        if isinstance(node, nodes.enumerated_list):
            first = node.get("start", 1)
            return self._list(node, lambda number: f"{first + number}. ")
        if isinstance(node, nodes.table):
            return self._table(node)
        if isinstance(node, nodes.admonition):
            title, *body = node.children
            text = "\n\n".join(filter(None, (self.block(child) for child in body)))
            return _indented(f"**{self.inline(title)}.** {text}", "> ", "> ")
        if isinstance(node, nodes.block_quote):
            return _indented("\n\n".join(self.blocks(node)), "> ", "> ")
        if isinstance(node, (nodes.container, nodes.compound)):
            return "\n\n".join(self.blocks(node, level))
        raise NotImplementedError(f"{type(node).__name__} has no Markdown yet: {node}")

    def inline(self, node: nodes.Element) -> str:
        """The words of a node, on one line."""
        return "".join(self._inline(child) for child in node.children).strip()

    def _inline(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text):
            # A line break means nothing here; a blank beside a word does.
            text = _SPECIAL.sub(r"\\\1", node.astext().replace("\n", " "))
            return text.replace("<", "&lt;")
        if isinstance(node, nodes.math):
            return f"${' '.join(node.astext().split())}$"
        if isinstance(node, nodes.literal):
            text = node.astext()
            return f"`` {text} ``" if "`" in text else f"`{text}`"
        if isinstance(node, LEFT_OUT):
            return ""
        words = "".join(self._inline(child) for child in node.children)
        if isinstance(node, nodes.emphasis):
            return f"*{words}*"
        if isinstance(node, nodes.strong):
            return f"**{words}**"
        if isinstance(node, (nodes.reference, number_reference)):
            address = self.address(node)
            return f"[{words}]({address})" if address else words
        if isinstance(node, (nodes.inline, nodes.superscript, nodes.subscript)):
            return words
        raise NotImplementedError(f"{type(node).__name__} has no Markdown yet: {node}")

    def _list(self, node: nodes.Element, mark: Callable[[int], str]) -> str:
        items = []
        for number, item in enumerate(node.children):
            text = "\n\n".join(self.blocks(item))
            items.append(_indented(text, mark(number), " " * len(mark(number))))
        return "\n".join(items)

    def _table(self, node: nodes.table) -> str:
        rows = [
            [
                " ".join(self.blocks(entry)).replace("|", r"\|")
                for entry in row.findall(nodes.entry)
            ]
            for row in node.findall(nodes.row)
        ]
        rows.insert(1, ["---"] * len(rows[0]))
        return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def formula(node: nodes.math_block) -> str:
    """A displayed formula, with its number where the page has one."""
    text = "\n".join(line for line in node.astext().strip().splitlines() if line)
    if "\\\\" in text and "\\begin" not in text:
        text = f"\\begin{{aligned}}\n{text}\n\\end{{aligned}}"
    # Only a labelled formula is numbered; the number is set by Sphinx.
    number = rf" \tag{{{node['number']}}}" if node.get("label") else ""
    return f"$$\n{text}{number}\n$$"


def _language(node: nodes.literal_block) -> str:
    language = node.get("language", "")
    return "" if language in ("none", "default") else language


def _escape_block_start(text: str) -> str:
    """Escape what would begin a list, a title or a quotation."""
    return re.sub(r"^(\d*)(#|>|[-+](?= )|(?<=\d)[.)](?= ))", r"\1\\\2", text)


def _indented(text: str, first: str, rest: str) -> str:
    lines = text.splitlines()
    return "\n".join(
        ((first if number == 0 else rest) + line).rstrip()
        for number, line in enumerate(lines)
    )
