"""Write an ES module and the modules that it imports as one classic script.

A browser loads no module for a page that was opened as a file, and the explorables are
to work there too. Tree-sitter parses the modules; the forms that they use are named
imports from a neighbouring module, and ``export`` before a declaration.
"""

from __future__ import annotations

from pathlib import Path

from tree_sitter import Language, Node, Parser, Query, QueryCursor
import tree_sitter_javascript

JAVASCRIPT = Language(tree_sitter_javascript.language())
#: What no classic script has: ``import(...)``, ``import.meta`` and its like.
DYNAMIC = Query(
    JAVASCRIPT, "[(call_expression function: (import)) (meta_property)] @form"
)


def bundle(entry: Path) -> str:
    """The script of a module: a function for each module, the imported ones first.

    The modules are kept in ``globalThis.bookModules``, so that the scripts of two
    explorables on one page share them.

    Raises
    ------
    ValueError
        If a module imports or exports in another form, or imports itself.
    """
    functions: dict[str, str] = {}
    add_function(entry, functions, importers=())
    body = "".join(functions.values())
    return (
        f"// {entry.name} and the modules that it imports, as one script.\n"
        f"(() => {{\nconst modules = (globalThis.bookModules ??= {{}});\n{body}}})();\n"
    )


def add_function(path: Path, functions: dict[str, str], importers: tuple) -> None:
    """Add a module's function, after those of the modules that it imports."""
    if path in importers:
        raise ValueError(f"{path.name} imports itself, by way of others")
    source = path.read_bytes()
    tree = Parser(JAVASCRIPT).parse(source).root_node
    if tree.has_error:
        raise ValueError(f"{path.name} is not valid JavaScript")
    for form in QueryCursor(DYNAMIC).captures(tree).get("form", ()):
        raise unknown(path, form)
    body, exports, end = b"", [], 0
    for statement in tree.children:
        if statement.type == "import_statement":
            imported, written = constants(path, statement)
            if imported not in functions:
                add_function(path.parent / imported, functions, (*importers, path))
        elif statement.type == "export_statement":
            names, written = exported(path, statement)
            exports += names
        else:
            continue
        body += source[end : statement.start_byte] + written
        end = statement.end_byte
    body += source[end:]
    functions[path.name] = (
        f'modules["{path.name}"] ??= (() => {{\n"use strict";\n{body.decode()}'
        f"return {{ {', '.join(exports)} }};\n}})();\n"
    )


def constants(path: Path, statement: Node) -> tuple[str, bytes]:
    """The module that a statement imports from, and constants in its place."""
    module = statement.child_by_field_name("source").text.decode().strip("\"'")
    match [child for node in statement.named_children for child in node.named_children]:
        case [Node(type="named_imports") as names, _] if module.startswith("./"):
            pairs = (
                b": ".join(part.text for part in specifier.named_children)
                for specifier in names.named_children
            )
            module = module.removeprefix("./")
            taken = f' }} = modules["{module}"];'.encode()
            return module, b"const { " + b", ".join(pairs) + taken
    raise unknown(path, statement)


def exported(path: Path, statement: Node) -> tuple[list[str], bytes]:
    """The names that a statement exports, and its declaration alone."""
    match statement.children:
        case [_, Node(type="lexical_declaration") as declaration] if (
            declaration.child_by_field_name("kind").text == b"const"
        ):
            parts = declaration.named_children
        case [_, declaration] if declaration.child_by_field_name("name"):
            parts = [declaration]
        case _:
            raise unknown(path, statement)
    names = [part.child_by_field_name("name") for part in parts]
    if any(name.type != "identifier" for name in names):
        raise unknown(path, statement)
    return [name.text.decode() for name in names], declaration.text


def unknown(path: Path, node: Node) -> ValueError:
    form = node.text.decode().splitlines()[0]
    return ValueError(f"{path.name}: this form is not known here: {form}")
