"""The files of the Pyodide distribution that live cells need, pinned by their hashes.

Run as a script, ``fetch DIR`` downloads the listed files from Pyodide's public CDN into
a folder. ``tools/update_pyodide.py`` writes the list.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
import sys
import urllib.request

LOCK = Path(__file__).with_name("pyodide.json")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read() -> dict:
    """The list: ``version``, ``cdn``, ``info`` of the ABI, and ``files``."""
    return json.loads(LOCK.read_text())


def missing(folder: Path) -> list[str]:
    """The listed files that a folder lacks, or has with another hash."""
    return [
        file["name"]
        for file in read()["files"]
        if not (path := folder / file["name"]).is_file()
        or sha256(path) != file["sha256"]
    ]


def fetch(folder: Path) -> None:
    """Download the listed files that a folder lacks."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in missing(folder):
        print(f"fetching {name}", flush=True)
        with urllib.request.urlopen(read()["cdn"] + name, timeout=120) as answer:
            (folder / name).write_bytes(answer.read())
    if wrong := missing(folder):
        raise SystemExit(f"not the official files: {', '.join(wrong)}")


if __name__ == "__main__":
    {"fetch": fetch}[sys.argv[1]](Path(sys.argv[2]))
