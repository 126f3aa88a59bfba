"""Helpers for what several parts do: finish a site, and follow every page's changes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from sphinx.application import Sphinx

from _sphinx.files import digest

#: The code that makes pages.
CODE = ("book/_sphinx/**/*.py", "book/_theme/**/*.py")
#: The key of `env.metadata` for pages that are made of other pages.
MADE_OF_ALL_PAGES = "made_of_all_pages"


def when_html_is_built(app: Sphinx, function: Callable[[Sphinx], None]) -> None:
    """Call ``function(app)`` after the builder ``html`` has written without an error.

    Functions are called in the order in which they are given here.
    """

    def finish(app: Sphinx, exception: Exception | None) -> None:
        if exception is None and app.builder.name == "html":
            function(app)

    app.connect("build-finished", finish)


def depend_on_all_pages(env) -> None:
    """Have the page that is being read, read again whenever any page has changed."""
    env.metadata[env.docname][MADE_OF_ALL_PAGES] = True


def outdated(app: Sphinx, env, added, changed, removed) -> set[str]:
    """The pages that depend on all pages, if any page has changed."""
    if not (added or changed or removed):
        return set()
    pages = {page for page, data in env.metadata.items() if MADE_OF_ALL_PAGES in data}
    return pages & env.found_docs


def digest_of_shared_sources(app: Sphinx, config) -> None:
    """Digest the contents, the bibliography, and the code that makes every page.

    Every page has the navigation, numbers that count from the first chapter, and
    citations. Sphinx reads all pages again when a setting changes that is marked "env".
    """
    root = Path(app.srcdir)
    named = config.external_toc_path, *config.bibtex_bibfiles
    files = [root / name for name in named]
    files += [file for pattern in CODE for file in root.glob(pattern)]
    config.shared_sources = digest(
        {file.relative_to(root).as_posix(): file.read_bytes() for file in files}
    )


def setup(app: Sphinx) -> None:
    app.add_config_value("shared_sources", "", "env")
    app.connect("config-inited", digest_of_shared_sources)
    app.connect("env-get-outdated", outdated)
