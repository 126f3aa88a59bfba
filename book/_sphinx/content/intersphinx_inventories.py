"""Links to the reference pages of PyMC and ArviZ, without asking them at build time.

Sphinx looks names up in an inventory of a project's pages. The projects publish theirs
on the web alone; ours, in the folder ``inventories``, are written by running this file
as a script, and hold the names that the book uses, where the projects' own
documentation is known to have a page of that name. A name is added to
`PAGES` once its page has been seen; the command refuses one that is not installed.
"""

from __future__ import annotations

import importlib
from pathlib import Path
import zlib

from sphinx.application import Sphinx

FOLDER = Path(__file__).with_name("inventories")
#: Project -> the address of its reference, and its names: kind, names, page.
PAGES = {
    "pymc": (
        "https://www.pymc.io/projects/docs/en/stable/",
        [
            (
                "class",
                "Beta Binomial Flat HalfCauchy HalfFlat HalfNormal InverseGamma Normal "
                "StudentT",
                "api/distributions/generated/pymc.{}.html",
            ),
            ("function", "Data find_MAP sample", "api/generated/pymc.{}.html"),
            ("class", "Model", "api/model/generated/pymc.model.core.{}.html"),
            (
                "function",
                "Deterministic set_data",
                "api/model/generated/pymc.model.core.{}.html",
            ),
        ],
    ),
    "arviz_stats": (
        "https://python.arviz.org/projects/stats/en/stable/",
        [
            (
                "function",
                "ess mcse rhat summary",
                "api/generated/arviz_stats.{}.html",
            )
        ],
    ),
}


def entries(project: str) -> dict[str, tuple[str, str]]:
    """Every name of a project, with its kind and its page."""
    return {
        f"{project}.{name}": (kind, page.format(name))
        for kind, names, page in PAGES[project][1]
        for name in names.split()
    }


def inventory(project: str) -> bytes:
    """The names of a project in the format that Sphinx reads."""
    head = (
        "# Sphinx inventory version 2\n"
        f"# Project: {project}\n"
        "# Version: stable\n"
        "# The remainder of this file is compressed using zlib.\n"
    )
    lines = (
        f"{name} py:{kind} 1 {page} -\n"
        for name, (kind, page) in sorted(entries(project).items())
    )
    return head.encode() + zlib.compress("".join(lines).encode(), 9)


def make() -> None:
    """Write the inventories anew."""
    FOLDER.mkdir(exist_ok=True)
    for project in PAGES:
        module = importlib.import_module(project)
        for name in entries(project):
            getattr(module, name.removeprefix(f"{project}."))
        (FOLDER / f"{project}.inv").write_bytes(inventory(project))


def use(app: Sphinx, config) -> None:
    """Tell Sphinx where the pages are, and the inventories."""
    config.intersphinx_mapping = {
        project: (address, str(FOLDER / f"{project}.inv"))
        for project, (address, _) in PAGES.items()
    }


def setup(app: Sphinx) -> None:
    app.setup_extension("sphinx.ext.intersphinx")
    # Before intersphinx looks at it.
    app.connect("config-inited", use, priority=400)


if __name__ == "__main__":
    make()
