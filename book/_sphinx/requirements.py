"""Which packages a package needs, and with which versions the book pins them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from sphinx.errors import ExtensionError

#: The name under which the project, and so the module `pooling`, is installed.
PROJECT = "borrowing-strength"


def closure(
    *names: str,
    environment: Mapping[str, str] | None = None,
    without: Collection[str] = (),
) -> dict[str, Distribution]:
    """The installed packages of these names and all that they require, by name.

    Parameters
    ----------
    environment : dict, optional
        Values for the markers of requirements, where they are not for this machine.
    without : collection of str
        Packages that are left out, with what only they require.

    Raises
    ------
    sphinx.errors.ExtensionError
        If a required package is not installed.
    """
    wanted, found, done = [Requirement(name) for name in names], {}, set()
    while wanted:
        requirement = wanted.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if name in without or (name, extra) in done:
                continue
            done.add((name, extra))
            found[name], required = installed(name)
            markers = {**(environment or {}), "extra": extra}
            wanted += [
                other
                for other in required
                if other.marker is None or other.marker.evaluate(markers)
            ]
    return found


@cache
def installed(name: str) -> tuple[Distribution, list[Requirement]]:
    """A package that is installed, and all that it may require."""
    try:
        found = distribution(name)
    except PackageNotFoundError as error:
        message = f"{name} is not installed: install requirements.txt"
        raise ExtensionError(message) from error
    return found, [Requirement(line) for line in found.requires or ()]


def pinned(root: Path, *names: str) -> dict[str, str]:
    """The lines of requirements.txt for these packages and all that they require."""
    needed = closure(*names)
    lines = (root / "requirements.txt").read_text(encoding="utf-8").splitlines()
    packages = {
        canonicalize_name(line.split("==")[0]): line for line in lines if "==" in line
    }
    return {name: line for name, line in packages.items() if name in needed}
