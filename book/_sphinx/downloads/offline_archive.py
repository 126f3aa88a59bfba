"""The book to take away: one archive of the site, and the PDF where there is one.

``borrowing-strength.zip`` holds every page as it is: unpacked, it is read without a
network or a server. ``make pdf`` leaves the book in print beside the folder of the
pages (see ``pdf.py``); once it is there, a build copies it into the site. Every
page offers both in its header.
"""

from __future__ import annotations

from pathlib import Path
import shutil

from sphinx.application import Sphinx

from _sphinx.events import when_html_is_built
from _sphinx.files import write_zip

NAME = "borrowing-strength"
ARCHIVE = f"{NAME}.zip"
#: In the site, and where `make pdf` leaves it, seen from the folder of the pages.
PDF = f"{NAME}.pdf"
PRINTED = Path("..", "pdf", PDF)
#: Python for the browser: hundreds of megabytes, and of no use without a server; and
#: what only a host shows.
LEFT_OUT = ("live/pyodide/*", "404.html")


def look(app: Sphinx, config) -> None:
    """See whether there is a PDF: the pages are written anew when that changes."""
    config.pdf_is_there = (Path(app.outdir) / PRINTED).is_file()


def write(app: Sphinx) -> None:
    """The PDF's copy, and then the archive, of all that the build has written."""
    out = Path(app.outdir)
    if app.config.pdf_is_there:
        shutil.copyfile(out / PRINTED, out / PDF)
    else:
        (out / PDF).unlink(missing_ok=True)
    pack(out, out / ARCHIVE)


def pack(site: Path, archive: Path) -> None:
    """One archive with one folder in it; the same content gives the same bytes."""
    files = {
        f"{NAME}/{path.relative_to(site).as_posix()}": path.read_bytes()
        for path in site.rglob("*")
        if path.is_file()
        and path != site / ARCHIVE
        and not path.name.startswith(".")
        and not any(path.relative_to(site).match(pattern) for pattern in LEFT_OUT)
    }
    write_zip(archive, files)


def add_buttons(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """The whole book, in the menu of downloads."""
    if doctree is None:
        return
    links = [{"path": ARCHIVE, "text": "The book, to read offline (zip)"}]
    if app.config.pdf_is_there:
        links.append({"path": PDF, "text": "The book in print (PDF)"})
    context["downloads"] += links


def setup(app: Sphinx) -> None:
    app.add_config_value("pdf_is_there", False, "html", bool)
    app.connect("config-inited", look)
    # After the notebooks' own menu.
    app.connect("html-page-context", add_buttons)
    # After all that write anything when the build is finished.
    when_html_is_built(app, write)
