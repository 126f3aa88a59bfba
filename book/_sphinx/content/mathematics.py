"""Render formulas with KaTeX at build time, so that a page needs no script for them.

KaTeX (MIT licence, in ``katex/``) runs in the V8 engine that the package mini-racer
contains, without Node.js. It writes HTML to be seen, and MathML for screen readers. A
formula that it cannot render fails the build.
"""

from __future__ import annotations

from functools import cache
from html import escape
import json
from pathlib import Path

from docutils import nodes
from py_mini_racer import JSEvalException, MiniRacer
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)

KATEX = Path(__file__).parent / "katex" / "katex.min.js"


@cache
def _engine() -> MiniRacer:
    engine = MiniRacer()
    engine.eval(KATEX.read_text(encoding="utf-8"))
    return engine


@cache
def render(formula: str, display: bool, output: str = "htmlAndMathml") -> str:
    """A formula as HTML, with MathML for screen readers unless `output` is "html".

    Raises
    ------
    ValueError
        If KaTeX cannot render it, or knows that LaTeX could not.
    """
    options = {
        "displayMode": display,
        "output": output,
        "strict": "error",
        "throwOnError": True,
    }
    call = f"katex.renderToString({json.dumps(formula)}, {json.dumps(options)})"
    try:
        return _engine().eval(call)
    except JSEvalException as error:
        raise ValueError(str(error).strip().splitlines()[0]) from error


def _html(self, node: nodes.Element, formula: str, display: bool) -> str:
    """The rendered formula; where that fails, its source and a warning."""
    try:
        if self.builder.name != "print":
            return render(formula, display)
        # A PDF has no MathML: its readers hear the TeX.
        said, shown = escape(formula), render(formula, display, "html")
        return f'<span role="img" aria-label="{said}">{shown}</span>'
    except ValueError as error:
        logger.warning("%s in the formula %s", error, formula, location=node)
        return f"<code>{escape(formula)}</code>"


def close(app: Sphinx, exception) -> None:
    """Stop the engine, whose thread would keep the process alive."""
    if _engine.cache_info().currsize:
        _engine().close()
        _engine.cache_clear()


def visit_math(self, node: nodes.math) -> None:
    formula = _html(self, node, node.astext(), False)
    self.body.append(f'<span class="math">{formula}</span>')
    raise nodes.SkipNode


def visit_displaymath(self, node: nodes.math_block) -> None:
    formula = node.astext()
    # Sphinx wraps several lines of its own in an environment; so do we.
    if "\\\\" in formula and "\\begin" not in formula:
        formula = f"\\begin{{aligned}}{formula}\\end{{aligned}}"
    self.body.append(self.starttag(node, "div", CLASS="math-block"))
    self.body.append(_html(self, node, formula, True))
    if node["number"]:
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def ask_for_style(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Ask for KaTeX's style sheet on the pages that have a formula."""
    if doctree is not None and any(
        doctree.findall(lambda n: isinstance(n, (nodes.math, nodes.math_block)))
    ):
        context["has_formulas"] = True


def setup(app: Sphinx) -> None:
    app.add_html_math_renderer(
        "katex", (visit_math, None), (visit_displaymath, None)
    )
    app.connect("html-page-context", ask_for_style)
    app.connect("build-finished", close)
