"""The builder ``print``: all pages of the book as one page of HTML, to be printed.

What works on a screen only is left out: buttons, folded code that draws a figure. Other
folded parts are written unfolded. The page uses the pictures, style sheets and scripts
of the built site, which has to be there. ``pdf.py`` prints the page.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urljoin

from docutils import nodes
from docutils.io import StringOutput
from myst_nb.core.render import base_render_priority
from myst_nb.sphinx_ import HideCodeCellNode
from sphinx.addnodes import download_reference
from sphinx.application import Sphinx
from sphinx.builders.html import StandaloneHTMLBuilder

from _sphinx.content.explorable import explorable
from _sphinx.contents import pages, short_name
from _sphinx.web import hosting, social_card
from _theme.html_translator import HtmlTranslator, drops_down

#: The page's name, and the built site seen from it.
PAGE = "book.html"
SITE = "../html/"
SHEET = Path(__file__).with_name("pdf.css")


class PrintBuilder(StandaloneHTMLBuilder):
    name = "print"
    search = False
    add_permalinks = False

    def get_outdated_docs(self) -> list[str]:
        return pages(self.env)

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        if docname in self.env.all_docs:
            return f"#{short_name(docname)}"
        # A page that only the site has; without its address, no link.
        return urljoin(hosting.site(), docname + self.out_suffix)

    def get_relative_uri(self, from_: str, to: str, typ: str | None = None) -> str:
        return self.get_target_uri(to, typ)

    def write(self, *_) -> None:
        names = pages(self.env)
        self.prepare_writing(set(names))
        self.imgpath = SITE + self.imagedir
        self.dlpath = urljoin(hosting.site(), "_downloads")
        first, *rest = (self.chapter(name) for name in names)
        by_name = {chapter["name"]: chapter for chapter in rest}
        toc = self.config.external_site_map
        parts = []
        for tree in toc.root.subtrees:
            content = [by_name[str(item)] for item in tree.items]
            id_ = f"part-{content[0]['id']}"
            parts.append({"id": id_, "title": tree.caption, "chapters": content})
        page = self.templates.render(
            "print.html",
            {
                **self.globalcontext,
                "site": SITE,
                "sheet": SHEET.read_text(encoding="utf-8"),
                "first": first,
                "parts": parts,
                "explorables": sorted(
                    {x for c in (first, *rest) for x in c["explorables"]}
                ),
            },
        )
        (Path(self.outdir) / PAGE).write_text(page, encoding="utf-8")

    def chapter(self, docname: str) -> dict:
        """What the template needs of one chapter."""
        document = self.env.get_and_resolve_doctree(docname, self)
        self.post_process_images(document)
        id_ = short_name(docname)
        prefix = f"{id_}--"
        sections = [
            (prefix + section["ids"][0], section.next_node(nodes.title).astext())
            for section in next(document.findall(nodes.section)).children
            if isinstance(section, nodes.section)
        ]
        for_print(document, prefix)
        self.fignumbers = {
            kind: {prefix + name: number for name, number in numbers.items()}
            for kind, numbers in self.env.toc_fignumbers.get(docname, {}).items()
        }
        self.secnumbers = {}
        document.settings = self.docsettings
        # Below the parts, headings are one level down.
        is_first = docname == self.config.root_doc
        self.docsettings.initial_header_level = 1 if is_first else 2
        self.docwriter.write(document, StringOutput(encoding="unicode"))
        self.docwriter.assemble_parts()
        return {
            "id": id_,
            "name": docname,
            "title": self.env.titles[docname].astext(),
            "sections": sections,
            "body": self.docwriter.parts["fragment"],
            "explorables": [n["element"] for n in document.findall(explorable)],
            "cover": self.cover(document) if is_first else None,
        }

    def cover(self, document: nodes.document) -> dict[str, str]:
        """Address and alternative text of the cover figure.

        Raises
        ------
        ValueError
            If the first page has no figure of that name.
        """
        for figure in document.findall(nodes.figure):
            if social_card.FIGURE in figure["names"]:
                image = figure.next_node(nodes.image)
                file = self.images[image["uri"]]
                return {"src": f"{self.imgpath}/{file}", "alt": image["alt"]}
        raise ValueError(f"the first page has no figure {social_card.FIGURE}")

    def finish(self) -> None:
        """Write no other file: the site has them. myst-nb copies its style sheet."""
        (Path(self.outdir) / "_static").mkdir(exist_ok=True)


def for_print(document: nodes.document, prefix: str) -> None:
    """Unfold a document, and make its ids those of the one page."""
    for cell in document.findall(
        lambda node: "hide_mode" in getattr(node, "attributes", ())
    ):
        folded = [part for part in cell if isinstance(part, HideCodeCellNode)]
        for part in folded:
            if cell["hide_mode"] == "input":
                cell.remove(part)
            else:
                cell.replace(part, nodes.container("", *part, classes=["unfolded"]))
    for node in document.findall(drops_down):
        node["classes"].remove("dropdown")
        node["classes"].append("unfolded")
    for node in list(document.findall(nodes.Element)):
        node["ids"] = [prefix + name for name in node.get("ids", [])]
        # From an entry of a list of references to where it is cited: on other pages.
        node["backrefs"] = []
        if "refid" in node:
            node["refid"] = prefix + node["refid"]
        elif "refuri" in node:
            node["refuri"] = on_one_page(node["refuri"])
            if not node["refuri"]:
                node.replace_self(node.children)
        elif isinstance(node, download_reference) and not hosting.site():
            node.replace_self(node.children)


def on_one_page(uri: str) -> str:
    """The address of ``#chapter#place`` on the one page; "" for a file of the site."""
    if uri.startswith("#"):
        chapter, _, place = uri[1:].partition("#")
        return f"#{chapter}--{place}" if place else f"#{chapter}"
    return uri if ":" in uri else ""


class PrintTranslator(HtmlTranslator):
    """Writes nodes for paper, where nothing is loaded later."""

    def visit_image(self, node):
        self.has_image = False
        super().visit_image(node)


def choose_formats(app: Sphinx, config) -> None:
    """Have myst-nb choose among the formats of an output as it does for the site."""
    config.nb_mime_priority_overrides = [
        *config.nb_mime_priority_overrides,
        *(
            ("print", mime, place)
            for mime, place in base_render_priority()["html"].items()
        ),
    ]


def setup(app: Sphinx) -> None:
    app.connect("config-inited", choose_formats)
    app.add_builder(PrintBuilder)
    app.set_translator("print", PrintTranslator)
