"""Publish the Python packages of the live cells.

``live/`` of the built site gets an archive with the installed pure-Python packages,
``pooling`` and its data, and ``files.json``, which lists every file that a start of
Python downloads. Compiled packages come from the Pyodide distribution
(``pyodide.json``): from its public CDN, or, if the environment variable
``BOOK_PYODIDE`` names a folder with its files, from a copy of these in the site.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
import shutil

from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

from _sphinx.events import when_html_is_built
from _sphinx.files import digest, write_zip
from _sphinx.live import pyodide_lock
from _sphinx.requirements import PROJECT, closure

ROOT = Path(__file__).resolve().parents[3]
FOLDER = "live"
#: The Python side of the live cells: modules that the worker imports.
SESSION = ROOT / "book" / "live" / "python" / "live"

#: The environment for which requirements' markers are evaluated.
BROWSER = {
    "sys_platform": "emscripten",
    "platform_system": "Emscripten",
    "platform_machine": "wasm32",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "os_name": "posix",
    "python_version": "3.14",
    "python_full_version": "3.14.0",
}
#: Requirements that no cell imports in the browser.
UNUSED = {
    "fonttools",  # embeds fonts in PDF files
    "numba",  # compiles machine code, and so does llvmlite
    "llvmlite",
    "pygments",  # rich highlights source code with it
    "setuptools",  # compiles C for PyTensor; session.py says what stands in for it
    "tzdata",  # no time zones here
}
#: Parts of packages that are not needed: of PyTensor, drawings of graphs in a browser
#: and the code for its other compilers.
SKIPPED_FOLDERS = {"tests", "test", "d3viz", "dispatch", "sboms"}
SKIPPED_SUFFIXES = {
    ".c", ".cc", ".exe", ".h", ".nc", ".pyc", ".pyi", ".pyx", ".pxd", ".so",
}


def pure() -> list[tuple[str, Path]]:
    """The files of the pure-Python packages that the project requires.

    Returns pairs of a path in site-packages and a path on this disk.
    """
    served = {file.get("package") for file in pyodide_lock.read()["files"]}
    found = closure(PROJECT, environment=BROWSER, without=served | UNUSED)
    del found[PROJECT]  # ours() has its files
    return [
        (str(file), Path(file.locate()))
        for package in found.values()
        for file in package.files or ()
        if wanted(Path(str(file))) and Path(file.locate()).is_file()
    ]


def wanted(path: Path) -> bool:
    if path.is_absolute() or ".." in path.parts:
        return False
    if path.suffix in SKIPPED_SUFFIXES or SKIPPED_FOLDERS & set(path.parts):
        return False
    if path.parent.name.endswith(".dist-info"):
        # importlib.metadata reads no more than this.
        return path.name in ("METADATA", "entry_points.txt")
    return not path.parent.parent.name.endswith(".dist-info")


def ours() -> list[tuple[str, Path]]:
    """The files of ``pooling`` with its data, and of the session."""
    code, data = ROOT / "code", ROOT / "data"
    modules = code.glob("pooling/**/*")
    files = [
        *((path.relative_to(code).as_posix(), path) for path in modules),
        *((f"pooling/_data/{path.name}", path) for path in data.iterdir()),
        *((f"live/{path.name}", path) for path in SESSION.glob("*.py")),
    ]
    return [
        (name, path)
        for name, path in files
        if path.is_file() and path.suffix != ".pyc"
    ]


def archive(folder: Path) -> Path:
    """All packages as one zip file, which is named after a digest of its contents."""
    files = dict(ours()) | dict(pure())
    contents = {name: file.read_bytes() for name, file in files.items()}
    path = folder / f"packages-{digest(contents)}.zip"
    for old in folder.glob("packages-*.zip"):
        if old != path:
            old.unlink()
    if not path.exists():
        write_zip(path, contents)
    return path


def publish(folder: Path, pyodide: Path | None) -> None:
    """Write the archive and ``files.json`` into a folder of the site."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = pyodide_lock.read()
    base = lock["cdn"]
    if pyodide is not None:
        if wrong := pyodide_lock.missing(pyodide):
            raise ExtensionError(
                f"BOOK_PYODIDE={pyodide} lacks the official {', '.join(wrong)}"
            )
        base = "pyodide/"
        (folder / base).mkdir(exist_ok=True)
        for file in lock["files"]:
            shutil.copyfile(pyodide / file["name"], folder / base / file["name"])
    path = archive(folder)
    contents = path.read_bytes()
    ours = {"kind": "wheel", "package": "pooling", "url": path.name}
    files = [
        *({**file, "url": base + file["name"]} for file in lock["files"]),
        ours | {"size": len(contents), "sha256": hashlib.sha256(contents).hexdigest()},
    ]
    listed = {"version": lock["version"], "info": lock["info"], "files": files}
    (folder / "files.json").write_text(json.dumps(listed, indent=1))


def finish(app: Sphinx) -> None:
    pyodide = os.environ.get("BOOK_PYODIDE")
    publish(Path(app.outdir) / FOLDER, Path(pyodide) if pyodide else None)


def setup(app: Sphinx) -> None:
    when_html_is_built(app, finish)
