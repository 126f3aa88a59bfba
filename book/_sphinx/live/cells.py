"""Link the script and the style sheet of live cells on pages that show code."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset

from _sphinx.events import when_html_is_built

#: Where the scripts are, and where the site has them, seen from its root.
SCRIPTS = Path(__file__).resolve().parents[2] / "live"
FOLDER = "live"


def shown(document: nodes.document):
    """The code cells whose source the page shows."""
    for node in document.findall(nodes.container):
        if node.get("nb_element") == "cell_code" and any(
            part.get("nb_element") == "cell_code_source"
            for part in node.findall(nodes.container)
        ):
            yield node


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
    app.connect("html-page-context", load)
    when_html_is_built(app, copy)
