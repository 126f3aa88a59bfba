"""Read the book's sources: its pages in order, their prose and their cells."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
import re

from myst_nb.core.config import NbParserConfig
from myst_nb.core.read import create_nb_reader
from myst_parser.config.main import MdParserConfig
import yaml

from _sphinx.executing import chapter_cache

ROOT = Path(__file__).resolve().parents[1]


def pages(root: Path = ROOT) -> list[str]:
    """Every page of the table of contents, such as ``book/pooling/radon``."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    return list(_pages(toc))


def _pages(item) -> Iterator[str]:
    if isinstance(item, dict):
        for key, value in item.items():
            if key in ("root", "file"):
                yield value
            else:
                yield from _pages(value)
    elif isinstance(item, list):
        for entry in item:
            yield from _pages(entry)


def notebooks(root: Path = ROOT) -> list[str]:
    """The pages that hold code."""
    written = [name for name in pages(root) if (root / f"{name}.md").exists()]
    return [name for name in written if code_cells(read(name, root))]


def chapters(root: Path = ROOT) -> list[str]:
    """The pages that teach: all but those of the book, its parts and the reference."""
    return [
        name
        for name in pages(root)
        if not name.startswith("book/reference/") and not name.endswith("/index")
    ]


@cache
def read(docname: str, root: Path = ROOT):
    """A page as a notebook, not executed; None where it is plain Markdown."""
    path = root / f"{docname}.md"
    content = path.read_text(encoding="utf-8")
    config = MdParserConfig(enable_extensions={"colon_fence", "dollarmath"})
    reader = create_nb_reader(str(path), config, NbParserConfig(), content)
    return reader and reader.read(content)


def executed(docname: str, root: Path = ROOT):
    """A page with the outputs of its cells, from the cache that a build has left.

    Raises
    ------
    LookupError
        If it has not been run since its code, the module or the data changed.
    """
    try:
        return chapter_cache.with_outputs(read(docname, root), results(root))
    except LookupError as error:
        raise LookupError(f"{docname}: {error}") from None


@cache
def results(root: Path) -> Path:
    """The cache in which the results of a book as it is belong."""
    folder = root / "_build" / chapter_cache.FOLDER
    return folder / chapter_cache.ingredients_digest(root)


def code_cells(notebook) -> list:
    """The code cells of a notebook, in order."""
    cells = notebook.cells if notebook else []
    return [cell for cell in cells if cell.cell_type == "code"]


def tree(cell) -> ast.Module:
    """The syntax tree of a cell, whose IPython magics are left out."""
    lines = [
        "" if line.lstrip().startswith(("%", "!")) else line
        for line in cell.source.splitlines()
    ]
    return ast.parse("\n".join(lines))


def calls(cell, *names: str) -> list[ast.Call]:
    """The calls of a cell to any of the dotted names."""
    return [
        node
        for node in ast.walk(tree(cell))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in names
    ]


def image(cell) -> dict:
    """What a cell's metadata say of its figure."""
    return cell.metadata.get("mystnb", {})


def texts(docname: str, root: Path = ROOT) -> Iterator[str]:
    """The Markdown of a page: its prose, captions and alternative texts."""
    notebook = read(docname, root)
    if notebook is None:
        content = (root / f"{docname}.md").read_text(encoding="utf-8")
        yield re.sub(r"\A---\n.*?\n---\n", "", content, flags=re.S)
        return
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            yield cell.source
        else:
            yield image(cell).get("figure", {}).get("caption", "")
            yield image(cell).get("image", {}).get("alt", "")


GLUE = re.compile(r"\{glue:\w+\}`([^`:]+)[^`]*`")


def glue_keys(docname: str, root: Path = ROOT) -> set[str]:
    """The keys that a page's prose and captions ask for."""
    return {key for text in texts(docname, root) for key in GLUE.findall(text)}


#: Directives whose body or argument is not prose.
_NOT_PROSE = {"math", "bibliography", "fits-table", "data-cards", "code-block"}
_NO_TITLE = {"exercise-start", "solution-start", "figure", "image", "include"}
_FENCE = re.compile(
    r"^[ \t]*(?P<fence>`{3,}|:{3,})(?:\{(?P<name>[^}]+)\})?(?P<title>.*)$"
)
_STRIP = (
    (re.compile(r"<!--.*?-->", re.S), ""),
    (re.compile(r"^%.*$", re.M), ""),
    (re.compile(r"\$\$.*?\$\$(?:[ \t]*\([\w-]+\))?", re.S), " "),
    (re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.S), " "),
    # A role: what it prints is computed or kept elsewhere, but for its own title.
    (re.compile(r"\{[\w:+.-]+\}`([^`<]*?)\s*<[^`]*>`", re.S), r"\1"),
    (re.compile(r"\{term\}`([^`]*)`", re.S), r"\1"),
    (re.compile(r"\{[\w:+.-]+\}`[^`]*`", re.S), " "),
    (re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)", re.S), " "),
    (re.compile(r"(?<![\\$])\$(?!\s)[^$]+?(?<!\s)\$", re.S), " "),
    (re.compile(r"\]\([^)\s]*\)"), "]"),
    (re.compile(r"<https?:[^>]*>"), " "),
    (re.compile(r"^\([\w-]+\)=\s*$", re.M), ""),
    (re.compile(r"\{[#.][^}]*\}"), ""),
    # The number of an item in a list counts nothing.
    (re.compile(r"^([ \t]*)\d+[.)][ \t]", re.M), r"\1"),
)


def prose(text: str) -> str:
    """Markdown without code, mathematics, roles, addresses and labels."""
    text = _without_fences(text)
    for pattern, by in _STRIP:
        text = pattern.sub(by, text)
    return text


def _without_fences(text: str) -> str:
    """Drop fenced code and the machinery of directives; keep what they print."""
    kept, opened, code, options = [], [], None, False
    for line in text.splitlines():
        found = _FENCE.match(line)
        fence, name, title = found.groups() if found else ("", None, "")
        bare = found and not name and not title.strip()
        if code is not None:
            # Inside code, until a fence as long as the one that began it.
            code = None if bare and fence.startswith(code) else code
        elif bare and opened and fence.startswith(opened[-1]):
            opened.pop()
        elif found and (not name or name in _NOT_PROSE or name.startswith("code")):
            code = fence
        elif found:
            opened.append(fence)
            options = True
            if name not in _NO_TITLE:
                kept.append(title)
        elif options and re.match(r"^[ \t]*:[\w-]+:", line):
            continue
        else:
            options = False
            kept.append(line)
    return "\n".join(kept)
