"""Write each chapter as two notebooks, for students and with solutions, and zip them.

A chapter with exercises becomes ``notebooks/<name>.ipynb``, where each exercise is a
question with an empty cell and a cell that checks what was put there, and
``notebooks/<name>-solutions.ipynb``. Both come from the page as Sphinx has resolved it,
so that a solution is written once, in the chapter. The wheel that they install lies
beside them; ``course.zip`` holds all of it.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
import re
from string import Template
import textwrap
from typing import NamedTuple
from urllib.parse import urljoin

from docutils import nodes
import nbformat
from packaging.requirements import Requirement
from sphinx.application import Sphinx
from sphinx_exercise.nodes import is_exercise_node, is_solution_node

from _sphinx.content.explorable import explorable
from _sphinx.contents import chapters, exercises, number, short_name
from _sphinx.downloads import wheel as wheel_builder
from _sphinx.downloads.markdown import Markdown
from _sphinx.events import when_html_is_built
from _sphinx.executing import records
from _sphinx.executing.parallel import executed
from _sphinx.files import write_zip
from _sphinx.requirements import PROJECT, pinned
from _sphinx.web import hosting

#: Where the notebooks are on the site, and what ends the name of one with solutions.
FOLDER = "notebooks"
SOLUTIONS = "-solutions"
COURSE = "course.zip"
#: What a notebook pins: the rest follows from the wheel's own needs.
PINNED = ("arviz", "nutpie", "pymc")
COLAB = "https://colab.research.google.com/github"
WIDTH = 78


class Chapter(NamedTuple):
    """A page with exercises: its name, its resolved tree, and its answers."""

    docname: str
    document: nodes.document
    answers: dict[str, dict]
    given: dict[str, dict[str, str]]

    @property
    def name(self) -> str:
        return short_name(self.docname)

    @property
    def title(self) -> str:
        return next(self.document.findall(nodes.title)).astext()


# What is written


def answers_and_expressions(env, docname: str) -> tuple[dict, dict]:
    """The answers of a page's exercises, and how its cells compute them.

    Raises
    ------
    ValueError
        If an exercise has no answers to check against.
    """
    notebook = executed(env, docname)
    answers, given = records.exercises(notebook), expressions(notebook)
    if missing := set(exercises(env, docname)) - set(answers):
        raise ValueError(f"{docname}.md: nothing checks {sorted(missing)}")
    for label, names in given.items():
        # A cached notebook has forgotten the order of the names.
        in_order = {name: answers[label]["answers"][name] for name in names}
        answers[label] = answers[label] | {"answers": in_order}
    return answers, given


def write_notebooks(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Write the two notebooks of a page that is being written."""
    if doctree is None or not exercises(app.env, pagename):
        return
    chapter = Chapter(pagename, doctree, *answers_and_expressions(app.env, pagename))
    root = Path(app.srcdir)
    first = first_cell(wheel_builder.NAME, module_pins(root), hosting.files())
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    for solved in (False, True):
        notebook = NotebookWriter(app, chapter, solved).notebook(first)
        file = folder / f"{chapter.name}{SOLUTIONS if solved else ''}.ipynb"
        file.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")


def write_course(app: Sphinx) -> None:
    """Write the wheel that the notebooks install, and the course's archive."""
    root, folder = Path(app.srcdir), Path(app.outdir) / FOLDER
    names = chapters(app.env)
    if not names:
        raise ValueError("no page has an exercise to make a notebook of")
    answers = [answers_and_expressions(app.env, name)[0] for name in names]
    wheel_builder.build(
        root, {label: each for page in answers for label, each in page.items()}, folder
    )
    stems = [short_name(name) for name in names]
    wanted = {f"{stem}{end}.ipynb" for stem in stems for end in ("", SOLUTIONS)}
    for old in folder.iterdir():
        if old.name not in wanted | {wheel_builder.NAME}:
            old.unlink()
    pins = module_pins(root)
    rows = [
        (app.env.titles[name].astext(), stem, len(page))
        for name, stem, page in zip(names, stems, answers)
    ]
    extras = {
        "requirements.txt": requirements(pins, wheel_builder.NAME),
        "README.md": readme(rows, wheel_builder.NAME, root),
    }
    zip_course(Path(app.outdir) / COURSE, folder, extras)


def expressions(notebook) -> dict[str, dict[str, str]]:
    """How each exercise's answers are computed: label -> variable -> expression."""
    found: dict[str, dict[str, str]] = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or "exercises.expect" not in cell.source:
            continue
        for call in ast.walk(ast.parse(cell.source)):
            if isinstance(call, ast.Call) and _ends(call.func, "expect"):
                found[call.args[0].value] = {
                    keyword.arg: ast.get_source_segment(cell.source, value.args[0])
                    for keyword in call.keywords
                    if _ends((value := keyword.value).func, "answer")
                }
    return found


def _ends(function: ast.expr, name: str) -> bool:
    return isinstance(function, ast.Attribute) and function.attr == name


class NotebookWriter:
    """Writes one chapter as one notebook."""

    def __init__(self, app: Sphinx, chapter: Chapter, solved: bool):
        self.env, self.chapter, self.solved = app.env, chapter, solved
        uri = app.builder.get_target_uri(chapter.docname)
        self.page = urljoin(site, uri) if (site := hosting.site()) else ""
        self.markdown = Markdown(self.address)
        self.cells: list = []
        self.cited: dict[str, str] = {}

    def notebook(self, first: str):
        """The whole notebook, with `first` as its first code cell."""
        (section,) = self.chapter.document.findall(
            lambda n: (
                isinstance(n, nodes.section) and isinstance(n.parent, nodes.document)
            )
        )
        for node in section.findall(nodes.math_block):
            if node.get("label"):
                node["number"] = self.number_of("displaymath", node)
        title, *rest = section.children
        self.add_markdown(self.markdown.block(title), self.introduction())
        self.add_code(first)
        self.section(rest, 1)
        if self.cited:
            listed = (f"- {text}" for text in self.cited.values())
            self.add_markdown("## References", "\n".join(listed))
        for place, cell in enumerate(self.cells):
            cell["id"] = f"cell-{place}"
        return nbformat.v4.new_notebook(
            cells=self.cells,
            metadata={
                "kernelspec": {
                    "display_name": "Python 3",
                    "language": "python",
                    "name": "python3",
                },
                "language_info": {"name": "python"},
            },
        )

    def introduction(self) -> str:
        """What this notebook is, under its title."""
        book = (
            f"[*Borrowing Strength*]({self.page})"
            if self.page
            else "*Borrowing Strength*"
        )
        if self.solved:
            return f"A chapter of {book}, with the solutions of its exercises."
        return (
            f"A chapter of {book}. Run its cells from the top: the exercises at the "
            "end use what they compute. Each exercise has a cell for your answers, "
            "and below it one that checks them."
        )

    def section(self, children, level: int) -> None:
        """The children of a section, whose own title has that level."""
        for node in children:
            if isinstance(node, nodes.section):
                self.section(node.children, level + 1)
            elif is_exercise_node(node):
                self.exercise(node)
            elif is_solution_node(node):
                if self.solved:
                    self.solution(node)
            elif "cell" in node.get("classes", ()) and "cell_index" in node:
                self.cell(node)
            elif isinstance(node, nodes.figure):
                self.add_markdown(self.caption(node))
            else:
                self.add_markdown(self.markdown.block(node, level))

    def cell(self, node: nodes.container) -> None:
        """A cell of the chapter, and the caption of its figure."""
        for source in node.findall(_is_source):
            folded = "tag_hide-input" in node["classes"]
            # What the page folds, JupyterLab folds too.
            self.add_code(
                source.astext(), {"jupyter": {"source_hidden": True}} if folded else {}
            )
        for figure in node.findall(nodes.figure):
            self.add_markdown(self.caption(figure))

    def caption(self, node: nodes.figure) -> str:
        """A figure's number and caption; of one that moves, where to find it."""
        (caption,) = node.findall(nodes.caption)
        numbered = self.number_of("figure", node)
        text = f"*Figure {numbered}.* {self.markdown.inline(caption)}"
        if any(node.findall(explorable)):
            text += " (This figure is interactive on the book's page.)"
        return text

    def exercise(self, node: nodes.Element) -> None:
        """The question, an empty cell and the check; no cells of a solution."""
        title, *body = node.children
        label = node["label"]
        self.add_markdown(
            f"### Exercise {self.number_of('exercise', node)}", *self.prose(body)
        )
        if not self.solved:
            self.add_code(answers_cell(self.chapter.answers[label]))
            self.add_code(check_cell(label))

    def solution(self, node: nodes.Element) -> None:
        """The solution's text and cells, its answers by name, and their check."""
        title, *body = node.children
        label = node["target_label"]
        self.add_markdown("#### Solution")
        for part in body:
            self.section(
                part.children if isinstance(part, nodes.section) else [part], 4
            )
        given = self.chapter.given[label]
        named = (
            f"{name} = {assignable(how)}" for name, how in given.items() if name != how
        )
        self.add_code("\n".join(named))
        self.add_code(check_cell(label))

    def prose(self, body) -> list[str]:
        return [
            block
            for part in body
            for block in (
                self.markdown.blocks(part)
                if isinstance(part, nodes.section)
                else [self.markdown.block(part)]
            )
        ]

    def number_of(self, kind: str, node: nodes.Element) -> str:
        """The number of a figure, a formula or an exercise, as the page has it."""
        return number(self.env, self.chapter.docname, kind, node)

    def address(self, node: nodes.reference) -> str | None:
        """Where a link leads from anywhere; None where only the book has it."""
        if text := node.get("reftitle"):
            self.cited[node["refuri"]] = Markdown(lambda _: None).inline(
                nodes.inline("", "", nodes.Text(text))
            )
            return None
        uri = node.get("refuri", "")
        if not node.get("internal"):
            return uri or None
        return urljoin(self.page, uri) if self.page and uri else None

    def add_markdown(self, *blocks: str) -> None:
        """Add to the Markdown cell at the end, or begin one."""
        text = "\n\n".join(block for block in blocks if block)
        if not text:
            return
        # A title begins a cell, so that a notebook can be folded by sections.
        last = self.cells[-1] if self.cells else None
        if last and last.cell_type == "markdown" and not text.startswith("#"):
            last.source += "\n\n" + text
        else:
            self.cells.append(nbformat.v4.new_markdown_cell(text))

    def add_code(self, source: str, about: dict | None = None) -> None:
        if source.strip():
            self.cells.append(nbformat.v4.new_code_cell(source, metadata=about or {}))


def _is_source(node: nodes.Node) -> bool:
    return (
        isinstance(node, nodes.literal_block)
        and node.parent.get("nb_element") == "cell_code_source"
    )


# Cells that a chapter does not have


def first_cell(wheel: str, pins: dict[str, str], address: str) -> str:
    """Install the wheel and the pins, here or in Colab."""
    versions = " ".join(f"{name}=={_version(pins[name])}" for name in PINNED)
    if address:
        elsewhere = f'wheel = str(near[0]) if near else "{address}/" + wheel'
    else:
        elsewhere = """\
if not near:
    raise FileNotFoundError(
        f"{wheel} has to be beside this notebook. It is in course.zip, which is "
        '"The whole course" in the download menu of each chapter.'
    )
wheel = str(near[0])"""
    return f"""\
# Run this first. It installs the book's module, which brings its data, and the
# versions of PyMC and ArviZ that the book was built with.
from pathlib import Path

wheel = "{wheel}"
near = [path for path in (Path(wheel), Path("..") / wheel) if path.exists()]
{elsewhere}
%pip install --quiet {versions} {{wheel}}
%pip install --quiet --no-deps --force-reinstall {{wheel}}"""


def answers_cell(exercise: dict) -> str:
    """The source of the cell for a student's answers: their names, and what each is."""
    lines = ["# Your work, and your answers under these names."]
    for name, answer in exercise["answers"].items():
        what = answer["what"]
        if "entries" in answer:
            what += f" (in this order: {', '.join(answer['entries'])})"
        lines += ["", *textwrap.wrap(f"# {what}", WIDTH, subsequent_indent="# ")]
        lines.append(f"{name} = ...")
    if exercise["criteria"]:
        lines += ["", "# why, in a few sentences", 'in_words = """', '"""']
    return "\n".join(lines)


def check_cell(label: str) -> str:
    return f'pooling.exercises.check("{label}")'


def assignable(expression: str) -> str:
    """An expression as it may stand after ``name =``."""
    one = textwrap.dedent(expression)
    return f"(\n    {one}\n)" if "\n" in one and one[0] not in "([{" else one


# What else is in the archive


@cache
def module_pins(root: Path) -> dict[str, str]:
    """The pinned lines of the packages that the module needs."""
    return pinned(root, PROJECT)


def _version(line: str) -> str:
    return next(iter(Requirement(line).specifier)).version


def requirements(pins: dict[str, str], wheel: str) -> bytes:
    """The pinned set of a class, which ends with the wheel beside it."""
    lines = [
        "# The versions that the book was built with.",
        *pins.values(),
        f"./{wheel}",
    ]
    return ("\n".join(lines) + "\n").encode()


def readme(chapters: list[tuple[str, str, int]], wheel: str, root: Path) -> bytes:
    """For the teacher: each chapter's title, notebook and number of exercises."""
    text = (Path(__file__).parent / "course_readme.md").read_text(encoding="utf-8")
    rows = "\n".join(
        f"| {title} | `{stem}.ipynb` | {count} |" for title, stem, count in chapters
    )
    return (
        Template(text)
        .substitute(
            wheel=wheel,
            python=pythons(root),
            chapters=f"| chapter | notebook | exercises |\n|---|---|---|\n{rows}",
        )
        .encode()
    )


def pythons(root: Path) -> str:
    """The Pythons that the project names, such as "3.12, 3.13 or 3.14"."""
    text = (root / "pyproject.toml").read_text(encoding="utf-8")
    *most, last = re.findall(r"Python :: (\d+\.\d+)", text)
    return f"{', '.join(most)} or {last}"


def zip_course(path: Path, folder: Path, extras: dict[str, bytes]) -> None:
    """One archive with one folder in it; the same content gives the same bytes."""
    content = dict(extras)
    for file in folder.iterdir():
        if file.suffix == ".whl":
            name = file.name
        elif file.stem.endswith(SOLUTIONS):
            name = f"solutions/{file.name}"
        else:
            name = f"students/{file.name}"
        content[name] = file.read_bytes()
    top = Path("borrowing-strength")
    write_zip(path, {(top / name).as_posix(): data for name, data in content.items()})


# The page's header


def add_buttons(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Downloads, and Colab where it can open the notebook, in a chapter's header."""
    if doctree is None or not exercises(app.env, pagename):
        return
    name = short_name(pagename)
    files = {
        f"{FOLDER}/{name}.ipynb": "Notebook for students",
        f"{FOLDER}/{name}{SOLUTIONS}.ipynb": "Notebook with solutions",
        COURSE: "The whole course (zip)",
    }
    context["downloads"] += [{"path": a, "text": text} for a, text in files.items()]
    if address := hosting.github():
        url = f"{COLAB}/{address}/blob/{hosting.BRANCH}/{name}.ipynb"
        context["page_links"].append({"url": url, "text": "Open in Colab"})


def setup(app: Sphinx) -> None:
    app.connect("html-page-context", add_buttons)
    app.connect("html-page-context", write_notebooks)
    when_html_is_built(app, write_course)
