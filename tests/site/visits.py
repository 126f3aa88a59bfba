"""A page in a window, and what went wrong or went out while it was open."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from built import root

#: Width and height of the windows that pages are looked at in.
WINDOWS = {"wide": (1280, 900), "phone": (390, 844)}
#: Where the site is on its host.
ROOT = root()


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

    def open(self, path: str, act: bool = True):
        """Load a page of the site, and wait until it asks for nothing more.

        With ``act`` the mouse moves, as a reader's would: then what is live loads.
        """
        self.page.goto(f"{self.server}/{path}", wait_until="load")
        self.page.wait_for_load_state("networkidle")
        if act:
            self.act()
        return self.page

    def act(self) -> None:
        """Move the mouse, and wait for what that loads."""
        self.page.mouse.move(1, 1)
        self.page.mouse.move(2, 2)
        self.page.wait_for_function("!document.querySelector('[data-later]')")
        self.page.wait_for_load_state("networkidle")
