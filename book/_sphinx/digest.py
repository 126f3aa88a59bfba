"""A name for the contents of some files, which changes whenever they do."""

from __future__ import annotations

from collections.abc import Mapping
import hashlib


def digest(contents: Mapping[str, bytes]) -> str:
    """Sixteen hexadecimal digits that depend on the names and bytes of files."""
    whole = hashlib.sha256()
    for name, data in sorted(contents.items()):
        whole.update(f"{name}\0{len(data)}\0".encode())
        whole.update(data)
    return whole.hexdigest()[:16]
