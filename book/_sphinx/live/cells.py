"""Live cells: link their script and style sheet, and write a cell's options into it.

Only pages that show a code cell link them. A cell's metadata may have, under ``live``:

``{draws: 500}``
    how many draws each chain takes in the browser, unless the reader asks for all;
``{not: "reason"}``
    that the cell does not run in the browser, and why: the end of the sentence
    "This cell does not run in the page: ...".
"""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.fileutil import copy_asset

from _sphinx.events import when_html_is_built

logger = logging.getLogger(__name__)

#: Where the scripts are, and where the site has them, seen from its root.
SCRIPTS = Path(__file__).resolve().parents[2] / "live"
FOLDER = "live"


def mistake(live) -> str | None:
    """A message about what is wrong with a cell's ``live``, or None."""
    if not isinstance(live, dict) or not live:
        return f"a cell's `live` is a mapping, not {live!r}"
    if unknown := set(live) - {"draws", "not"}:
        return f"a cell's `live` knows draws and not, but no {', '.join(unknown)}"
    draws, reason = live.get("draws", 1), live.get("not", "because")
    if not isinstance(draws, int) or isinstance(draws, bool) or draws < 1:
        return f"`live: draws` is a number of draws above zero, not {draws!r}"
    if not isinstance(reason, str) or not reason.strip():
        return f"`live: not` is the reason in words, not {reason!r}"
    return None


def as_json(data) -> str:
    # Only its end tag ends a script element: data must not hold one.
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")


def shown(document: nodes.document):
    """The code cells whose source the page shows."""
    for node in document.findall(nodes.container):
        if node.get("nb_element") == "cell_code" and any(
            part.get("nb_element") == "cell_code_source"
            for part in node.findall(nodes.container)
        ):
            yield node


class Tell(SphinxPostTransform):
    """Write the options of a cell into its HTML."""

    builders = ("html",)
    # After myst-nb has wrapped hidden cells.
    default_priority = 900

    def run(self, **kwargs) -> None:
        for cell in shown(self.document):
            live = cell["cell_metadata"].get("live")
            if live is None:
                continue
            if wrong := mistake(live):
                logger.warning(wrong, location=cell)
                continue
            script = f'<script type="application/json" data-live>{as_json(live)}'
            cell += nodes.raw("", script + "</script>", format="html")


def load(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Style and script, where there is something to run."""
    if doctree is None or next(shown(doctree), None) is None:
        return
    context["page_stylesheets"].append(f"{FOLDER}/live.css")
    # Not a module: a browser that has the page from a file would not load one, and
    # its reader should be told why nothing runs.
    context["later_scripts"].append(f"{FOLDER}/cells.js")


def copy(app: Sphinx) -> None:
    """Copy the scripts; the Python part goes with the packages (``packages.py``)."""
    target = Path(app.outdir) / FOLDER
    excluded = {"editor", "python"}
    copy_asset(str(SCRIPTS), str(target), lambda path: Path(path).name in excluded)


def setup(app: Sphinx) -> None:
    app.add_post_transform(Tell)
    app.connect("html-page-context", load)
    when_html_is_built(app, copy)
