"""Complete the search index of a build that writes only some pages.

The page of results is ``search.html`` in the theme, and its script ``search.js``.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.util.index_entries import split_index_msg


def add_index_entries(app: Sphinx) -> list:
    """Give the search the index entries of all pages.

    Of pages that this build has not written, Sphinx takes the words from the last
    search index, but not the index entries.
    """
    if indexer := getattr(app.builder, "indexer", None):
        entries = app.env.get_domain("index").entries
        indexer._index_entries.clear()
        for docname in sorted(app.env.found_docs):
            indexer._index_entries[docname] = sorted(
                (term, target, main)
                for kind, value, target, main, _ in entries[docname]
                for term in split_index_msg(kind, value)
            )
    return []


def setup(app: Sphinx) -> None:
    # The last event before Sphinx writes the search index.
    app.connect("html-collect-pages", add_index_entries)
