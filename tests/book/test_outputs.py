"""What every chapter's cells are, and what they left when they ran."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
import sys

import nbformat
import pytest

from _sphinx.downloads.notebooks import expressions
import chapters

NOTEBOOKS = chapters.notebooks()
CHAPTERS = chapters.chapters()
#: Characters a line: what a reader sees, and what the project's own code may have.
SHOWN, REMOVED = 78, 88
#: What the reader's browser can import as well, besides the standard library.
PACKAGES = {
    "arviz",
    "matplotlib",
    "numpy",
    "pandas",
    "pooling",
    "pymc",
    "scipy",
    "xarray",
}
WARNING = re.compile(r"\b[A-Z]\w*Warning\b|\bWARNING\b|\bWarning:")
GATE = re.compile(
    r"\{(?P<gate>(?:exercise|solution)(?:-start|-end)?)\}[ \t]*(?P<of>\S*)[^\n]*"
    r"(?P<options>(?:\n[ \t]*:[\w-]+:[^\n]*)*)"
)


def short(page: str) -> str:
    return page.removeprefix("book/")


def code(page: str) -> list:
    return chapters.code_cells(chapters.read(page))


def warnings(cell) -> list[str]:
    """The outputs of a cell that warn, or that went to stderr."""
    found = []
    for output in cell.get("outputs", []):
        if output.output_type == "error" or output.get("name") == "stderr":
            found.append(str(output.get("text") or output.get("traceback")))
            continue
        texts = [output.get("text", "")]
        texts += [
            data
            for mime, data in output.get("data", {}).items()
            if mime.startswith("text/")
        ]
        found += [text for text in texts if WARNING.search(text)]
    return found


def hidden(cell) -> bool:
    """Whether a page leaves the code of a cell out."""
    return bool({"remove-cell", "remove-input"} & set(cell.metadata.get("tags", [])))


def imports(cell) -> set[str]:
    """The packages that a cell imports."""
    found = set()
    for node in ast.walk(chapters.tree(cell)):
        if isinstance(node, ast.Import):
            found |= {name.name.split(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
    return found


def exercises(notebook) -> tuple[list[str], dict[str, list]]:
    """The labels of the exercises, and by label the code cells of its solution."""
    asked, solved, current = [], {}, None
    for cell in notebook.cells:
        if cell.cell_type == "code":
            if current is not None:
                solved[current].append(cell)
            continue
        for match in GATE.finditer(cell.source):
            gate = match["gate"]
            label = re.search(r":label:[ \t]*(\S+)", match["options"])
            if gate in ("exercise", "exercise-start"):
                asked.append(label[1] if label else "")
            elif gate in ("solution", "solution-start"):
                current = match["of"] if gate == "solution-start" else None
                solved[match["of"]] = []
            elif gate == "solution-end":
                current = None
    return asked, solved


def pictures(cell) -> list:
    return [
        output
        for output in cell.get("outputs", [])
        if any(mime.startswith("image/") for mime in output.get("data", {}))
    ]


@pytest.mark.parametrize("page", chapters.pages())
def test_every_page_of_the_contents_is_there(page):
    assert (chapters.ROOT / f"{page}.md").exists()


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_no_output_warns(page, ran):
    cells = chapters.code_cells(ran(short(page)))
    found = [text for cell in cells for text in warnings(cell)]
    assert not found, f"{page}.md: " + "\n".join(found)


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_cells_ran_once_each_in_order(page, ran):
    cells = [c for c in chapters.code_cells(ran(short(page))) if c.source.strip()]
    counts = [cell.execution_count for cell in cells]
    assert counts == list(range(1, len(cells) + 1))


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_cells_import_what_a_browser_can(page):
    used = set().union(*map(imports, code(page)))
    assert used <= PACKAGES | sys.stdlib_module_names


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_lines_of_code_fit_on_the_page(page):
    long = [
        line
        for cell in code(page)
        for line in cell.source.splitlines()
        if len(line) > (REMOVED if hidden(cell) else SHOWN)
    ]
    assert not long, f"{page}.md: longer than {SHOWN}:\n" + "\n".join(long)


@pytest.mark.parametrize("page", CHAPTERS)
def test_every_chapter_has_exercises_and_every_exercise_a_solution(page):
    asked, solved = exercises(chapters.read(page))
    assert len(asked) >= 3
    assert len(set(asked)) == len(asked) and "" not in asked
    assert sorted(asked) == sorted(solved)


@pytest.mark.parametrize("page", CHAPTERS)
def test_every_solution_ran(page, ran):
    for label, cells in exercises(ran(short(page)))[1].items():
        done = [cell for cell in cells if cell.execution_count]
        assert cells and done == cells, f"{label}: no code, or code that did not run"
        assert any(cell.outputs for cell in cells), f"{label}: its code shows nothing"


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_figure_is_described_named_and_captioned(page, ran):
    for cell in chapters.code_cells(ran(short(page))):
        if not pictures(cell):
            continue
        about = chapters.image(cell)
        what = f"{page}.md:\n{cell.source}"
        assert len(pictures(cell)) == 1, "one figure a cell: " + what
        assert len(about.get("image", {}).get("alt", "")) > 20, what
        assert about.get("figure", {}).get("name", "").startswith("fig-"), what
        assert about["figure"].get("caption", "").strip(), what


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_no_figure_comes_with_the_name_of_an_object(page, ran):
    """Such as ``Text(0.5, 1.0, 'title')``, where a semicolon is missing."""
    for cell in chapters.code_cells(ran(short(page))):
        results = [o for o in cell.outputs if o.output_type == "execute_result"]
        assert not (pictures(cell) and results), f"{page}.md:\n{cell.source}"


def notebook(*cells):
    return nbformat.v4.new_notebook(
        cells=[
            nbformat.v4.new_markdown_cell(cell)
            if isinstance(cell, str)
            else nbformat.v4.new_code_cell(cell[0])
            for cell in cells
        ]
    )


def test_exercises_are_found_with_their_solutions():
    start = ":::{exercise-start}\n:label: ex-a-1\n:::\nWhy?\n:::{exercise-end}\n:::\n"
    book = notebook(
        start + ":::{solution-start} ex-a-1\n:label: sol-a-1\n:class: dropdown\n:::",
        ["1 + 1"],
        "So.\n\n:::{solution-end}\n:::\n\n"
        "```{exercise}\n:label: ex-a-2\nAnd why not?\n```",
        ["2 + 2"],
    )
    asked, solved = exercises(book)
    assert asked == ["ex-a-1", "ex-a-2"]
    assert {label: [c.source for c in cells] for label, cells in solved.items()} == {
        "ex-a-1": ["1 + 1"]
    }


@pytest.mark.parametrize(
    "output",
    [
        nbformat.v4.new_output("stream", name="stderr", text="hm"),
        nbformat.v4.new_output("stream", name="stdout", text="FutureWarning: x"),
        nbformat.v4.new_output("display_data", data={"text/plain": "WARNING"}),
        nbformat.v4.new_output("error", ename="E", evalue="v", traceback=["t"]),
    ],
)
def test_a_warning_is_found(output):
    assert warnings(nbformat.v4.new_code_cell("x", outputs=[output]))


def names(cell) -> tuple[set[str], set[str]]:
    """The names that a cell binds, anywhere in it, and those that it reads."""
    bound, read = set(), set()
    for node in ast.walk(chapters.tree(cell)):
        if isinstance(node, ast.Name):
            (read if isinstance(node.ctx, ast.Load) else bound).add(node.id)
        elif isinstance(node, ast.alias):
            bound.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            bound.add(node.name)
        elif isinstance(node, ast.arg):
            bound.add(node.arg)
    return bound, read


def left_behind(cell) -> set[str]:
    """The names that later cells can use: not those of a function's own."""
    table = symtable.symtable(ast.unparse(chapters.tree(cell)), "cell", "exec")
    return {
        symbol.get_name()
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }


def needed_of_removed(cells) -> set[str]:
    """The names that shown cells use, and that only removed cells have bound."""
    left_out, shown, needed = set(), set(), set()
    for cell in cells:
        bound, read = names(cell)
        if hidden(cell):
            left_out |= left_behind(cell) - shown
            continue
        needed |= read & left_out - bound - shown
        shown |= left_behind(cell)
    return needed


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_the_cells_on_the_page_need_none_that_is_left_out(page):
    """A reader copies what is shown, and cannot copy a cell that the page removes."""
    needed = needed_of_removed(code(page))
    assert not needed, f"{page}.md: bound in a removed cell alone: {needed}"


def test_an_argument_of_a_function_is_no_name_for_later_cells():
    cells = [
        nbformat.v4.new_code_cell("def mean(draws):\n    return draws.mean()"),
        nbformat.v4.new_code_cell("draws = 1", metadata={"tags": ["remove-cell"]}),
        nbformat.v4.new_code_cell("mean(draws)"),
    ]
    assert needed_of_removed(cells) == {"draws"}
    assert not needed_of_removed(cells[:2])


@pytest.mark.parametrize("page", CHAPTERS)
def test_an_answer_is_computed_from_what_the_page_shows(page):
    """The notebook with solutions has the expression and no cell that was removed."""
    shown = set().union(*(names(cell)[0] for cell in code(page) if not hidden(cell)))
    for label, answers in expressions(chapters.read(page)).items():
        for name, expression in answers.items():
            bound, read = names(nbformat.v4.new_code_cell(f"({expression})"))
            unknown = read - bound - shown - set(dir(builtins))
            assert not unknown, f"{page}.md, {label}, {name}: {unknown}"
