"""The directive ``{data-cards}``: what each data set is, and where it comes from.

A card is the file ``<name>.yml`` beside the table ``<name>.csv`` in ``data/``. The
directive makes one section of each, labelled ``data-<name>`` with hyphens for
underscores.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
import yaml

DATA = Path(__file__).resolve().parents[3] / "data"


class DataCards(SphinxDirective):
    """An overview, and one section per card, in the order of their titles."""

    def run(self) -> list[nodes.Node]:
        cards = {}
        for name in self.config.data_cards:
            file = DATA / f"{name}.yml"
            self.env.note_dependency(str(file))
            cards[name] = yaml.safe_load(file.read_text(encoding="utf-8"))
        cards = dict(sorted(cards.items(), key=lambda item: item[1]["title"]))
        sections = [self.section(name, card) for name, card in cards.items()]
        return [*self.parse_text_to_nodes(overview(cards)), *sections]

    def section(self, name: str, card: dict) -> nodes.section:
        section = nodes.section(names=[label(name)])
        section += nodes.title(card["title"], card["title"])
        self.set_source_info(section)
        # Sphinx can refer by label to an explicit target with a title.
        self.state.document.note_explicit_target(section, section)
        section += self.parse_text_to_nodes(body(name, card))
        return section


def label(name: str) -> str:
    return "data-" + name.replace("_", "-")


def overview(cards: dict[str, dict]) -> str:
    rows = [
        [f"{{ref}}`{label(name)}`", f"{card['rows']:,}", f"`load_{name}()`"]
        for name, card in cards.items()
    ]
    return table(["Data set", "Rows", "Function"], rows)


def body(name: str, card: dict) -> str:
    """A card's text in Markdown, without its title."""
    columns = [
        [f"`{c['name']}`", c["description"], c["unit"] or "–", c["dtype"]]
        for c in card["columns"]
    ]
    missing = f"{card['missing'] or 'no'} missing values"
    cited = ",".join(card["citation"])
    parts = [
        card["summary"],
        f"**Load it.** `datasets.load_{name}()`: {card['rows']:,} rows, {missing}.",
        table(["Column", "What it is", "Unit", "Type"], columns),
        f"**Source.** {card['source']} {{cite:p}}`{cited}`",
        f"**Licence.** {card['licence']}",
        f"**How it was rebuilt.** {card['rebuilt']}",
        "**Worth knowing.**",
        "\n".join(f"- {note}" for note in card["notes"]),
        f"**Files.** {{download}}`{name}.csv </data/{name}.csv>` and its card "
        f"{{download}}`{name}.yml </data/{name}.yml>`.",
    ]
    return "\n\n".join(parts)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def setup(app: Sphinx) -> None:
    # As a value of the configuration: Sphinx reads the pages again when it changes.
    names = sorted(file.stem for file in DATA.glob("*.yml"))
    app.add_config_value("data_cards", names, "env", types=[list])
    app.add_directive("data-cards", DataCards)
