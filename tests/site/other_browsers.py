"""Firefox and WebKit, driven by the commands of the WebDriver standard.

Playwright drives builds of its own of these two, which a system's packages do not
have. Firefox itself understands the commands over a socket (Marionette, the protocol
below geckodriver), and WebKitGTK brings a server that does over HTTP.
"""

from __future__ import annotations

from contextlib import contextmanager
import json
import os
from pathlib import Path
import socket
import subprocess
import time
from typing import NamedTuple
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from browsers import WebKit

#: The key of an element in an answer, fixed by the standard.
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"
#: Seconds in which a browser has to start, and to answer a command.
PATIENCE = 60


class Command(NamedTuple):
    """A command of the standard: its name in Marionette, and its address in HTTP."""

    name: str
    method: str
    path: str


NAVIGATE = Command("Navigate", "POST", "/url")
SCRIPT = Command("ExecuteScript", "POST", "/execute/sync")
FIND = Command("FindElements", "POST", "/elements")
CLICK = Command("ElementClick", "POST", "/element/{id}/click")
TYPE = Command("ElementSendKeys", "POST", "/element/{id}/value")


class WebDriverError(RuntimeError):
    """What a browser answers to a command that it cannot carry out."""


class Marionette:
    """The connection to a Firefox."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.stream = self.socket.makefile("rb")
        self.count = 0
        self._receive()  # The browser introduces itself.
        self.capabilities = self._send("WebDriver:NewSession", {})["capabilities"]

    def send(self, command: Command, parameters: dict):
        return self._send(f"WebDriver:{command.name}", parameters)

    def close(self) -> None:
        try:
            self._send("Marionette:Quit", {"flags": ["eForceQuit"]})
        finally:
            self.stream.close()
            self.socket.close()

    def _send(self, name: str, parameters: dict):
        self.count += 1
        message = json.dumps([0, self.count, name, parameters]).encode()
        self.socket.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self._receive()
        assert number == self.count
        if error:
            raise WebDriverError(f"{error['error']}: {error['message']}")
        # A value that is not an object is wrapped into one.
        wrapped = isinstance(result, dict) and result.keys() == {"value"}
        return result["value"] if wrapped else result

    def _receive(self):
        length = b""
        while (digit := self.stream.read(1)) != b":":
            if not digit:
                raise WebDriverError("the browser has ended")
            length += digit
        return json.loads(self.stream.read(int(length)))


class WebDriverServer:
    """The connection to a browser through a WebDriver server."""

    def __init__(self, port: int, capabilities: dict):
        self.address = f"http://127.0.0.1:{port}/session"
        session = self._send(
            "POST", "", {"capabilities": {"alwaysMatch": capabilities}}
        )
        self.address += f"/{session['sessionId']}"
        self.capabilities = session["capabilities"]

    def send(self, command: Command, parameters: dict):
        path = command.path.format_map(parameters)
        return self._send(command.method, path, parameters)

    def close(self) -> None:
        self._send("DELETE", "")

    def _send(self, method: str, path: str, parameters: dict | None = None):
        body = None if parameters is None else json.dumps(parameters).encode()
        request = Request(self.address + path, body, method=method)
        try:
            with urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except HTTPError as refusal:
            error = json.load(refusal)["value"]
            raise WebDriverError(f"{error['error']}: {error['message']}") from None


class Page:
    """A browser's only window, as a reader uses it."""

    def __init__(self, connection):
        self.connection = connection
        self.engine = connection.capabilities["browserName"]

    def open(self, address: str) -> None:
        self.connection.send(NAVIGATE, {"url": address})

    def evaluate(self, expression: str, *arguments):
        """The value of a JavaScript expression; ``arguments[0]`` is the first."""
        script = f"return ({expression})"
        return self.connection.send(
            SCRIPT, {"script": script, "args": list(arguments)}
        )

    def wait(self, expression: str, *arguments, seconds: float = 15):
        """Wait until an expression is true, and return its value."""
        return _until(
            lambda: self.evaluate(expression, *arguments),
            f"{self.engine}: not within {seconds} s: {expression}",
            seconds,
        )

    def click(self, selector: str) -> None:
        self._bring(selector)
        self.connection.send(CLICK, {"id": self._element(selector)})

    def type(self, selector: str, text: str) -> None:
        """Give an element the focus, and press keys (see `KEYS`)."""
        self.connection.send(TYPE, {"id": self._element(selector), "text": text})

    def _bring(self, selector: str) -> None:
        """Scroll an element into the window, until it stays where it is.

        A browser scrolls by itself, but WebKit does not wait for the end of it, and
        parts of a page get their height only as they come near.
        """
        self.wait("""(element => {
            element.scrollIntoView({ behavior: "instant", block: "center" });
            const { top } = element.getBoundingClientRect();
            const still = element.lastTop === top;
            element.lastTop = top;
            return still;
        })(document.querySelector(arguments[0]))""", selector)

    def _element(self, selector: str) -> str:
        found = self.connection.send(
            FIND, {"using": "css selector", "value": selector}
        )
        if len(found) != 1:
            raise WebDriverError(f"{len(found)} elements, not one: {selector}")
        return found[0][ELEMENT]


#: Keys without a letter, as the standard writes them.
KEYS = {"Enter": "\ue007", "ArrowRight": "\ue014"}


@contextmanager
def _process(*command: str, **options):
    """A program that ends with the block."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _until(value, what: str, seconds: float = PATIENCE):
    """Ask for a value until there is one."""
    end = time.monotonic() + seconds
    while not (found := value()):
        if time.monotonic() > end:
            raise TimeoutError(what)
        time.sleep(0.05)
    return found


@contextmanager
def firefox(path: str, folder: Path):
    """A page of a headless Firefox with a profile of its own."""
    (folder / "user.js").write_text(
        'user_pref("marionette.port", 0);\n'
        'user_pref("datareporting.policy.dataSubmissionEnabled", false);\n'
        'user_pref("network.captive-portal-service.enabled", false);\n'
        'user_pref("network.connectivity-service.enabled", false);\n'
        'user_pref("browser.shell.checkDefaultBrowser", false);\n'
        # The pages are light until their reader asks for dark ones.
        'user_pref("layout.css.prefers-color-scheme.content-override", 1);\n',
        encoding="utf-8",
    )
    chosen = folder / "MarionetteActivePort"

    def port() -> int:
        return chosen.is_file() and int(chosen.read_text() or 0)

    with _process(
        path, "--marionette", "--headless", "--no-remote", "--profile", str(folder),
        env={**os.environ, "HOME": str(folder), "MOZ_HEADLESS_WIDTH": "1280",
             "MOZ_HEADLESS_HEIGHT": "900"},
        stdout=subprocess.DEVNULL,
    ):
        connection = Marionette(_until(port, "Firefox does not start"))
        yield Page(connection)
        connection.close()


@contextmanager
def webkit(paths: WebKit, folder: Path):
    """A page of WebKitGTK's small browser, on a screen that is not shown."""
    with _process(
        paths.xvfb, "-displayfd", "1", "-nolisten", "tcp",
        "-screen", "0", "1280x900x24",
        stdout=subprocess.PIPE, text=True,
    ) as screen:
        display = f":{screen.stdout.readline().strip()}"
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        environment = {**os.environ, "DISPLAY": display, "HOME": str(folder)}
        with _process(
            paths.driver, f"--port={port}", env=environment, stdout=subprocess.DEVNULL
        ):
            def listening() -> bool:
                with socket.socket() as attempt:
                    return attempt.connect_ex(("127.0.0.1", port)) == 0

            _until(listening, "WebKitWebDriver does not start")
            connection = WebDriverServer(port, {
                "webkitgtk:browserOptions": {
                    "binary": paths.mini_browser, "args": ["--automation"],
                },
            })
            yield Page(connection)
            connection.close()
