"""Find a Chromium, for tests and print; run as a script, say how to get one."""

from __future__ import annotations

import os
from pathlib import Path
import shutil
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
    "There is no Chromium or Google Chrome on PATH, and the variable CHROMIUM names "
    "none. Install one, or run `.venv/bin/playwright install chromium`."
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


def as_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


def flags() -> list[str]:
    """What the browser has to be started with: for root it has no sandbox."""
    return ["--no-sandbox"] * as_root()


if __name__ == "__main__":
    sys.exit(None if find() else HOW)
