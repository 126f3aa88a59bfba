"""The built site, served from this machine to one browser."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import os
from pathlib import Path
import threading

from playwright.sync_api import sync_playwright
import pytest

from _sphinx.downloads import chromium
from built import SITE, SOURCES, pages
from visits import WINDOWS, Visit, inside

FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    # Whatever a page asks for elsewhere fails at once, instead of after a while.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]


def pytest_generate_tests(metafunc):
    if "page_path" in metafunc.fixturenames:
        metafunc.parametrize("page_path", pages())


@pytest.fixture(scope="session")
def site() -> Path:
    """The folder of the site."""
    if not (SITE / "index.html").exists():
        pytest.fail(f"there is no site in {SITE}: `make book` first")
    return SITE


class _Quiet(SimpleHTTPRequestHandler):
    """A host as static hosts are, at its root and at the site's own path."""

    def translate_path(self, path):
        # The explorables' modules, to ask one alone: the site has them in one script.
        if path.startswith("/modules/"):
            name = path.partition("?")[0].rsplit("/", 1)[-1]
            return str(SOURCES / "book" / "explorables" / name)
        return super().translate_path(inside(path))

    def send_error(self, code, *arguments):
        lost = SITE / "404.html"
        if code != 404 or not lost.is_file():
            super().send_error(code, *arguments)
            return
        self.send_response(code)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(lost.read_bytes())

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="session")
def server(site):
    """The address of the site, without a slash at its end."""
    handler = partial(_Quiet, directory=str(site))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests."""
    path = chromium.find()
    if path is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(chromium.HOW)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=FLAGS + chromium.flags()
        )
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def window(browser, server):
    """A context manager: a fresh page in a window of that name and colour scheme."""
    contexts = {}

    @contextmanager
    def visit(name="wide", scheme="light"):
        if (name, scheme) not in contexts:
            width, height = WINDOWS[name]
            contexts[name, scheme] = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme
            )
            contexts[name, scheme].grant_permissions(
                ["clipboard-read", "clipboard-write"], origin=server
            )
        page = contexts[name, scheme].new_page()
        page.set_default_timeout(15_000)
        yield Visit(page, server)
        page.close()

    return visit
