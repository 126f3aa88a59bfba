"""Complete Sphinx's index for the search, where a build writes some pages alone.

The page of results is ``search.html`` in the theme, and its script ``search.js``.
"""

from __future__ import annotations

from sphinx.application import Sphinx

from _sphinx.contents import document


def index_other_pages(app: Sphinx) -> list:
    """Index the pages that this build has not written.

    Sphinx collects their terms in its environment after it has saved it; without
    this, the search of a second build would not have those of the first.
    """
    indexer = getattr(app.builder, "indexer", None)
    if indexer is not None:
        for docname in sorted(app.env.found_docs - set(indexer._index_entries)):
            title = app.env.titles[docname].astext()
            app.builder.index_page(docname, document(app.env, docname), title)
    return []


def setup(app: Sphinx) -> None:
    # The last event before Sphinx writes the search index.
    app.connect("html-collect-pages", index_other_pages)
