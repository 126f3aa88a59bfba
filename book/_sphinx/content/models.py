"""The directive ``{models}``: a section for each model of the book.

It is made of the records that `pooling.models.describe` has left in the executed
chapters, and of the code there that defines each model.
"""

from __future__ import annotations

import ast
import json
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from _sphinx.content import data_cards, fits_table
from _sphinx.content.model_notation import notation, samples
from _sphinx.contents import pages
from _sphinx.events import depend_on_all_pages
from _sphinx.executing import records
from _sphinx.executing.parallel import executed
from _sphinx.files import digest, is_made_of

#: Where the drawings are written, below the folder of the build.
FOLDER = "models"


class Models(SphinxDirective):
    """An overview, and one section for each model, in the order of the book."""

    def run(self) -> list[nodes.Node]:
        depend_on_all_pages(self.env)
        found = []
        for docname in pages(self.env):
            notebook = executed(self.env, docname)
            if notebook is None:
                continue
            fits = {fit["name"]: fit for fit in records.fits(notebook)}
            found += [
                (docname, record, definition(notebook, record), fits)
                for record in records.models(notebook)
            ]
        titles = [record["title"] for _, record, _, _ in found]
        if twice := sorted({title for title in titles if titles.count(title) > 1}):
            raise self.error(f"two models of the book have the title {twice[0]!r}")
        table = overview([(docname, record) for docname, record, _, _ in found])
        sections = [self.section(*one) for one in found]
        return [*self.parse_text_to_nodes(table), *sections]

    def section(self, docname, record, code: str, fits) -> nodes.section:
        section = nodes.section(names=[label(record)])
        section += nodes.title(record["title"], record["title"])
        self.set_source_info(section)
        self.state.document.note_explicit_target(section, section)
        section += self.parse_text_to_nodes(body(docname, record, code, fits))
        section += nodes.image(uri=self.drawing(record), alt=alternative(record))
        return section

    def drawing(self, record: dict) -> str:
        """Draw a model, unless it is drawn; the address from the source folder."""
        folder = Path(self.env.app.outdir).parent / FOLDER
        folder.mkdir(exist_ok=True)
        file, variables = folder / f"{label(record)}.svg", record["variables"]
        # The name of the chapters' cache says what the module is like that draws.
        module = Path(self.env.config.nb_execution_cache_path).name
        made_of = digest({module: json.dumps(variables).encode()})
        if not is_made_of(file, file.with_suffix(".digest"), made_of):
            # Only here: a build without a new model does without Matplotlib.
            from matplotlib import style

            from pooling import models, plots

            with style.context("pooling.book"):
                svg = plots.svg(models.draw(variables))
            file.write_text(svg, encoding="utf-8")
            file.with_suffix(".digest").write_text(made_of)
        return "/" + file.relative_to(self.env.srcdir).as_posix()


def label(record: dict) -> str:
    """The name of a model's section, from its title."""
    words = "".join(c if c.isalnum() else " " for c in record["title"].lower())
    return "-".join(["model", *words.split()])


def definition(notebook, record: dict) -> str:
    """The code that defines a model, as in its chapter; what samples it is left out.

    Raises
    ------
    LookupError
        If no cell has ``with pm.Model(...) as <name>``.
    """
    for cell in notebook.cells:
        if cell.cell_type != "code" or "pm.Model" not in cell.source:
            continue
        for node in ast.walk(ast.parse(_without_magics(cell.source))):
            if isinstance(node, ast.With) and any(
                isinstance(item.optional_vars, ast.Name)
                and item.optional_vars.id == record["name"]
                and ast.unparse(item.context_expr).startswith("pm.Model")
                for item in node.items
            ):
                source = cell.source.splitlines()
                lines = range(node.lineno, node.end_lineno + 1)
                for statement in filter(samples, node.body):
                    first = statement.lineno
                    while source[first - 2].lstrip().startswith("#"):
                        first -= 1  # a comment on it
                    own = range(first, statement.end_lineno + 1)
                    lines = [line for line in lines if line not in own]
                return "\n".join(source[line - 1] for line in lines).rstrip()
    raise LookupError(
        f"no cell defines the model {record['title']!r}: it must say "
        f"`with pm.Model(...) as {record['name']}:`"
    )


def _without_magics(source: str) -> str:
    return "\n".join(
        "" if line.startswith(("%", "!")) else line for line in source.splitlines()
    )


def overview(found: list[tuple[str, dict]]) -> str:
    rows = [
        [
            f"{{ref}}`{label(record)}`",
            f"{{doc}}`/{docname}`",
            _data(record),
            record["parameterisation"],
        ]
        for docname, record in found
    ]
    return data_cards.table(["Model", "Taught in", "Data", "Parameterisation"], rows)


def body(docname: str, record: dict, code: str, fits: dict[str, dict]) -> str:
    """A model's section in Markdown, without its title and its drawing."""
    listed = ", ".join(f"`{name}` ({_verdict(fits, name)})" for name in record["fits"])
    about = [
        f"**Taught in** {{doc}}`/{docname}`. **Data:** {_data(record)}.",
        f"**Parameterisation:** {record['parameterisation']}.",
        f"**Fits:** {listed}." if listed else "",
    ]
    (model,) = ast.parse(code).body
    return "\n\n".join([
        " ".join(filter(None, about)),
        f"$$\n{notation(model, record['variables'], record['indexes'])}\n$$",
        f"```python\n{code}\n```",
    ])


def _verdict(fits: dict[str, dict], name: str) -> str:
    if name not in fits:
        raise LookupError(f"no fit is checked under the name {name!r}")
    return fits_table.verdict(fits[name])


def _data(record: dict) -> str:
    name = record["data"]
    return f"{{ref}}`{data_cards.label(name)}`" if name else "simulated"


def alternative(record: dict) -> str:
    """The drawing of a model in words."""
    said = [f"Graph of the model {record['title']}."]
    for one in record["variables"]:
        what = one["distribution"] or one["kind"]
        plate = [
            f"one for each {name}" if name else f"{n} values"
            for name, n in one["plate"]
        ]
        parents = " and ".join(one["parents"])
        said.append(
            f"{one['name']}: {what}"
            + (", observed" if one["kind"] == "observed" else "")
            + "".join(f", {words}" for words in plate)
            + (f", depends on {parents}" if parents else "")
            + "."
        )
    return " ".join(said)


def setup(app: Sphinx) -> None:
    app.add_directive("models", Models)
