"""The cache of executed chapters: what it is keyed by, and how it is read.

Importing this module makes jupyter-cache compare code alone. It would compare a
cell's metadata too, which here hold captions and alternative texts: prose, whose
change runs nothing, and which must come from the page, not from the cache.
"""

from __future__ import annotations

from functools import partialmethod
from pathlib import Path
import sys

from jupyter_cache import get_cache
from jupyter_cache.cache.main import JupyterCacheBase

from _sphinx.files import digest
from _sphinx.requirements import PROJECT, pinned

#: What a chapter's results depend on besides its own code.
INGREDIENTS = (
    "code/**/*.py",
    "code/**/*.mplstyle",
    "data/*.csv*",
    "book/_sphinx/executing/kernel_profile/*.py",
)
#: And the pinned versions of these packages, and of all that they require. Other
#: packages of the pinned set make pages, and compute nothing.
PACKAGES = (PROJECT, "ipykernel")
#: The folder of all caches, below the folder of the build.
FOLDER = ".cache"

# A cell's tags can say that it is to raise, or not to be run.
JupyterCacheBase.create_hashed_notebook = partialmethod(
    JupyterCacheBase.create_hashed_notebook, cell_metadata=("tags",)
)
JupyterCacheBase.merge_match_into_notebook = partialmethod(
    JupyterCacheBase.merge_match_into_notebook, cell_meta=()
)


def ingredients_digest(root: Path) -> str:
    """A name for the module, the data, the packages and the Python in use."""
    versions = [f"{sys.version_info[:2]}", *pinned(root, *PACKAGES).values()]
    files = [file for pattern in INGREDIENTS for file in root.glob(pattern)]
    contents = {file.relative_to(root).as_posix(): file.read_bytes() for file in files}
    return digest(contents | {"": "\n".join(versions).encode()})


def with_outputs(notebook, cache: Path):
    """A notebook with its outputs from the cache.

    Raises
    ------
    LookupError
        If it has not been run since its code, the module or the data changed.
    """
    # Jupyter-cache would make a cache where there is none.
    if cache.is_dir():
        try:
            return get_cache(str(cache)).merge_match_into_notebook(notebook)[1]
        except KeyError:
            pass
    raise LookupError("not run yet: `make book` runs it")
