"""Which packages a package needs, and which versions are pinned."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from pathlib import Path
from types import SimpleNamespace

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
import pytest
from sphinx.errors import ExtensionError

from _sphinx import requirements
from _sphinx.requirements import PROJECT, closure, pinned

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def installed(monkeypatch):
    """Make the installed packages those that a test names, with their requirements."""
    packages = {}

    def find(name: str):
        if name not in packages:
            raise PackageNotFoundError(name)
        return SimpleNamespace(requires=packages[name])

    monkeypatch.setattr(requirements, "distribution", find)
    requirements.installed.cache_clear()
    yield packages
    requirements.installed.cache_clear()


def test_a_package_needs_what_its_requirements_need(installed):
    installed |= {"a": ["B_c>=1"], "b-c": ["d", "a"], "d": None, "e": ["a"]}
    assert set(closure("a")) == {"a", "b-c", "d"}
    assert set(closure("a", without={"b-c"})) == {"a"}


def test_an_extra_is_needed_where_a_requirement_names_it(installed):
    installed |= {"a": ["b", "c"], "b": ["d; extra == 'x'", "e; extra == 'y'"]}
    installed |= {"c": ["b[x]"], "d": [], "e": []}
    assert set(closure("a")) == {"a", "b", "c", "d"}
    assert set(closure("b[y]")) == {"b", "e"}


def test_a_marker_is_read_for_the_environment(installed):
    installed |= {"a": ["b; sys_platform == 'emscripten'"], "b": []}
    assert set(closure("a")) == {"a"}
    assert set(closure("a", environment={"sys_platform": "emscripten"})) == {"a", "b"}


def test_a_package_that_is_not_installed_is_named(installed):
    installed |= {"a": ["b"]}
    with pytest.raises(ExtensionError, match="b is not installed"):
        closure("a")


def test_the_pinned_set_of_the_module_is_what_the_module_needs():
    """Every package that a pinned package requires is pinned, and no other."""
    packages = set(pinned(ROOT, PROJECT))
    assert {"arviz", "pymc", "pytensor", "xarray-einstats"} <= packages
    lines = {
        name: [Requirement(line) for line in distribution(name).requires or ()]
        for name in [PROJECT, *packages]
    }

    def holds(requirement: Requirement, extra: str = "") -> bool:
        marker = requirement.marker
        return marker is None or marker.evaluate({"extra": extra})

    # The extras of each package that the project or another package asks for.
    extras: dict[str, set[str]] = {name: {""} for name in lines}
    for requirement in filter(holds, chain(*lines.values())):
        name = canonicalize_name(requirement.name)
        extras.setdefault(name, {""}).update(requirement.extras)
    required = {
        canonicalize_name(requirement.name)
        for name, requirements in lines.items()
        for requirement in requirements
        if any(holds(requirement, extra) for extra in extras[name])
    }
    assert required == packages


def test_a_pinned_line_is_kept_as_it_is(installed, tmp_path):
    installed |= {"a": ["B_c"], "b-c": []}
    text = "-e .\na==1 ; sys_platform != 'emscripten'\nB.c==2\nd==3\n"
    (tmp_path / "requirements.txt").write_text(text, encoding="utf-8")
    assert pinned(tmp_path, "a") == {
        "a": "a==1 ; sys_platform != 'emscripten'", "b-c": "B.c==2",
    }
