"""Records that a chapter's cells leave in their outputs for the book's build."""

from __future__ import annotations

import sys

#: With this prefix, papermill's convention, a notebook keeps an output without showing
#: it, and myst-nb finds it.
PREFIX = "application/papermill.record/"
#: The diagnostics of a fit, from `pooling.check`.
FIT = "pooling.fit"
#: A number for the text, from `pooling.glue`.
GLUED = PREFIX + "vnd.pooling.glue+json"
#: The answers of an exercise, from `pooling.exercises.expect`.
EXERCISE = PREFIX + "vnd.pooling.exercise+json"
#: A model, from `pooling.models.describe`.
MODEL = PREFIX + "vnd.pooling.model+json"


def leave(data: dict, metadata: dict | None = None) -> bool:
    """Display a record under its type; False, and nothing, outside of a notebook."""
    shell = sys.modules.get("IPython")
    if shell is None or shell.get_ipython() is None:
        return False
    shell.display.display(data, metadata=metadata, raw=True)
    return True


def name_of(value, frame) -> str | None:
    """What the caller's namespace calls this object."""
    for namespace in (frame.f_locals, frame.f_globals):
        for name, found in namespace.items():
            if found is value and not name.startswith("_"):
                return name
    return None
