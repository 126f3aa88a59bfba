"""Write the inventories by which the book links PyMC's and ArviZ's documentation.

Run it as ``python tools/intersphinx_inventories.py``. Sphinx looks names up in an
inventory of a project's pages. The projects publish theirs on the web alone, and a
build fetches nothing, so ours hold the names that the book uses. Add a name to `PAGES`
once you have seen its page; a name that the installed package lacks is refused.
``intersphinx_mapping`` in ``_config.yml`` has the addresses to which pages belong.
"""

from __future__ import annotations

import importlib
from pathlib import Path
import zlib

FOLDER = Path(__file__).parents[1] / "book/_sphinx/content/inventories"
#: Project -> its names: kind, names, page.
PAGES = {
    "pymc": [
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
    "arviz_stats": [
        ("function", "ess mcse rhat summary", "api/generated/arviz_stats.{}.html"),
    ],
}
HEAD = """\
# Sphinx inventory version 2
# Project: {project}
# Version: stable
# The remainder of this file is compressed using zlib.
"""


def entries(project: str) -> dict[str, tuple[str, str]]:
    """Every name of a project, with its kind and its page."""
    return {
        f"{project}.{name}": (kind, page.format(name))
        for kind, names, page in PAGES[project]
        for name in names.split()
    }


def inventory(project: str) -> bytes:
    """The names of a project in the format that Sphinx reads.

    Raises
    ------
    AttributeError
        If the installed project does not have one of them.
    """
    module = importlib.import_module(project)
    lines = []
    for name, (kind, page) in sorted(entries(project).items()):
        getattr(module, name.removeprefix(f"{project}."))
        lines.append(f"{name} py:{kind} 1 {page} -\n")
    head = HEAD.format(project=project).encode()
    return head + zlib.compress("".join(lines).encode(), 9)


if __name__ == "__main__":
    for project in PAGES:
        (FOLDER / f"{project}.inv").write_bytes(inventory(project))
