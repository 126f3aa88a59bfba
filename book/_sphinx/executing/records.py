"""Read what the functions of `pooling` left in an executed chapter."""

from __future__ import annotations

from pooling import _records


def alone(notebook):
    """The notebook, from which all outputs are taken that hold no record."""
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [output for output in cell.outputs if _is_record(output)]
    return notebook


def _is_record(output) -> bool:
    return _records.FIT in output.get("metadata", {}) or any(
        kind.startswith(_records.PREFIX) for kind in output.get("data", {})
    )


def _outputs(notebook):
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def fits(notebook) -> list[dict]:
    """The records of `pooling.check`, in the order of the chapter."""
    return [
        output["metadata"][_records.FIT]
        for output in _outputs(notebook)
        if _records.FIT in output.get("metadata", {})
    ]


def glued(notebook) -> dict[str, dict]:
    """The records of `pooling.glue`, by key."""
    found = _data(notebook, _records.GLUED)
    return {record["key"]: record for record in found}


def exercises(notebook) -> dict[str, dict]:
    """The records of `pooling.exercises.expect`, by label."""
    found = _data(notebook, _records.EXERCISE)
    return {record["label"]: record for record in found}


def models(notebook) -> list[dict]:
    """The records of `pooling.models.describe`, in the order of the chapter."""
    return _data(notebook, _records.MODEL)


def _data(notebook, kind: str) -> list[dict]:
    found = (output.get("data", {}).get(kind) for output in _outputs(notebook))
    return [record for record in found if record]
