"""Find a Chromium, for tests and print; run as a script, install one if need be."""

from __future__ import annotations

import os
from pathlib import Path
import shutil
import subprocess
import sys

#: The headless shell first: the same engine without a window of its own, it starts and
#: loads pages in less time.
NAMES = (
    "chromium-headless-shell",
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
)
HOW = (
    "Needed is Chromium or Google Chrome on PATH, or its path in the "
    "variable CHROMIUM; `playwright install chromium` brings one as well."
)


def find() -> str | None:
    """The path of a browser: $CHROMIUM, PATH, then Playwright's own."""
    if chosen := os.environ.get("CHROMIUM"):
        return chosen
    for name in NAMES:
        if path := shutil.which(name):
            return path
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else None


def _as_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def flags() -> list[str]:
    """What the browser has to be started with: for root it has no sandbox."""
    return ["--no-sandbox"] * _as_root()


def install_packages(*names: str) -> None:
    """Install packages of Debian or Ubuntu, where that needs no password."""
    if not shutil.which("apt-get"):
        return
    if _as_root():
        ask = []
    elif os.environ.get("CI") and shutil.which("sudo"):
        ask = ["sudo", "--non-interactive"]
    else:
        return
    apt = [*ask, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]
    subprocess.run([*apt, "update"])
    subprocess.run([*apt, "install", "--yes", *names])


def install() -> None:
    """Ask the system's packages where that is possible, and Playwright elsewhere."""
    install_packages("chromium-headless-shell")
    if find() is None:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"])


def main() -> int:
    if find() is None:
        install()
    path = find()
    print(f"The browser: {path}" if path else HOW)
    # On a machine for tests a skipped browser test is a failure.
    return 1 if path is None and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
