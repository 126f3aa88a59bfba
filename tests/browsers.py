"""Find the three browsers of the tests; run as a script, install what is missing.

Most tests use Chromium (see `_sphinx.downloads.chromium`, which `make pdf` uses too).
A few use Firefox and WebKit as well, in the builds of the system's packages.
"""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import subprocess
import sys
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":  # pytest has it on the path already
    sys.path.insert(0, str(ROOT / "book"))

from _sphinx.downloads import chromium  # noqa: E402


class WebKit(NamedTuple):
    """The programs that a WebKit without a screen needs."""

    driver: str
    mini_browser: str
    xvfb: str


NEEDED = {
    "chromium": chromium.HOW,
    "firefox": "Install Firefox or Firefox ESR and put it on PATH.",
    "webkit": (
        "Install WebKitGTK with WebKitWebDriver and MiniBrowser, and Xvfb: on "
        "Debian and Ubuntu the packages webkit2gtk-driver and xvfb. Other systems have "
        "them under other names, or not at all."
    ),
}


def find_firefox() -> str | None:
    """The path of a Firefox on PATH."""
    return shutil.which("firefox-esr") or shutil.which("firefox")


def find_webkit() -> WebKit | None:
    """The paths of WebKitGTK's programs and of Xvfb, if all three are there."""
    paths = [
        path
        for folder in ("/usr/lib", "/usr/libexec", "/usr/lib64")
        for path in sorted(Path(folder).glob("**/webkit*gtk-*/MiniBrowser"))
    ]
    driver, xvfb = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
    return WebKit(driver, str(paths[-1]), xvfb) if paths and driver and xvfb else None


FIND = {"chromium": chromium.find, "firefox": find_firefox, "webkit": find_webkit}


def install_packages(*names: str) -> None:
    """Install packages of Debian or Ubuntu, where that needs no password."""
    if not shutil.which("apt-get"):
        return
    if chromium.as_root():
        ask = []
    elif os.environ.get("CI") and shutil.which("sudo"):
        ask = ["sudo", "--non-interactive"]
    else:
        return
    apt = [*ask, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    subprocess.run([*apt, "update"])
    subprocess.run([*apt, "install", "--yes", *names])


def install_chromium() -> None:
    """Ask the system's packages where that is possible, and Playwright elsewhere."""
    install_packages("chromium-headless-shell")
    if chromium.find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])


def install_firefox() -> None:
    # Debian has the release with long-term support only.
    install_packages("firefox-esr")


def install_webkit() -> None:
    install_packages("webkit2gtk-driver", "xvfb")


INSTALL = {
    "chromium": install_chromium,
    "firefox": install_firefox,
    "webkit": install_webkit,
}


def main() -> int:
    """Install what is missing, and say what there is."""
    missing = 0
    for name, find in FIND.items():
        if find() is None:
            INSTALL[name]()
        found = find()
        missing += found is None
        path = found.mini_browser if isinstance(found, WebKit) else found
        print(f"{name}: {path or f'none, so its tests are skipped. {NEEDED[name]}'}")
    # On a machine for tests a skipped browser test is a failure.
    return 1 if missing and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
