"""The directive ``{explorable}``: an interactive figure.

Its argument is the name of a custom element, which is also the name of two files in
``book/explorables``: ``<name>.js`` is the module that draws it, and the site has it as
one script (see ``javascript_bundle.py``); what the function ``data`` of ``<name>.py``
returns is written into the page as JSON, for the figure to start from. The option
``alt`` describes the figure to readers who do not see it; the body is its caption. A
page without an explorable loads neither script nor style.
"""

from __future__ import annotations

import html
from pathlib import Path
import runpy

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from _sphinx.content.javascript_bundle import bundle
from _sphinx.events import when_html_is_built
from _theme.html_translator import json_script

#: Where the modules are, and where the site has them, seen from its root.
MODULES = Path(__file__).resolve().parents[2] / "explorables"
FOLDER = "explorables"


def names() -> list[str]:
    """The explorables that the book has: those with a file of data."""
    return sorted(file.stem for file in MODULES.glob("*.py"))


def data(name: str) -> dict:
    """What an explorable starts from."""
    return runpy.run_path(str(MODULES / f"{name}.py"))["data"]()


class explorable(nodes.General, nodes.Element):
    """An explorable: its ``name``, ``alt``, ``label`` and ``data``."""


class Explorable(SphinxDirective):
    """A numbered figure with an explorable in the place of an image."""

    required_arguments = 1
    has_content = True
    option_spec = {
        "alt": directives.unchanged_required,
        "label": directives.unchanged_required,
        "name": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        element = self.arguments[0]
        if element not in names():
            known = ", ".join(names())
            raise self.error(f"there is no explorable {element}, only {known}")
        self.env.note_dependency(str(MODULES / f"{element}.py"))
        for option in ("alt", "label", "name"):
            if option not in self.options:
                raise self.error(f"an explorable needs its :{option}:")
        if not self.content:
            raise self.error("an explorable needs a caption")
        caption = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, caption)
        figure = nodes.figure(classes=["explorable"])
        figure += explorable(
            element=element,
            alt=" ".join(self.options["alt"].split()),
            label=self.options["label"],
            data=data(element),
        )
        figure += nodes.caption("", "", *caption[0].children)
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure]


def visit(self, node: explorable) -> None:
    element, alt = node["element"], html.escape(node["alt"])
    self.body.append(
        f'<{element} label="{html.escape(node["label"])}">'
        f'<p class="explorable-description" id="{element}-description">{alt}</p>'
        '<p class="explorable-off">This figure is interactive once your browser '
        f"has run its script. {alt} The figures of the text above and below show "
        "the same without the interaction.</p>"
        f"{json_script(node['data'])}"
        f"</{element}>"
    )
    raise nodes.SkipNode


def load(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Style and scripts, in the head of the pages that have an explorable."""
    if doctree is None:
        return
    elements = sorted({node["element"] for node in doctree.findall(explorable)})
    if not elements:
        return
    context["later_stylesheets"].append(f"{FOLDER}/explorables.css")
    context["later_scripts"] += [f"{FOLDER}/{element}.js" for element in elements]


def copy(app: Sphinx) -> None:
    """Write the style sheet, and one script for each explorable."""
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    files = {f"{name}.js": bundle(MODULES / f"{name}.js") for name in names()}
    sheets = MODULES.glob("*.css")
    files |= {sheet.name: sheet.read_text(encoding="utf-8") for sheet in sheets}
    for old in folder.iterdir():
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.add_node(explorable, html=(visit, None))
    app.add_directive("explorable", Explorable)
    app.connect("html-page-context", load)
    when_html_is_built(app, copy)
