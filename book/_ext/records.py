"""Read what `pooling.check` and `pooling.glue` left in an executed chapter."""

from __future__ import annotations

from pathlib import Path

from jupyter_cache import get_cache
from myst_nb.core.config import NbParserConfig
from myst_nb.core.read import create_nb_reader
from myst_parser.config.main import MdParserConfig

from pooling import _glue, diagnostics


def executed(root: Path, docname: str, cache_path: Path | None = None):
    """The executed notebook of a chapter, from the cache that a build left.

    Raises
    ------
    LookupError
        If the chapter has not been run since it, the module or the data changed.
    """
    # Imported here: the build imports this module, and that one imports Sphinx.
    from side_by_side import ingredients_digest

    path = root / f"{docname}.md"
    content = path.read_text(encoding="utf-8")
    config = MdParserConfig(enable_extensions={"colon_fence", "dollarmath"})
    reader = create_nb_reader(str(path), config, NbParserConfig(), content)
    if cache_path is None:
        cache_path = root / "_build" / ".cache" / ingredients_digest(root)
    try:
        notebook = reader.read(content)
        return get_cache(str(cache_path)).merge_match_into_notebook(notebook)[1]
    except KeyError:
        raise LookupError(f"{docname} has not been run: `make book` first") from None


def _outputs(notebook):
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def fits(notebook) -> list[dict]:
    """The records of `pooling.check`, in the order of the chapter."""
    return [
        output["metadata"][diagnostics.RECORD]
        for output in _outputs(notebook)
        if diagnostics.RECORD in output.get("metadata", {})
    ]


def glued(notebook) -> dict[str, dict]:
    """The records of `pooling.glue`, by key."""
    found = (output.get("data", {}).get(_glue.RECORD) for output in _outputs(notebook))
    return {record["key"]: record for record in found if record}
