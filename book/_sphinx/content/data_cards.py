"""Print the data sets' cards: the directive ``{data-cards}``.

A card is the file ``<name>.yml`` beside the table ``<name>.csv``. The directive
makes one section of each, labelled ``data-<name>`` with hyphens for underscores,
and a page that uses it is read anew when a card changes.
"""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
import yaml

DATA = Path(__file__).resolve().parents[3] / "data"


class DataCards(SphinxDirective):
    """One section per card in ``data_cards_path``, in the order of their titles."""

    def run(self) -> list[nodes.Node]:
        folder = Path(self.config.data_cards_path)
        files = sorted(folder.glob("*.yml"))
        if not files:
            raise self.error(f"there is no card (*.yml) in {folder}")
        cards = {}
        for file in files:
            self.env.note_dependency(str(file))
            cards[file.stem] = yaml.safe_load(file.read_text(encoding="utf-8"))
        by_title = sorted(cards, key=lambda name: cards[name]["title"])
        return [
            *self.parse_markdown(overview({name: cards[name] for name in by_title})),
            *(self.section(name, cards[name]) for name in by_title),
        ]

    def section(self, name: str, card: dict) -> nodes.section:
        section = nodes.section(names=[label(name)])
        section += nodes.title(card["title"], card["title"])
        self.set_source_info(section)
        # An explicit target with a title is what Sphinx can refer to by label.
        self.state.document.note_explicit_target(section, section)
        section += self.parse_markdown(body(name, card, self.download_folder()))
        return section

    def parse_markdown(self, text: str) -> list[nodes.Node]:
        container = nodes.Element()
        source = self.env.doc2path(self.env.docname)
        lines = StringList(text.splitlines(), source=source)
        self.state.nested_parse(lines, self.content_offset, container)
        return container.children

    def download_folder(self) -> str:
        """The folder of the tables as seen from the source directory's root."""
        folder = Path(self.config.data_cards_path).resolve()
        root = Path(self.env.srcdir).resolve()
        return folder.relative_to(root, walk_up=True).as_posix()


def pages_without_a_new_card(app: Sphinx, env, *_) -> list[str]:
    """The pages that print the cards, if a card has come since they were read."""
    cards = {str(file) for file in Path(app.config.data_cards_path).glob("*.yml")}
    return [
        page
        for page, files in env.dependencies.items()
        if cards & set(map(str, files)) not in (set(), cards)
    ]


def label(name: str) -> str:
    return "data-" + name.replace("_", "-")


def overview(cards: dict[str, dict]) -> str:
    rows = [
        [f"{{ref}}`{label(name)}`", f"{card['rows']:,}", f"`load_{name}()`"]
        for name, card in cards.items()
    ]
    return table(["Data set", "Rows", "Function"], rows)


def body(name: str, card: dict, folder: str) -> str:
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
        f"**Files.** {{download}}`{name}.csv </{folder}/{name}.csv>` and its card "
        f"{{download}}`{name}.yml </{folder}/{name}.yml>`.",
    ]
    return "\n\n".join(parts)


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def setup(app: Sphinx) -> None:
    app.add_config_value("data_cards_path", str(DATA), "env", types=frozenset({str}))
    app.add_directive("data-cards", DataCards)
    app.connect("env-get-outdated", pages_without_a_new_card)
