"""Write the list of Pyodide's files anew, from a folder of a newer distribution.

    python tools/update_pyodide.py VERSION FOLDER

The folder needs the runtime, ``pyodide-lock.json`` and the wheels of the packages
below. A wheel whose hash is not the one in ``pyodide-lock.json`` is refused.
"""

from __future__ import annotations

import json
from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "book"))

from _sphinx.live.pyodide_lock import LOCK, sha256  # noqa: E402

CDN = "https://cdn.jsdelivr.net/pyodide/v{version}/full/"
#: What runs Python itself.
RUNTIME = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
#: Compiled packages and their requirements. fontTools, which Matplotlib requires, is
#: left out: it embeds fonts in PDF files, which no cell writes.
PACKAGES = (
    "numpy", "scipy", "pandas", "matplotlib", "contourpy", "cycler", "kiwisolver",
    "packaging", "pillow", "pyparsing", "python-dateutil", "pytz", "six",
    "threadpoolctl", "typing-extensions",
)


def main(version: str, folder: Path) -> None:
    official = json.loads((folder / "pyodide-lock.json").read_text())
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
    cdn = CDN.format(version=version)
    lock = {"version": version, "cdn": cdn, "info": official["info"], "files": files}
    LOCK.write_text(json.dumps(lock, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
