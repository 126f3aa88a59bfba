"""Tables of pandas, as tables of the document.

A cell's result holds the HTML that pandas writes for a notebook. It is read once, into
the nodes of a table, which the HTML translator writes like any other table.
"""

from __future__ import annotations

from bs4 import BeautifulSoup, Tag
from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

SPANS = {"rowspan": "morerows", "colspan": "morecols"}


def read(html: str) -> nodes.table:
    """A table of pandas, as a node."""
    soup = BeautifulSoup(html, "html.parser")
    parts = [
        kind("", *(_row(row) for row in soup.select(f"{kind.__name__} > tr")))
        for kind in (nodes.thead, nodes.tbody)
    ]
    rows = [row for part in parts for row in part]
    width = max(sum(1 + cell.get("morecols", 0) for cell in row) for row in rows)
    group = nodes.tgroup(cols=width)
    group += [nodes.colspec(colwidth=1) for _ in range(width)]
    group += [part for part in parts if len(part)]
    return nodes.table("", group, classes=["dataframe"])


def _row(row: Tag) -> nodes.row:
    return nodes.row("", *(_entry(cell) for cell in row.select("th, td")))


def _entry(cell: Tag) -> nodes.entry:
    spans = {
        more: int(cell[name]) - 1 for name, more in SPANS.items() if cell.has_attr(name)
    }
    entry = nodes.entry("", nodes.Text(cell.get_text()), **spans)
    if cell.name == "th" and cell.find_parent("tbody"):
        entry["scope"] = "row"
    return entry


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
