"""An ES module and those it imports, as one classic script.

From a file a browser loads no module. The explorables are to answer there too, so
the site has each of them in one script, and the modules stay what one reads and
changes. Known are the forms that they use: named imports of a neighbour, and
``export`` before a function, a class or a constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
import re

_IMPORT = re.compile(r'^import\s*\{([^}]*)\}\s*from\s*"\./([\w-]+\.js)";$', re.M)
_EXPORT = re.compile(
    r"^export (?=(?:async )?(?:function\*?|class|const) ([\w$]+))", re.M
)
#: What a module could also say, and what is not known here.
_OTHER = re.compile(
    r"^\s*(?:import\b|export\b).*|.*\b(?:import\s*\(|import\.meta\b|await import\b).*",
    re.M,
)


def one_script(entry: Path) -> str:
    """The script of a module: a function for each module, the imported ones first.

    Modules are kept by name, so that two scripts on one page share theirs.

    Raises
    ------
    ValueError
        If a module imports or exports in another form, or in a circle.
    """
    body = "\n".join(_function(path) for path in _in_order(entry, ()))
    return (
        f"// {entry.name} with what it imports, bundled by {Path(__file__).name}.\n"
        f"(() => {{\nconst modules = (globalThis.bookModules ??= {{}});\n{body}}})();\n"
    )


def _in_order(path: Path, importers: tuple[Path, ...]) -> Iterator[Path]:
    if path in importers:
        raise ValueError(f"{path.name} imports itself, by way of others")
    found: dict[Path, None] = {}
    for _, name in _IMPORT.findall(path.read_text(encoding="utf-8")):
        found.update(dict.fromkeys(_in_order(path.parent / name, (*importers, path))))
    yield from found
    yield path


def _function(path: Path) -> str:
    source = path.read_text(encoding="utf-8")
    names = ", ".join(_EXPORT.findall(source))

    def constant(match: re.Match) -> str:
        inside = match[1].replace(" as ", ": ")
        return f'const {{{inside}}} = modules["{match[2]}"];'

    source = _EXPORT.sub("", _IMPORT.sub(constant, source))
    if other := _OTHER.search(source):
        raise ValueError(f"{path.name}: {other[0].strip()}")
    return (
        f'modules["{path.name}"] ??= (() => {{\n"use strict";\n{source}'
        f"return {{ {names} }};\n}})();\n"
    )
