"""What a reader installs: nothing shadowed, everything pinned, all data inside."""

from pathlib import Path
import re
import subprocess
import sys
import tomllib
import zipfile

from packaging.markers import Marker
from packaging.requirements import Requirement
import pytest

import pooling

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
PROJECT = tomllib.loads(PYPROJECT)["project"]
PYTHONS = ("3.12", "3.13", "3.14")


def lines(name: str) -> list[str]:
    """The lines of a requirements file, without comments."""
    text = (ROOT / name).read_text(encoding="utf-8")
    bare = [re.sub(r"(^|\s)#.*", "", line).strip() for line in text.splitlines()]
    return [line for line in bare if line]


def pinned(name: str) -> list[Requirement]:
    return [Requirement(line) for line in lines(name) if "==" in line]


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def python(*arguments: str, path: Path | None = None, cwd: Path = ROOT) -> str:
    """What another interpreter prints, with a folder ahead of all others."""
    program = f"import sys; sys.path.insert(0, {str(path or cwd)!r}); "
    done = subprocess.run(
        [sys.executable, "-c", program + arguments[0], *arguments[1:]],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# The folder code/ and the standard library's module of that name


def test_the_folder_code_does_not_hide_the_standard_library_s():
    """It is no package, so that the debugger and IPython find the module `code`."""
    python("import code, pdb; code.interact; import IPython.terminal.debugger")


# The pinned sets


@pytest.mark.parametrize("name", ["requirements.txt", "tests/requirements.txt"])
def test_no_address_of_an_index_is_kept(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    options = r"--(index|extra-index|find-links|trusted)|-[if]\b"
    assert not re.search(rf"^\s*({options})", text, re.M)


def test_no_lock_file_that_would_keep_one():
    assert not (ROOT / "uv.lock").exists()


@pytest.mark.parametrize("name", ["requirements.txt", "tests/requirements.txt"])
def test_the_project_comes_first_and_every_package_is_pinned(name):
    """First, so that its build backend can refuse a Python that is too old."""
    first, *packages = lines(name)
    assert first == "-e ."
    for line in packages:
        assert re.fullmatch(r"[\w.-]+==[\w.!+]+( ; .+)?", line), line


def test_the_tests_run_with_the_packages_that_a_reader_installs():
    versions = {line.name: line for line in pinned("tests/requirements.txt")}
    for line in pinned("requirements.txt"):
        assert versions[line.name].specifier == line.specifier


def wanted(*extras: str) -> list[Requirement]:
    optional = PROJECT["optional-dependencies"]
    found = [*PROJECT["dependencies"], *(r for e in extras for r in optional[e])]
    return [Requirement(line) for line in found]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("files", "extras"),
    [
        (["requirements.txt"], ["book"]),
        (["tests/requirements.txt"], ["book", "test"]),
    ],
)
def test_the_pinned_set_covers_what_the_project_needs(files, extras, python):
    environment = {"python_version": python, "python_full_version": f"{python}.0"}

    def applies(marker: Marker | None) -> bool:
        return marker is None or marker.evaluate(environment)

    have = {
        canonical(line.name): next(iter(line.specifier)).version
        for name in files
        for line in pinned(name)
        if applies(line.marker)
    }
    for need in wanted(*extras):
        version = have.get(canonical(need.name))
        assert version, f"{need} is in none of {files}: `make lock`"
        assert need.specifier.contains(version, prereleases=True), f"{need}: {version}"


@pytest.mark.parametrize("name", ["requirements.txt", "tests/requirements.txt"])
def test_no_package_is_pinned_twice_for_one_python(name):
    for version in PYTHONS:
        environment = {"python_version": version, "python_full_version": f"{version}.0"}
        names = [
            canonical(line.name)
            for line in pinned(name)
            if line.marker is None or line.marker.evaluate(environment)
        ]
        assert sorted(set(names)) == sorted(names)


# The wheel


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, as `pip wheel --no-deps .` makes it."""
    folder = tmp_path_factory.mktemp("wheel")
    build = "from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    name = python(build, str(folder)).split()[-1]
    return folder / name


def test_the_wheel_carries_the_data_and_the_style(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    data = {f"pooling/_data/{f.name}" for f in (ROOT / "data").iterdir() if f.is_file()}
    assert data and data <= names
    module = ROOT / "code"
    ours = {
        file.relative_to(module).as_posix()
        for pattern in ("*.py", "*.mplstyle")
        for file in module.rglob(pattern)
    }
    assert ours <= names
    others = {name for name in names if not name.startswith("pooling/")}
    assert all(".dist-info/" in name for name in others), others


def test_the_wheel_says_what_it_needs(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
    assert re.search(r"^Requires-Python: .*>=3\.12", metadata, re.M)
    assert "License-Expression: MIT" in metadata


def test_the_module_says_its_version():
    assert pooling.__version__ == PROJECT["version"]
    assert "__version__" in dir(pooling)


def test_the_module_works_from_the_wheel(wheel, tmp_path):
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    out = python(
        "import pooling; print(pooling.__file__); "
        "from pooling import datasets; print(len(datasets.load_radon())); "
        "import matplotlib.pyplot as plt; plt.style.use('pooling.book'); "
        "print('drawn')",
        path=tmp_path / "installed",
        cwd=tmp_path,
    )
    where, houses, drawn = out.split()[-3:]
    assert Path(where).is_relative_to(tmp_path / "installed")
    assert (houses, drawn) == ("919", "drawn")
