"""What the site serves for the browser's Python."""

from __future__ import annotations

import ast
import hashlib
import io
import json
from pathlib import Path
import zipfile

import pytest
from sphinx.errors import ExtensionError

from _sphinx.live import packages, pyodide_lock

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    return packages.archive(tmp_path_factory.mktemp("live")).read_bytes()


def test_the_archive_holds_what_the_chapters_import(archive):
    names = zipfile.ZipFile(io.BytesIO(archive)).namelist()
    for module in ("pymc", "pytensor", "arviz", "arviz_stats", "xarray",
                   "xarray_einstats", "pooling", "live"):
        assert f"{module}/__init__.py" in names
    assert "pooling/_data/radon.csv" in names
    assert "pooling/book.mplstyle" in names
    # Packages of the distribution come from there, compiled for the browser.
    assert not [name for name in names if name.startswith(("numpy/", "pandas/"))]
    assert not [name for name in names if name.endswith((".so", ".pyc", ".pyd"))]


def test_the_archive_is_the_same_each_time(archive, tmp_path):
    assert packages.archive(tmp_path).read_bytes() == archive


def test_everything_in_the_archive_is_read_by_a_newer_python(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        for name in opened.namelist():
            if name.startswith(("live/", "pooling/")) and name.endswith(".py"):
                ast.parse(opened.read(name), name)


def small_lock(tmp_path, monkeypatch):
    """A distribution of one file."""
    folder = tmp_path / "pyodide"
    folder.mkdir()
    (folder / "pyodide.mjs").write_bytes(b"runs Python")
    lock = {
        "version": "0.0.0",
        "cdn": "https://cdn.example/v0.0.0/",
        "info": {},
        "files": [{
            "name": "pyodide.mjs", "kind": "runtime", "size": 11,
            "sha256": hashlib.sha256(b"runs Python").hexdigest(),
        }],
    }
    monkeypatch.setattr(pyodide_lock, "read", lambda: lock)
    hold_one_file(tmp_path, monkeypatch, b"x = 1")
    return folder


def hold_one_file(tmp_path, monkeypatch, contents: bytes):
    """Packages of one file."""
    file = tmp_path / "module.py"
    file.write_bytes(contents)
    monkeypatch.setattr(packages, "ours", lambda: [("module.py", file)])
    monkeypatch.setattr(packages, "pure", lambda: [])


def test_the_list_says_where_each_file_is_and_what_it_is(tmp_path, monkeypatch):
    small_lock(tmp_path, monkeypatch)
    packages.publish(tmp_path / "live", None)
    runtime, ours = json.loads((tmp_path / "live" / "files.json").read_text())["files"]
    assert runtime["url"] == "https://cdn.example/v0.0.0/pyodide.mjs"
    archive = (tmp_path / "live" / ours["url"]).read_bytes()
    assert zipfile.ZipFile(io.BytesIO(archive)).read("module.py") == b"x = 1"
    assert ours["sha256"] == hashlib.sha256(archive).hexdigest()
    assert ours["size"] == len(archive)


def test_a_site_can_serve_everything_itself(tmp_path, monkeypatch):
    folder = small_lock(tmp_path, monkeypatch)
    packages.publish(tmp_path / "live", folder)
    listed = json.loads((tmp_path / "live" / "files.json").read_text())
    assert [file["url"] for file in listed["files"]][0] == "pyodide/pyodide.mjs"
    assert "http" not in json.dumps(listed)
    assert (tmp_path / "live" / "pyodide" / "pyodide.mjs").is_file()


def test_a_file_that_is_not_the_official_one_stops_the_build(tmp_path, monkeypatch):
    folder = small_lock(tmp_path, monkeypatch)
    (folder / "pyodide.mjs").write_bytes(b"runs  Ruby?")
    with pytest.raises(ExtensionError, match="lacks the official pyodide.mjs"):
        packages.publish(tmp_path / "live", folder)


def test_an_older_archive_goes(tmp_path, monkeypatch):
    small_lock(tmp_path, monkeypatch)
    for contents in (b"old", b"new"):
        hold_one_file(tmp_path, monkeypatch, contents)
        packages.publish(tmp_path / "live", None)
    (left,) = (tmp_path / "live").glob("packages-*.zip")
    assert zipfile.ZipFile(left).read("module.py") == b"new"
