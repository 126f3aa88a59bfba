"""The built site with its live cells, and a stand-in for the network's Pyodide.

No test asks anything of the public CDN: a second server on this machine gives out the
official files of the Pyodide distribution, or fails in the ways that a network can.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
import gc
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import json
import os
from pathlib import Path
import subprocess
import threading

from playwright.sync_api import sync_playwright

from _sphinx.downloads import chromium
from _sphinx.live import pyodide_lock
from built import ROOT, SITE

HOW = "The tests of live code need the official Pyodide files: `make pyodide`."


def places():
    """Folders that may hold the official files.

    The one that a variable names; the one that ``make pyodide`` fills; and
    ``shared/pyodide`` beside the checkout, or beside the one that it is a clone of.
    """
    if named := os.environ.get("LIVE_PYODIDE"):
        yield Path(named)
    yield ROOT / "_build" / ".cache" / "pyodide"
    origin = subprocess.run(
        ["git", "config", "remote.origin.url"], cwd=ROOT, capture_output=True, text=True
    ).stdout.strip()
    for checkout in (ROOT, Path(origin) if origin.startswith("/") else ROOT):
        for folder in checkout.parents:
            yield folder / "shared" / "pyodide"


def pyodide_folder() -> Path | None:
    """A folder with every listed file, each with its official hash."""
    for folder in places():
        if folder.is_dir() and not pyodide_lock.missing(folder):
            return folder
    return None


class _Quiet(SimpleHTTPRequestHandler):
    extensions_map = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
        ".mjs": "text/javascript",
        ".wasm": "application/wasm",
    }

    def log_message(self, *arguments):
        pass


class StandIn:
    """A server in the CDN's place; ``trouble`` is what is wrong with it."""

    #: None, "missing" (it answers 404), "wrong" (another file of the same length),
    #: or "cut off" (it stops in the middle).
    trouble: str | None = None

    def __init__(self, folder: Path):
        self.bytes = 0
        self.asked: list[str] = []
        outer = self

        class Handler(_Quiet):
            def end_headers(self):
                self.send_header("Access-Control-Allow-Origin", "*")
                super().end_headers()

            def do_GET(self):
                outer.asked.append(self.path)
                wheel = self.path.endswith(".whl")
                if outer.trouble == "missing" and wheel:
                    return self.send_error(404)
                contents = (folder / self.path.lstrip("/")).read_bytes()
                if outer.trouble == "wrong" and wheel:
                    contents = contents[:-1] + bytes([contents[-1] ^ 1])
                self.send_response(200)
                self.send_header("Content-Length", str(len(contents)))
                self.end_headers()
                if outer.trouble == "cut off" and wheel:
                    contents = contents[: len(contents) // 2]
                    self.close_connection = True
                try:
                    self.wfile.write(contents)
                    outer.bytes += len(contents)
                except OSError:
                    pass  # the reader has gone

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


@contextmanager
def served(folder: Path):
    """The site's address, and its stand-in for the CDN."""
    cdn = StandIn(folder)
    real = pyodide_lock.read()["cdn"]

    class Handler(_Quiet):
        def do_GET(self):
            if self.path.split("?")[0] != "/live/files.json":
                return super().do_GET()
            listed = (SITE / "live" / "files.json").read_text()
            assert real in listed, "the site's list does not name the CDN"
            contents = listed.replace(json.dumps(real)[1:-1], cdn.url).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(contents)))
            self.end_headers()
            self.wfile.write(contents)

    handler = partial(Handler, directory=str(SITE))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", cdn
        finally:
            server.shutdown()
            cdn.server.shutdown()
            cdn.server.server_close()
    # Connections that a closed browser left are collected here, not in a later test.
    gc.collect()


@contextmanager
def in_chromium():
    """The served site's address and a Chromium, for tools; says what is missing."""
    folder, path = pyodide_folder(), chromium.find()
    if folder is None or path is None:
        raise SystemExit(HOW if folder is None else chromium.HOW)
    with served(folder) as (address, _), sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=chromium.flags()
        )
        yield address, browser
        browser.close()


#: Run code in a page through the runtime alone: takes {cells, full}, gives a list of
#: results and what the start took, in seconds from the first call.
RUN = """async ({ cells, full = false }) => {
    const { Runtime } = await import("/live/runtime.js");
    const began = performance.now();
    const since = () => (performance.now() - began) / 1000;
    const runtime = globalThis.runtime ??= new Runtime("/live/");
    const size = await runtime.size();
    const times = {}, thinned = [], results = [];
    await runtime.start(({ stage }) => { times[stage] ??= since(); });
    for (const [k, source] of cells.entries()) {
        const result = await runtime.run(source, {
            name: `cell ${k + 1}`, full,
            on: (event) => {
                if (event.type === "sampling") times.tick ??= since();
                if (event.type === "thinned") thinned.push(event);
            },
        });
        results.push({ ...result, at: since() });
    }
    return { size, times, thinned, results };
}"""

#: The code of a page's cells, as the page shows it.
SOURCES = """() => [...document.querySelectorAll("div.cell div.cell_input pre")]
    .map(pre => pre.textContent)"""
