"""Name the contents of files, and zip them: equal contents give equal bytes."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
from pathlib import Path, PurePosixPath
import zipfile

#: What no archive makes smaller.
COMPRESSED = {".pdf", ".png", ".whl", ".woff2", ".zip"}


def digest(contents: Mapping[str, bytes]) -> str:
    """Sixteen hexadecimal digits that depend on the names and bytes of files."""
    whole = hashlib.sha256()
    for name, data in sorted(contents.items()):
        whole.update(f"{name}\0{len(data)}\0".encode())
        whole.update(data)
    return whole.hexdigest()[:16]


def is_made_of(file: Path, record: Path, made_of: str) -> bool:
    """Whether a file is there, and its record names what it would be made of again."""
    return file.exists() and record.exists() and record.read_text() == made_of


def write_zip(archive: Path, contents: Mapping[str, bytes]) -> None:
    """Write an archive, in the order of the names, which depends on nothing else."""
    with zipfile.ZipFile(archive, "w") as made:
        for name, data in sorted(contents.items()):
            # An entry of its own has no date of the build, and anyone may read it.
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            stored = PurePosixPath(name).suffix in COMPRESSED
            entry.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            made.writestr(entry, data)
