"""Check where moved pages lead: the entries of ``redirects`` in ``_config.yml``.

sphinx-reredirects writes the pages at the old addresses, from the template
``moved_page.html`` beside this file. The template keeps the ``#place`` of an old link,
which the package's own would append to a place that the new address has, and it has a
Content-Security-Policy.
"""

from __future__ import annotations

from sphinx.application import Sphinx
from sphinx.errors import ConfigError


def check(app: Sphinx, env) -> None:
    """Refuse a redirect from a page that exists, or to a page that does not.

    Raises
    ------
    sphinx.errors.ConfigError
        If `redirects` has such an entry.
    """
    for old, new in app.config.redirects.items():
        page = new.partition("#")[0]
        target = page.removeprefix("/").removesuffix(".html")
        if not (page.startswith("/") and page.endswith(".html")):
            raise ConfigError(f"redirects: {new} must have the form /folder/page.html")
        if old in env.found_docs:
            raise ConfigError(f"redirects: {old} has not moved: its source is there")
        if target not in env.found_docs:
            raise ConfigError(f"redirects: {old} leads to {target}: it has no source")


def setup(app: Sphinx) -> None:
    app.connect("env-updated", check)
