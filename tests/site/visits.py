"""A page in a window, and what went wrong or went out while it was open."""

from __future__ import annotations

import time
from urllib.parse import unquote, urlsplit

from playwright.sync_api import Error

from built import root

#: Width and height of the windows that pages are looked at in.
WINDOWS = {"wide": (1280, 900), "phone": (390, 844)}
#: Where the site is on its host.
ROOT = root()
#: Seconds until what a page has asked for must have come.
PATIENCE = 15
_FRAMES = """async () => {
    for (let k = 0; k < 2; k++) await new Promise(requestAnimationFrame); }"""


def inside(path: str) -> str:
    """A path on the host, as seen from the root of the site."""
    return "/" + path.removeprefix(ROOT).lstrip("/")


class Visit:
    """A page in a window, and what went wrong or went out while it was open."""

    def __init__(self, page, server):
        self.page, self.server = page, server
        self.errors: list[str] = []
        self.outside: list[str] = []
        #: The files of the site that came.
        self.loaded: set[str] = set()
        #: What the page has asked for and not got yet.
        self.awaited: set = set()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.errors.append(f"script: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)
        page.on("requestfinished", lambda request: self.awaited.discard(request))
        page.on("requestfailed", lambda request: self.awaited.discard(request))

    def _console(self, message):
        # A browser asks for this by itself, of a page that only leads to another.
        if message.location.get("url", "").endswith("/favicon.ico"):
            return
        if message.type in ("error", "warning"):
            self.errors.append(f"{message.type}: {message.text}")

    def _request(self, request):
        self.awaited.add(request)
        if not request.url.startswith((self.server + "/", "data:", "blob:")):
            self.outside.append(request.url)

    def _response(self, response):
        if response.url.startswith(self.server + "/"):
            self.loaded.add(inside(unquote(urlsplit(response.url).path)).lstrip("/"))
        if response.status >= 400 and not response.url.endswith("/favicon.ico"):
            self.errors.append(f"{response.status}: {response.url}")

    def open(self, path: str, act: bool = True):
        """Load a page of the site, and wait until it asks for nothing more.

        With ``act`` the mouse moves, as a reader's would: then what is live loads.
        """
        self.awaited.clear()
        self.page.goto(f"{self.server}/{path}", wait_until="load")
        self.quiet()
        if act:
            self.act()
        return self.page

    def act(self) -> None:
        """Move the mouse, and wait for what that loads."""
        self.page.mouse.move(1, 1)
        self.page.mouse.move(2, 2)
        self.page.wait_for_function("!document.querySelector('[data-later]')")
        self.quiet()

    def reload(self) -> None:
        """Load the page once more, and wait until it asks for nothing more."""
        self.awaited.clear()
        self.page.reload(wait_until="load")
        self.quiet()

    def quiet(self) -> None:
        """Wait until all has come, and what has come has asked for nothing more.

        Twice in a row, since a script that has come may ask for something in a frame.
        (Playwright's own ``networkidle`` waits for half a second without a request.)
        """
        end, still = time.monotonic() + PATIENCE, 0
        while still < 2:
            if time.monotonic() > end:
                raise TimeoutError(f"awaited: {[r.url for r in self.awaited]}")
            try:
                self.page.evaluate(_FRAMES)
            except Error:
                # The page has gone to another, as the one at the root does.
                self.page.wait_for_load_state("load")
                still = 0
            else:
                still = 0 if self.awaited else still + 1
