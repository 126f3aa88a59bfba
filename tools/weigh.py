"""Weigh every page of the built site: a table for people, run by hand.

    .venv/bin/python tools/weigh.py [_build/html]

Each page is loaded once in a window as wide as a phone's and in a wide one, from a
server that compresses as hosts do. A row holds the kB that came before anybody
scrolled, the requests, and the places where axe-core found something, light and dark.
"""

from __future__ import annotations

from functools import partial
import gzip
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import io
from pathlib import Path
import sys
import threading

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / part) for part in ("tests/site", "tests", "book")]

from _sphinx.downloads import chromium  # noqa: E402
import axe  # noqa: E402
from built import SITE, TEXT  # noqa: E402


class Compressing(SimpleHTTPRequestHandler):
    """Serve files, compressed where that helps."""

    def log_message(self, *arguments):
        pass

    def send_head(self):
        path = Path(self.translate_path(self.path))
        if path.is_dir():
            path /= "index.html"
        if path.suffix not in TEXT or not path.is_file():
            return super().send_head()
        body = gzip.compress(path.read_bytes())
        self.send_response(200)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=600")
        self.end_headers()
        return io.BytesIO(body)


def serve(site: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of the site, running in a thread of its own."""
    handler = partial(Compressing, directory=str(site))
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def load(browser, address: str, width: int, scheme: str) -> tuple[float, int, int]:
    """kB, requests and places found by axe-core, of one page in a fresh browser."""
    context = browser.new_context(
        viewport={"width": width, "height": 850}, color_scheme=scheme
    )
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on(
        "Network.loadingFinished",
        lambda event: sizes.append(event["encodedDataLength"]),
    )
    page.goto(address)
    page.wait_for_load_state("networkidle")
    weight, requests = sum(sizes) / 1000, len(sizes)
    found = len(axe.violations(page))
    context.close()
    return weight, requests, found


def main(site: Path) -> None:
    server = serve(site)
    print("| page | kB phone | kB wide | requests | axe light | axe dark |")
    print("|---|---|---|---|---|---|")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.find(), args=chromium.flags()
        )
        for file in sorted(site.rglob("*.html")):
            page = file.relative_to(site)
            if page.parts[0] == "_static":
                continue
            address = f"http://127.0.0.1:{server.server_port}/{page.as_posix()}"
            phone, requests, light = load(browser, address, 390, "light")
            wide, _, dark = load(browser, address, 1280, "dark")
            print(
                f"| {page.as_posix()} | {phone:.0f} | {wide:.0f} | {requests} "
                f"| {light} | {dark} |",
                flush=True,
            )
        browser.close()
    server.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else SITE)
