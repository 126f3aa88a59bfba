"""Tables of pandas, as tables of the document.

A cell's result holds the HTML that pandas writes for a notebook. It is read once, into
the nodes of a table, which the HTML translator writes like any other table.
"""

from __future__ import annotations

from html.parser import HTMLParser

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

SPANS = {"rowspan": "morerows", "colspan": "morecols"}


class TableReader(HTMLParser):
    """Reads the rows of a table, and of which part of it they are."""

    def __init__(self):
        super().__init__()
        self.parts = {"thead": nodes.thead(), "tbody": nodes.tbody()}
        self.part = self.parts["tbody"]
        self.cell: nodes.entry | None = None

    def handle_starttag(self, tag, attrs):
        if tag in self.parts:
            self.part = self.parts[tag]
        elif tag == "tr":
            self.part += nodes.row()
        elif tag in ("th", "td"):
            self.cell = nodes.entry()
            for name, value in attrs:
                if name in SPANS:
                    self.cell[SPANS[name]] = int(value) - 1
            if tag == "th" and self.part is self.parts["tbody"]:
                self.cell["scope"] = "row"
            self.part[-1] += self.cell

    def handle_endtag(self, tag):
        if tag in ("th", "td"):
            self.cell = None

    def handle_data(self, data):
        if self.cell is not None:
            self.cell += nodes.Text(data)


def read(html: str) -> nodes.table:
    """A table of pandas, as a node."""
    reader = TableReader()
    reader.feed(html)
    reader.close()
    head, body = reader.parts.values()
    rows = [*head, *body]
    width = max(sum(1 + cell.get("morecols", 0) for cell in row) for row in rows)
    group = nodes.tgroup(cols=width)
    group += [nodes.colspec(colwidth=1) for _ in range(width)]
    group += [part for part in (head, body) if len(part)]
    return nodes.table("", group, classes=["dataframe"])


class DataFrameTables(SphinxPostTransform):
    """Replace the HTML of each table of pandas by the table."""

    formats = ("html",)
    # After myst-nb has chosen among the forms of a result.
    default_priority = 100

    def run(self, **kwargs) -> None:
        for raw in list(self.document.findall(nodes.raw)):
            if "html" in raw["format"] and 'class="dataframe"' in raw.astext():
                output = nodes.container(classes=raw["classes"])
                output += read(raw.astext())
                raw.replace_self(output)
