"""Let a page with gated exercises be read again.

sphinx-exercise notes where the gates of a page stand, and never forgets: after a
second reading the old ones count as well, so that a page once broken stays so.
"""

from __future__ import annotations

from sphinx.application import Sphinx


def forget(app: Sphinx, env, docname: str) -> None:
    """Drop the gates of a page that is about to be read, or is gone."""
    getattr(env, "sphinx_exercise_gated_registry", {}).pop(docname, None)


def setup(app: Sphinx) -> None:
    app.connect("env-purge-doc", forget)
