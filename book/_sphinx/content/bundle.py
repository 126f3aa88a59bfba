"""Bundle an ES module and those it imports into one classic script.

Browsers load no module from a file, and the interactive figures are to work there too.
So the site has each of them as one script, while its modules stay what is read and
changed. Understood are the forms that they use: named imports of a neighbour, and
``export`` before a function, a class or a constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from tree_sitter import Language, Node, Parser, Query, QueryCursor
import tree_sitter_javascript

JAVASCRIPT = Language(tree_sitter_javascript.language())
#: What a module could also say, and what is not understood here.
OTHER = Query(
    JAVASCRIPT,
    """
    (export_statement !declaration) @other
    (import_statement !source) @other
    (meta_property) @other
    (call_expression function: (import)) @other
    """,
)


class Module(NamedTuple):
    """A module's text without imports and exports, and what these named."""

    name: str
    body: str
    imports: list[tuple[str, str]]  # file name, and the names as a pattern
    exports: list[str]


def bundle(entry: Path) -> str:
    """The script of a module: a function for each module, the imported ones first.

    Modules are kept by name, so that two scripts on one page share theirs.

    Raises
    ------
    ValueError
        If a module imports or exports in another form, or in a circle.
    """
    parts = [f"// {entry.name} and the modules that it imports.", "(() => {"]
    parts.append("const modules = (globalThis.bookModules ??= {});")
    parts += map(_function, _in_order(entry, ()))
    return "\n".join([*parts, "})();\n"])


def _in_order(path: Path, importers: tuple[Path, ...]) -> Iterator[Module]:
    if path in importers:
        raise ValueError(f"{path.name} imports itself, by way of others")
    module, found = _read(path), {}
    for name, _ in module.imports:
        for each in _in_order(path.parent / name, (*importers, path)):
            found[each.name] = each
    yield from found.values()
    yield module


def _function(module: Module) -> str:
    lines = [f'modules["{module.name}"] ??= (() => {{', '"use strict";']
    lines += [
        f'const {names} = modules["{name}"];' for name, names in module.imports
    ]
    lines += [module.body, f"return {{ {', '.join(module.exports)} }};", "})();"]
    return "\n".join(lines)


@cache
def _read(path: Path) -> Module:
    source = path.read_bytes()
    tree = Parser(JAVASCRIPT).parse(source).root_node
    if tree.has_error:
        raise ValueError(f"{path.name}: this is no JavaScript that could be read")
    if other := QueryCursor(OTHER).captures(tree).get("other"):
        raise ValueError(f"{path.name}: {other[0].text.decode()}")
    body, imports, exports = [], [], []
    for node in tree.children:
        if node.type == "import_statement":
            imports.append(_import(path, node))
        elif node.type == "export_statement":
            declared = node.child_by_field_name("declaration")
            exports += _names(declared)
            # With the comment that may stand between.
            body.append(source[declared.start_byte : node.end_byte].decode())
        else:
            body.append(node.text.decode())
    return Module(path.name, "\n".join(body), imports, exports)


def _import(path: Path, node: Node) -> tuple[str, str]:
    """The neighbour that is imported from, and the names as a pattern of `const`."""
    clause = next((c for c in node.children if c.type == "import_clause"), None)
    named = clause and clause.named_children[0]
    if named is None or named.type != "named_imports" or clause.named_child_count > 1:
        raise ValueError(f"{path.name}: {node.text.decode()}")
    pairs = [
        [part.text.decode() for part in each.named_children]
        for each in named.named_children
        if each.type == "import_specifier"
    ]
    source = node.child_by_field_name("source").named_children[0].text.decode()
    return source.removeprefix("./"), f"{{ {', '.join(map(': '.join, pairs))} }}"


def _names(declared: Node) -> list[str]:
    """What a declaration declares: a function, a class, or constants."""
    if (name := declared.child_by_field_name("name")) is not None:
        return [name.text.decode()]
    return [
        child.child_by_field_name("name").text.decode()
        for child in declared.named_children
        if child.type == "variable_declarator"
    ]
