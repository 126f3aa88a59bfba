"""Which files of the Pyodide distribution the live cells need, pinned by their hashes.

Run as a script, ``make DIR`` writes the list anew from a folder with the official
files, and ``fetch DIR`` fills a folder with the listed files from Pyodide's public
CDN. Both refuse a file whose hash is not the official one.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
import sys
import urllib.request

#: The list, as committed.
LOCK = Path(__file__).with_name("pyodide.json")
CDN = "https://cdn.jsdelivr.net/pyodide/v{version}/full/"

#: What runs Python itself.
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
#: Compiled packages, and what is served beside them. fontTools, which Matplotlib
#: asks for, is left out: it embeds fonts in PDF files, which no cell writes.
PACKAGES = (
    "numpy",
    "scipy",
    "pandas",
    "matplotlib",
    "contourpy",
    "cycler",
    "kiwisolver",
    "packaging",
    "pillow",
    "pyparsing",
    "python-dateutil",
    "pytz",
    "six",
    "threadpoolctl",
    "typing-extensions",
)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read() -> dict:
    """The list: ``version``, ``cdn``, ``info`` of the ABI, and ``files``."""
    return json.loads(LOCK.read_text())


def make(folder: Path) -> None:
    """Write the list from a folder of official files."""
    official = json.loads((folder / "pyodide-lock.json").read_text())
    version = _version((folder / "pyodide.mjs").read_text())
    files = [{"name": name, "kind": "runtime"} for name in RUNTIME]
    for name in PACKAGES:
        package = official["packages"][name]
        path = folder / package["file_name"]
        if sha256(path) != package["sha256"]:
            raise SystemExit(f"{path.name} is not the file of {package['version']}")
        files.append({"name": path.name, "kind": "wheel", "package": name})
    for file in files:
        path = folder / file["name"]
        file |= {"size": path.stat().st_size, "sha256": sha256(path)}
    lock = {
        "version": version,
        "cdn": CDN.format(version=version),
        "info": official["info"],
        "files": files,
    }
    LOCK.write_text(json.dumps(lock, indent=1) + "\n")


def _version(module: str) -> str:
    """The version that a ``pyodide.mjs`` says it is."""
    import re

    found = re.search(r'="(\d+\.\d+\.\d+)";', module)
    if not found:
        raise SystemExit("pyodide.mjs does not say its version")
    return found[1]


def missing(folder: Path) -> list[str]:
    """The listed files that a folder lacks, or holds with another hash."""
    return [
        file["name"]
        for file in read()["files"]
        if not (path := folder / file["name"]).is_file()
        or sha256(path) != file["sha256"]
    ]


def fetch(folder: Path) -> None:
    """Fill a folder with the listed files, from the public CDN."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in missing(folder):
        print(f"fetching {name}", flush=True)
        with urllib.request.urlopen(read()["cdn"] + name, timeout=120) as answer:
            (folder / name).write_bytes(answer.read())
    if wrong := missing(folder):
        raise SystemExit(f"not the official files: {', '.join(wrong)}")


if __name__ == "__main__":
    {"make": make, "fetch": fetch}[sys.argv[1]](Path(sys.argv[2]))
