"""The directive ``{fits-table}``: the diagnostics of every fit of the book.

They come from the records that `pooling.check` has left in the executed chapters.
"""

from __future__ import annotations

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from _sphinx.content.data_cards import table
from _sphinx.contents import pages
from _sphinx.events import depend_on_all_pages
from _sphinx.executing import records
from _sphinx.executing.parallel import executed

COLUMNS = (
    "Fit",
    "Sampler",
    "Chains × draws",
    "R-hat",
    "Bulk ESS",
    "Tail ESS",
    "Divergences",
    "Tree depth",
    "E-BFMI",
    "Verdict",
)


class FitsTable(SphinxDirective):
    """One table for each chapter with a fit, in the order of the book."""

    def run(self) -> list[nodes.Node]:
        depend_on_all_pages(self.env)
        sections = []
        for docname in pages(self.env):
            notebook = executed(self.env, docname)
            if fits := notebook and records.fits(notebook):
                sections += self._section(docname, fits)
        return sections

    def _section(self, docname: str, fits: list[dict]) -> list[nodes.Node]:
        rows = table(COLUMNS, [cells(fit) for fit in fits])
        # A reference, since the chapter's title may not have been read yet.
        text = f"**{{doc}}`/{docname}`**\n\n{rows}"
        heading, found = self.parse_text_to_nodes(text)
        heading["classes"], found["classes"] = ["fits-chapter"], ["fits"]
        return [heading, found]


def cells(fit: dict) -> tuple[str, ...]:
    """The printed form of a record of `pooling.check`."""
    return (
        fit["name"] or "—",
        fit["sampler"],
        f"{fit['chains']} × {fit['draws']:,}",
        f"{fit['rhat']:.3f}",
        f"{fit['ess_bulk']:,.0f}",
        f"{fit['ess_tail']:,.0f}",
        _or_dash(fit["divergences"], ","),
        _or_dash(fit["treedepth"], ".0%"),
        _or_dash(fit["ebfmi"], ".2f"),
        verdict(fit),
    )


def verdict(fit: dict) -> str:
    """Whether a fit is sound, or how it fails as it should."""
    failures = ", ".join(fit["failures"])
    return f"fails as it should: {failures}" if fit["expect"] else "sound"


def _or_dash(number: float | None, form: str) -> str:
    """A number, or a dash where the fit does not record it."""
    return "—" if number is None else format(number, form)


def setup(app: Sphinx) -> None:
    app.add_directive("fits-table", FitsTable)
