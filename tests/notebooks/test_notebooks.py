"""The notebooks that the site serves: as a student has them, and as a teacher.

Their code is the chapter's own, which the build has run. Some chapters are run once
more, as their student would: up to every exercise, whose check must say politely that
nothing is answered yet. Then come the solution's cells, which must pass, and then wrong
answers, which must be told what is off.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
import io
import json
import os
from pathlib import Path
import re
import subprocess
import sys
import zipfile

import nbformat
from packaging.requirements import Requirement
import pytest

from _sphinx.downloads import notebooks
from _sphinx.executing import kernels
from _sphinx.requirements import PROJECT, closure, pinned
import chapters

ROOT = Path(__file__).resolve().parents[2]
SITE = Path(os.environ.get("BOOK_SITE") or ROOT / "_build" / "html").resolve()
FOLDER = SITE / notebooks.FOLDER
CHAPTERS = chapters.chapters()
#: The chapters whose notebooks run. All of them take some minutes.
RUN = (
    CHAPTERS
    if "CI" in os.environ or os.environ.get("NOTEBOOK_CHAPTERS") == "all"
    else [
        "book/why-hierarchy/eighteen-players",
        "book/pooling/radon",
        "book/posterior/mode-or-mean",
    ]
)
CHECK = re.compile(r'pooling\.exercises\.check\("([\w-]+)"\)')
ASKED = re.compile(r"\{exercise-start\}\n:label: (\S+)")


def short(page: str) -> str:
    return page.rsplit("/", 1)[-1]


@cache
def read(page: str, kind: str = ""):
    """A chapter's notebook; `kind` is "" or "-solutions"."""
    return nbformat.read(FOLDER / f"{short(page)}{kind}.ipynb", as_version=4)


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def labels(page: str) -> list[str]:
    """The exercises that the chapter's source has."""
    return ASKED.findall((ROOT / f"{page}.md").read_text(encoding="utf-8"))


@cache
def wheel() -> Path:
    (found,) = FOLDER.glob("*.whl")
    return found


@cache
def answers() -> dict:
    """What the wheel's answers are, by label."""
    with zipfile.ZipFile(wheel()) as archive:
        return json.loads(archive.read("pooling/_data/exercises.json"))


# As they are


@pytest.mark.parametrize("kind", ["", notebooks.SOLUTIONS])
@pytest.mark.parametrize("page", CHAPTERS)
def test_it_is_a_notebook(page, kind):
    notebook = read(page, kind)
    nbformat.validate(notebook)
    assert notebook.nbformat == 4 and notebook.metadata.kernelspec.name == "python3"
    assert notebook.cells[0].source.startswith("# ")
    assert all(not cell.outputs for cell in code(notebook))


#: What MyST has and Markdown has not, and what only the build needs.
LEFT_OVER = re.compile(
    r"\{[\w:+.-]+\}`"  # a role
    r"|^\s*(?::{3,}|`{3,}\{)"  # a directive
    r"|^\([\w-]+\)=\s*$"  # a label
    r"|^\s*:\w[\w-]*:\s"  # an option
    r"|^%|\bpasted-text\b|\[\[|\]\]|<[a-z]+ class",
    re.M,
)


def prose(notebook) -> str:
    """The Markdown, without formulae and code."""
    text = "\n\n".join(c.source for c in notebook.cells if c.cell_type == "markdown")
    for pattern in (r"```.*?```", r"\$\$.*?\$\$", r"`[^`]*`", r"(?<!\\)\$[^$]*\$"):
        text = re.sub(pattern, "…", text, flags=re.S)
    return text


@pytest.mark.parametrize("kind", ["", notebooks.SOLUTIONS])
@pytest.mark.parametrize("page", CHAPTERS)
def test_no_machinery_of_the_book_is_left(page, kind):
    notebook = read(page, kind)
    assert not LEFT_OVER.findall(prose(notebook))
    for cell in notebook.cells:
        assert not {"tags", "mystnb", "live"} & set(cell.metadata), cell.source
        assert "pooling.glue" not in cell.source
        assert "exercises.expect" not in cell.source
    # A reference that was not resolved shows its label.
    assert not re.search(r"\b(?:fig|eq|chap|ex)-[a-z]+-", prose(notebook))


@pytest.mark.parametrize(
    "text",
    [
        "see {ref}`fits`",
        ":::{note}",
        "(chap-radon)=",
        "```{figure} a.png",
        ":label: ex-a-1",
        "% a comment",
    ],
)
def test_what_is_left_of_myst_is_found(text):
    assert LEFT_OVER.search(f"Words.\n{text}\n")


def test_markdown_is_not_taken_for_myst():
    text = (
        "*Figure 3.* A set {1, 2}, `x`; 5% of it [2013].\n\n- one\n\n```python\nx\n```"
    )
    assert not LEFT_OVER.search(text)


@pytest.mark.parametrize("page", CHAPTERS)
def test_formulae_are_in_pairs_of_dollars(page):
    for cell in read(page, notebooks.SOLUTIONS).cells:
        if cell.cell_type == "markdown":
            bare = re.sub(r"`[^`]*`", "", cell.source.replace(r"\$", ""))
            assert bare.count("$") % 2 == 0, cell.source
            assert not re.search(r"\$\$\s*\$\$", bare), cell.source


def shown(page: str) -> tuple[list[str], dict[str, list[str]]]:
    """The chapter's own cells that a page shows: its text's, and each solution's."""
    main, solved, current = [], {}, None
    for cell in chapters.read(page).cells:
        if cell.cell_type == "code":
            tags = set(cell.metadata.get("tags", []))
            if not tags & {"remove-cell", "remove-input"}:
                (main if current is None else solved[current]).append(cell.source)
            continue
        for gate, label in re.findall(
            r"\{(solution-start|solution-end)\}[ \t]*(\S*)", cell.source
        ):
            current = label if gate == "solution-start" else None
            if current:
                solved[current] = []
    return main, solved


@pytest.mark.parametrize("page", CHAPTERS)
def test_the_code_is_the_chapter_s_and_no_solution_is_given_away(page):
    main, solved = shown(page)
    cells = [cell.source for cell in code(read(page))]
    own = [source for source in cells[1:] if not CHECK.search(source)]
    own = [source for source in own if not source.startswith("# Your work")]
    assert own == main
    assert sorted(solved) == sorted(labels(page))
    both = [cell.source for cell in code(read(page, notebooks.SOLUTIONS))]
    for label, sources in solved.items():
        at = both.index(f'pooling.exercises.check("{label}")')
        between = both[at - len(sources) - 1 : at]
        # The last cell gives the answers their names, unless they have them.
        assert sources in (between[:-1], between[1:]), label
    assert "Solution" not in prose(read(page))


@pytest.mark.parametrize("page", CHAPTERS)
def test_every_exercise_is_a_question_a_blank_and_a_check(page):
    cells = read(page).cells
    found = []
    for number, cell in enumerate(cells):
        if cell.cell_type == "code" and (match := CHECK.fullmatch(cell.source)):
            label = match[1]
            found.append(label)
            question, empty = cells[number - 2 : number]
            assert question.cell_type == "markdown"
            assert re.match(r"### Exercise \d+", question.source)
            for name in answers()[label]["answers"]:
                assert f"\n{name} = ...\n" in empty.source + "\n"
            assert bool(answers()[label]["criteria"]) == ("in_words" in empty.source)
    assert found == labels(page)


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_formula_has_the_number_that_the_text_gives_it(page):
    text = "\n".join(c.source for c in read(page).cells if c.cell_type == "markdown")
    tags = re.findall(r"\\tag\{(\d+)\}", text)
    assert len(set(tags)) == len(tags)
    named = re.findall(r"[Ee]quation \((\d+)\)", text)
    html = (SITE / f"{page}.html").read_text(encoding="utf-8")
    assert tags == re.findall(r'<span class="eqno">\((\d+)\)', html)
    assert set(named) <= set(tags) or not tags


@pytest.mark.parametrize("page", CHAPTERS)
def test_an_answer_s_name_means_nothing_else_in_the_chapter(page):
    """The blank would take it from what the chapter has computed."""
    text = "\n".join(shown(page)[0])
    for label in labels(page):
        for name in answers()[label]["answers"]:
            assert not re.search(rf"^\s*{name}\b[^=\n(]*=", text, re.M), name


def test_every_exercise_of_the_book_has_answers():
    asked = [label for page in CHAPTERS for label in labels(page)]
    assert sorted(asked) == sorted(answers()) and len(asked) >= 3 * len(CHAPTERS)


# As they run


@cache
def installed(folder: Path) -> Path:
    """The module, installed from the wheel without a network."""
    target = folder / "site"
    pip("install", "--no-deps", "--find-links", str(FOLDER), "--target", str(target))
    return target


def pip(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--no-index", "--quiet"]
        + ["--disable-pip-version-check", "--root-user-action=ignore"]
        + ([] if "--dry-run" in arguments else ["borrowing-strength"]),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def wrong(expected: dict):
    """An answer that is no answer, and no slip that its author foresaw."""
    value = expected["value"]
    if isinstance(value, str):
        return "none of these"
    if isinstance(value, list):
        return [item + 17 * abs(item) + 23 for item in value]
    return value + 17 * abs(value) + 23


def rehearsal(page: str):
    """Both notebooks in one: each blank, then the solution, then wrong answers."""
    student, solved = (
        code(read(page)),
        [c.source for c in code(read(page, "-solutions"))],
    )
    cells, last = ["import pooling; print(pooling.__file__)"], len(shown(page)[0])
    # The first cell, which installs, has a test of its own.
    for cell in student[1:]:
        cells.append(cell.source)
        if not (match := CHECK.fullmatch(cell.source)):
            continue
        label = match[1]
        end = solved.index(cell.source)
        before = [n for n in range(end) if CHECK.fullmatch(solved[n])]
        begin = before[-1] + 1 if before else 1 + last
        cells += solved[begin : end + 1]
        errors = {n: wrong(a) for n, a in answers()[label]["answers"].items()}
        cells.append(
            f"_right = {{name: globals()[name] for name in {list(errors)}}}\n"
            f"globals().update({errors!r}, in_words='I think so.')\n"
            f"{cell.source}\n"
            "globals().update(_right)"
        )
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in cells],
        metadata=read(page).metadata,
    )


@pytest.fixture(scope="session")
def ran(request, tmp_path_factory):
    """The rehearsals of the chapters that are tested, two at a time."""
    folder = tmp_path_factory.mktemp("class")
    env = kernels.environment(ROOT / "_build" / ".cache")
    env["PYTHONPATH"] = str(installed(folder))

    def run(page: str):
        notebook = rehearsal(page)
        result = kernels.run(notebook, folder, env)
        return notebook, result.err and kernels.failure(notebook)

    pages = {
        item.callspec.params["page"]: None
        for item in request.session.items
        if item.path == Path(__file__) and "ran" in item.fixturenames
    }
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(pages, pool.map(run, pages)))


def reports(notebook) -> dict[str, list[str]]:
    """What the checks printed, by exercise: unanswered, solved, wrong."""
    found: dict[str, list[str]] = {}
    for cell in code(notebook):
        if match := CHECK.search(cell.source):
            text = "".join(o.text for o in cell.outputs if o.output_type == "stream")
            found.setdefault(match[1], []).append(text)
    return found


@pytest.mark.parametrize("page", RUN)
def test_it_runs_with_the_module_from_the_wheel(page, ran):
    notebook, failure = ran[page]
    assert not failure, failure
    first = code(notebook)[0].outputs[0].text
    assert "/site/pooling/" in first.replace("\\", "/")


@pytest.mark.parametrize("page", RUN)
def test_an_unanswered_exercise_is_reported(page, ran):
    found = reports(ran[page][0])
    assert list(found) == labels(page)
    for label, (blank, _, _) in found.items():
        asked = [*answers()[label]["answers"]]
        asked += ["in_words"] * bool(answers()[label]["criteria"])
        assert blank.splitlines() == [f"– {n}: not answered yet" for n in asked], label


@pytest.mark.parametrize("page", RUN)
def test_the_solution_passes(page, ran):
    for label, (_, right, _) in reports(ran[page][0]).items():
        marks = [line[0] for line in right.splitlines() if "in_words" not in line]
        assert marks == ["✓"] * len(answers()[label]["answers"]), f"{label}:\n{right}"


@pytest.mark.parametrize("page", RUN)
def test_a_wrong_answer_is_told_what_is_off(page, ran):
    for label, (_, _, bad) in reports(ran[page][0]).items():
        exercise, lines = answers()[label], bad.splitlines()
        for (name, expected), line in zip(exercise["answers"].items(), lines):
            assert line.startswith(f"✗ your {name}"), line
            assert "expected" in line
            if isinstance(expected["value"], float):
                assert "too large by" in line or line.endswith("?"), line
        told = [line for line in lines if line.startswith("  ☐ ")]
        assert [line[4:] for line in told] == exercise["criteria"]


def test_every_slip_that_an_author_foresaw_is_told():
    from pooling.exercises import compare

    foreseen = 0
    for label, exercise in answers().items():
        for name, expected in exercise["answers"].items():
            for said, slip in expected["slips"].items():
                lines = compare({**exercise, "criteria": []}, {name: slip})
                (line,) = [line for line in lines if line.startswith("✗")]
                assert line.endswith(said), f"{label}: {line}"
                foreseen += 1
    assert foreseen > len(answers())


def test_no_answer_is_so_lenient_that_it_asks_nothing():
    """Zero, or twice the answer, must not pass for it."""
    from pooling.exercises import compare

    for label, exercise in answers().items():
        for name, expected in exercise["answers"].items():
            if isinstance(expected["value"], str):
                continue
            values = expected["value"]
            values = values if isinstance(values, list) else [values]
            if max(map(abs, values)) < 0.1 and expected["within"] >= 0.1:
                continue  # the answer is that there is next to nothing
            for factor in (0.0, 2.5):
                off = [factor * value for value in values]
                given = {name: off if len(off) > 1 else off[0]}
                lines = compare({**exercise, "criteria": []}, given)
                assert any(x.startswith(f"✗ your {name}") for x in lines), (label, name)


# The first cell


def first(page: str) -> str:
    return code(read(page))[0].source


@pytest.mark.parametrize("page", CHAPTERS)
def test_the_first_cell_installs_the_wheel_and_the_pins(page):
    source = first(page)
    assert f'"{wheel().name}"' in source
    *_, packages, module = source.splitlines()
    assert re.fullmatch(r"%pip install --quiet (\S+==\S+ )+\{wheel\}", packages)
    assert module == "%pip install --quiet --no-deps --force-reinstall {wheel}"
    pins = [word for word in packages.split() if "==" in word]
    assert {Requirement(pin).name for pin in pins} == {"arviz", "nutpie", "pymc"}
    book = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    bare = [line.split(" ;")[0] for line in book]
    assert set(pins) <= set(bare)
    are_installed(*pins)


@cache
def are_installed(*pins: str) -> None:
    """What this book was run with: nothing would be fetched."""
    pip("install", "--dry-run", *pins)


@pytest.mark.parametrize("place", [".", ".."])
def test_the_first_cell_finds_the_wheel_near(place, tmp_path, monkeypatch):
    here = tmp_path / "students"
    here.mkdir()
    (here / place / wheel().name).write_bytes(b"")
    monkeypatch.chdir(here)
    source = "\n".join(x for x in first(CHAPTERS[0]).splitlines() if x[:1] != "%")
    names: dict = {}
    exec(source, names)
    assert Path(names["wheel"]).samefile(here / place / wheel().name)


def test_the_first_cell_knows_where_else_it_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pins = pinned(ROOT, PROJECT)
    for address in ("https://book.example/notebooks", ""):
        source = notebooks.first_cell("a.whl", pins, address)
        source = "\n".join(x for x in source.splitlines() if x[:1] != "%")
        names: dict = {}
        if address:
            exec(source, names)
            assert names["wheel"] == f"{address}/a.whl"
        else:
            with pytest.raises(FileNotFoundError, match="a.whl .* course.zip"):
                exec(source, names)


# The archive


def test_the_archive_holds_the_course():
    with zipfile.ZipFile(SITE / notebooks.COURSE) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    top = "borrowing-strength/"
    names = {short(page) for page in CHAPTERS}
    assert set(content) == {
        top + "README.md",
        top + "requirements.txt",
        top + wheel().name,
        *(f"{top}students/{name}.ipynb" for name in names),
        *(f"{top}solutions/{name}-solutions.ipynb" for name in names),
    }
    for name, data in content.items():
        served = FOLDER / name.rsplit("/", 1)[-1]
        if served.suffix in (".ipynb", ".whl"):
            assert data == served.read_bytes()
    readme = content[top + "README.md"].decode()
    assert "$" not in readme and wheel().name in readme
    for name in names:
        assert f"`{name}.ipynb`" in readme
    *pins, last = content[top + "requirements.txt"].decode().splitlines()[1:]
    assert last == f"./{wheel().name}"
    have = {Requirement(pin).name for pin in pins}
    assert have == set(closure(PROJECT)) - {PROJECT}


def test_the_archive_s_wheel_is_whole():
    with zipfile.ZipFile(io.BytesIO(wheel().read_bytes())) as archive:
        assert archive.testzip() is None
        assert "pooling/_data/radon.csv" in archive.namelist()
    assert wheel().stat().st_size < 2e6
