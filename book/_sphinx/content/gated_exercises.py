"""Mend sphinx-exercise: a page with gated exercises can be read a second time.

sphinx-exercise (1.2.1, the newest in 2026) notes where the gates of a page are, and
keeps these notes when the page is read again: an error in the gates of a page would
stay after it has been corrected.
"""

from __future__ import annotations

from sphinx.application import Sphinx


def forget(app: Sphinx, env, docname: str) -> None:
    """Drop the gates of a page that is about to be read, or is gone."""
    getattr(env, "sphinx_exercise_gated_registry", {}).pop(docname, None)


def setup(app: Sphinx) -> None:
    app.connect("env-purge-doc", forget)
