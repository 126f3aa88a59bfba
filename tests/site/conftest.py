"""The built site, served from this machine to one browser."""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import os
from pathlib import Path
import sys
import threading
from urllib.parse import unquote, urlsplit

from playwright.sync_api import sync_playwright
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from built import SITE, SOURCES, pages, root
import chromium

#: Width and height of the windows that pages are looked at in.
WINDOWS = {"wide": (1280, 900), "phone": (390, 844)}
#: Where the site is on its host.
ROOT = root()
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


def inside(path: str) -> str:
    """A path on the host, as seen from the root of the site."""
    return "/" + path.removeprefix(ROOT).lstrip("/")


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
    as_root = hasattr(os, "geteuid") and os.geteuid() == 0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=FLAGS + ["--no-sandbox"] * as_root
        )
        yield browser
        browser.close()


class Visit:
    """A page in a window, and what went wrong or went out while it was open."""

    def __init__(self, page, server):
        self.page, self.server = page, server
        self.errors: list[str] = []
        self.outside: list[str] = []
        #: The files of the site that came.
        self.loaded: set[str] = set()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)

    def _console(self, message):
        # A browser asks for this by itself, of a page that only leads to another.
        if message.location.get("url", "").endswith("/favicon.ico"):
            return
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.type}: {message.text}")

    def _request(self, request):
        if not request.url.startswith((self.server + "/", "data:", "blob:")):
            self.outside.append(request.url)

    def _response(self, response):
        if response.url.startswith(self.server + "/"):
            self.loaded.add(inside(unquote(urlsplit(response.url).path)).lstrip("/"))
        if response.status >= 400 and not response.url.endswith("/favicon.ico"):
            self.errors.append(f"{response.status}: {response.url}")

    def open(self, path: str):
        """Load a page of the site, and wait until it asks for nothing more."""
        self.page.goto(f"{self.server}/{path}", wait_until="load")
        self.page.wait_for_load_state("networkidle")
        return self.page


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
