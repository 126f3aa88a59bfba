"""Links to the repository that hosts the build, and to none otherwise.

The address comes from the environment of the GitHub workflow that builds the book:
a fork gets its own links, a build at home gets none.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from sphinx.application import Sphinx

#: The branch with the notebooks and their wheel.
BRANCH = "notebooks"


def repository(environ=os.environ) -> dict[str, str]:
    """Address and branch of the hosting repository; empty where there is none."""
    variables = "GITHUB_SERVER_URL", "GITHUB_REPOSITORY", "GITHUB_REF_NAME"
    server, name, branch = map(environ.get, variables)
    known = server and name and branch
    return {"url": f"{server}/{name}", "branch": branch} if known else {}


def github(environ=os.environ) -> str:
    """Owner and name of the repository, where the service is GitHub's own."""
    host = urlsplit(environ.get("GITHUB_SERVER_URL", "")).hostname
    return environ.get("GITHUB_REPOSITORY", "") if host == "github.com" else ""


def site(environ=os.environ) -> str:
    """Address of the site from BOOK_URL, with a slash at its end; empty without it."""
    found = environ.get("BOOK_URL", "")
    return found and found.rstrip("/") + "/"


def files(environ=os.environ) -> str:
    """Address of the folder with the notebooks' wheel; empty where there is none.

    The site's, or else that of the branch to which the workflow publishes the
    notebooks, since Colab opens them from a branch alone.
    """
    if found := site(environ):
        return f"{found}notebooks"
    return f"{repository(environ)['url']}/raw/{BRANCH}" if github(environ) else ""


def add_links(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Link the repository, the page's source and its issues, where there are any."""
    found = repository()
    if not found:
        return
    url, branch = found["url"], found["branch"]
    links = {url: "Repository"}
    if doctree is not None:
        source = f"{pagename}{context['page_source_suffix']}"
        links[f"{url}/edit/{branch}/{source}"] = "Suggest an edit"
    links[f"{url}/issues/new"] = "Open an issue"
    context["page_links"] += [{"url": a, "text": text} for a, text in links.items()]


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", add_links)
