"""The directive ``{chapter-map}``: which chapter needs which, as a drawing of links.

Each chapter is a row, in reading order and below the title of its part. A curve joins
it to each chapter that the paragraph "You need ..." near its beginning links to.
Chapters that are needed by a needed chapter are left out, since that curve leads on to
them.
"""

from __future__ import annotations

from html import escape
from itertools import groupby

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from _sphinx.contents import chapters, document, part_titles, short_name
from _sphinx.events import depend_on_all_pages

logger = logging.getLogger(__name__)

#: The words with which the paragraph on what a chapter needs begins.
NEEDS = "You need"
#: In CSS pixels: the whole width, the room for the curves, the height of a row.
WIDTH, CURVES, ROW = 330, 110, 30
#: Where the dots are, on which the curves end.
DOTS = CURVES - 10


class chapter_map(nodes.General, nodes.Element):
    """The place of the map."""


class ChapterMap(SphinxDirective):
    """Mark the place of the map."""

    def run(self) -> list[nodes.Node]:
        depend_on_all_pages(self.env)
        return [chapter_map()]


def needs(env, docname: str) -> set[str]:
    """The chapters before this one that its paragraph "You need ..." links to."""
    before = chapters(env)
    before = set(before[: before.index(docname)])
    for paragraph in document(env, docname).findall(nodes.paragraph):
        if paragraph.astext().startswith(NEEDS):
            links = paragraph.findall(pending_xref)
            return {_page(env, link) for link in links} & before
    logger.warning("no paragraph begins with '%s ...'", NEEDS, location=docname)
    return set()


def _page(env, link: pending_xref) -> str | None:
    """The page that a link leads to, by its name or by a label on it."""
    target, labels = link["reftarget"], env.domaindata["std"]["anonlabels"]
    return labels[target][0] if target in labels else target.removesuffix(".md")


def without_detours(needed: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out each need of a chapter that is also a need of one of its needs.

    Parameters
    ----------
    needed : dict
        What each chapter needs, in reading order.
    """
    all_below: dict[str, set[str]] = {}
    for name, direct in needed.items():
        all_below[name] = direct.union(*(all_below[one] for one in direct))
    return {
        name: direct - set().union(*(all_below[one] for one in direct))
        for name, direct in needed.items()
    }


def label(docname: str) -> str:
    """The name of a chapter in the map: that of its file, in words."""
    return short_name(docname).replace("-", " ").capitalize()


def visit(self, node: chapter_map) -> None:
    env, here = self.builder.env, self.docnames[0]
    names, parts = chapters(env), part_titles(env)
    needed = without_detours({name: needs(env, name) for name in names})
    rows, at, y = [], {}, 0.0
    for part, group in groupby(names, parts.get):
        y += 1.3 * ROW if at else 0.8 * ROW
        rows.append(f'<text class="part" x="{CURVES}" y="{y:.0f}">{part}</text>\n')
        for name in group:
            y += ROW
            at[name] = y - 5
            before = [label(one) for one in names if one in needed[name]]
            says = f"{env.titles[name].astext()} Needs: {', '.join(before) or 'none'}."
            rows.append(
                f'<a href="{self.builder.get_relative_uri(here, name)}" '
                f'aria-label="{escape(says)}"><circle cx="{DOTS}" cy="{y - 5:.0f}" '
                f'r="4"/><text x="{CURVES}" y="{y:.0f}">{label(name)}</text></a>\n'
            )
    curves = [
        _curve(at[one], at[name]) for name in names for one in sorted(needed[name])
    ]
    self.body.append(
        f'<svg class="chapter-map" viewBox="0 0 {WIDTH} {y + 12:.0f}" '
        f'width="{WIDTH}" role="group" aria-label="Map of the chapters">\n'
        f"{''.join(curves)}{''.join(rows)}</svg>\n"
    )
    raise nodes.SkipNode


def _curve(top: float, bottom: float) -> str:
    """A curve between two rows, further to the left the more rows are between."""
    reach = max(2, DOTS - 12 - (bottom - top) / 3)
    return (
        f'<path d="M{DOTS} {top:.0f}C{reach:.0f} {top:.0f} {reach:.0f} {bottom:.0f} '
        f'{DOTS} {bottom:.0f}"/>\n'
    )


def setup(app: Sphinx) -> None:
    app.add_node(chapter_map, html=(visit, None))
    app.add_directive("chapter-map", ChapterMap)
