"""The page: a theme over Sphinx's basic one.

The templates in this folder write a page, with one style sheet and one script of ours
(``static``); `html_translator` writes what is in its article. A part of the extension
that has something to add to a page appends to these lists of the template's context:

``page_stylesheets``
    paths, seen from the root of the site, of style sheets that this page needs;
``later_stylesheets``, ``later_scripts``
    the same, of files that are loaded once a reader does something with the page, or
    a few seconds after it has come (see ``book.js``);
``downloads``
    ``{"path": ..., "text": ...}`` for the menu of downloads, seen from the root;
``page_links``
    ``{"url": ..., "text": ...}`` for links in the header: the repository, Colab.
"""

from __future__ import annotations

from base64 import b64encode
import hashlib
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.highlighting import PygmentsBridge

from _theme.dataframe_tables import DataFrameTables
from _theme.html_translator import HtmlTranslator, add_nodes
from _theme.pygments_formatter import CoarseHtmlFormatter
from pooling._palette import PALETTE

FOLDER = Path(__file__).parent
LISTS = (
    "page_stylesheets", "later_stylesheets", "later_scripts", "downloads", "page_links",
)
#: Run before the page is shown; the one script that stands in the page itself.
ARRIVAL = (FOLDER / "arrival.js").read_text(encoding="utf-8")


def content_security_policy(inline_script: str) -> str:
    """What a page may load: its own site's files, and this one script inside it.

    Styles may stand in a page, since KaTeX places the parts of a formula with them.
    Python for live cells is loaded by a worker, which is under the policy of the
    worker's own file and not under the page's.
    """
    digest = b64encode(hashlib.sha256(inline_script.encode()).digest()).decode()
    return "; ".join(
        [
            "default-src 'self'",
            f"script-src 'self' 'sha256-{digest}'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ]
    )


def palette_variables() -> str:
    """The colours of the figures as CSS declarations, for light and dark."""
    return "\n".join(
        f"  --{name}: light-dark({light}, {dark});"
        for name, (light, dark) in PALETTE.items()
    )


def version() -> str:
    """A digest of all that shapes a page besides its text."""
    digest = hashlib.sha256(palette_variables().encode())
    for file in sorted(FOLDER.rglob("*")):
        if file.is_file() and file.suffix != ".pyc":
            digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


def add_context(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Give the templates what they need, and the lists that others append to."""
    for name in LISTS:
        context.setdefault(name, [])
    context["arrival"] = ARRIVAL
    context["content_security_policy"] = content_security_policy(ARRIVAL)
    context["theme_version"] = app.config.book_theme_version


def add_html_context(app: Sphinx, config) -> None:
    """Values for all templates, that of the style sheet among them."""
    config.html_context["palette_variables"] = palette_variables()
    config.html_context["author"] = config.author


def setup(app: Sphinx) -> None:
    app.add_html_theme("book", str(FOLDER))
    app.set_translator("html", HtmlTranslator)
    add_nodes(app)
    app.add_post_transform(DataFrameTables)
    PygmentsBridge.html_formatter = CoarseHtmlFormatter
    # Sphinx writes the pages and copies the files again when this changes.
    app.add_config_value("book_theme_version", version(), "html", types=[str])
    app.connect("config-inited", add_html_context)
    # Before all others, which append to the lists.
    app.connect("html-page-context", add_context, priority=1)
