"""Metadata of pages, the sitemap, the card, redirects and the 404 page."""

from base64 import b64encode
import hashlib
from html.parser import HTMLParser
import json
from pathlib import Path
import re
import runpy
from types import SimpleNamespace
from urllib.parse import urljoin, urlsplit
from xml.etree import ElementTree
import zlib

from docutils import nodes
from docutils.utils import new_document
from jinja2 import Environment, FileSystemLoader
from PIL import Image
import pytest
from sphinx.application import Sphinx
from sphinx.errors import ConfigError
from sphinx.util.docutils import docutils_namespace
from sphinx.util.inventory import InventoryFile
import yaml

from _sphinx import contents
from _sphinx.web import metadata, sitemap, social_card
import chapters

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = Environment(loader=FileSystemLoader(ROOT / "book" / "_theme"))
ADDRESS = "https://book.example/strength/"
PAGES = {"book/index": "Strength", "book/a/one": "One?", "book/ref/data": "The data"}


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A book of three pages, one of which has exercises."""
    monkeypatch.setattr(sitemap, "pages", lambda env: list(PAGES))
    monkeypatch.setattr(contents, "pages", lambda env: list(PAGES))
    monkeypatch.delenv("BOOK_URL", raising=False)
    titles = {
        name: SimpleNamespace(astext=lambda title=title: title)
        for name, title in PAGES.items()
    }
    return SimpleNamespace(
        outdir=tmp_path,
        srcdir=ROOT,
        builder=SimpleNamespace(
            format="html", get_target_uri=lambda name: f"{name}.html"
        ),
        config=SimpleNamespace(
            html_title="Strength",
            author="Its authors",
            root_doc="book/index",
        ),
        env=SimpleNamespace(
            titles=titles,
            found_docs=set(PAGES),
            sphinx_exercise_registry={
                "ex-1": {"docname": "book/a/one", "type": "exercise-start"}
            },
        ),
    )


def page(description: str | None = 'A "page".') -> nodes.document:
    document = new_document("page")
    if description is not None:
        document += nodes.meta(name="description", content=description)
    return document


def head(app, name: str, address: str | None = None, document=None) -> str:
    """The tags that are added to the head of a page."""
    context = {
        "docstitle": app.config.html_title,
        "pageurl": address and f"{address}{name}.html",
    }
    metadata.add(app, name, "page.html", context, document or page())
    return TEMPLATES.get_template("metadata.html").render(context)


def data(tags: str) -> dict:
    (found,) = re.findall(
        r'<script type="application/ld\+json">(.*?)</script>', tags, re.S
    )
    return json.loads(found)


# With the site's address, and without


def test_a_chapter_says_what_it_is_and_of_which_book(app, monkeypatch):
    monkeypatch.setenv("BOOK_URL", ADDRESS)
    tags = head(app, "book/a/one", ADDRESS)
    found = data(tags)
    assert found["@type"] == ["Chapter", "LearningResource"]
    assert found["name"] == "One?" and found["position"] == 1
    assert found["description"] == 'A "page".'
    assert found["url"] == f"{ADDRESS}book/a/one.html"
    assert found["isPartOf"]["@type"] == "Book"
    assert found["isPartOf"]["url"] == f"{ADDRESS}book/index.html"
    assert found["license"] == metadata.LICENCE
    assert found["author"]["name"] == "Its authors"
    assert '<meta property="og:title" content="One?">' in tags
    assert f'<meta property="og:url" content="{found["url"]}">' in tags
    assert f'<meta property="og:image" content="{ADDRESS}card.png">' in tags
    assert '"twitter:card" content="summary_large_image"' in tags


def test_the_first_page_is_the_book_with_its_chapters(app, monkeypatch):
    monkeypatch.setenv("BOOK_URL", ADDRESS)
    tags = head(app, "book/index", ADDRESS)
    found = data(tags)
    assert found["@type"] == "Book"
    assert found["hasPart"] == [
        {"@type": "Chapter", "name": "One?", "url": f"{ADDRESS}book/a/one.html"}
    ]
    assert '<meta property="og:type" content="book">' in tags


def test_no_address_is_made_up(app):
    for name in PAGES:
        tags = head(app, name)
        addresses = set(re.findall(r"https?://[^\"]*", tags))
        assert addresses == {metadata.SCHEMA, metadata.LICENCE}
        assert "og:title" in tags and "og:image" not in tags
    assert data(head(app, "book/ref/data"))["@type"] == "WebPage"


def test_search_engines_do_not_index_the_search_page(app):
    tags = head(app, "search", ADDRESS)
    assert 'name="robots" content="noindex"' in tags and "og:" not in tags


def test_the_description_does_not_end_its_script(app):
    tags = head(app, "book/ref/data", document=page("</script>"))
    assert data(tags)["description"] == "</script>"


def test_a_description_is_written_where_no_source_file_has_one(app):
    for name, (_, description) in metadata.GENERATED.items():
        assert f'<meta name="description" content="{description}">' in head(app, name)
    # Sphinx itself has written that of the front matter.
    assert 'name="description"' not in head(app, "book/a/one")


def test_a_page_without_a_description_fails_the_build(app, monkeypatch):
    warnings = []
    monkeypatch.setattr(
        metadata.logger, "warning", lambda text, location: warnings.append(text)
    )
    head(app, "book/a/one", document=page(None))
    assert len(warnings) == 1 and "html_meta: description" in warnings[0]


def test_the_map_has_every_page_and_the_robots_find_it(app, monkeypatch):
    monkeypatch.setenv("BOOK_URL", ADDRESS.rstrip("/"))
    sitemap.write(app)
    tree = ElementTree.parse(app.outdir / "sitemap.xml")
    found = [place.text for place in tree.findall(".//{*}loc")]
    assert found == [f"{ADDRESS}{name}.html" for name in [*PAGES, "genindex"]]
    robots = (app.outdir / "robots.txt").read_text()
    assert f"\nSitemap: {ADDRESS}sitemap.xml\n" in robots
    # And not when the address is gone.
    monkeypatch.delenv("BOOK_URL")
    sitemap.write(app)
    assert not (app.outdir / "sitemap.xml").exists()
    assert "Sitemap" not in (app.outdir / "robots.txt").read_text()


def test_an_address_is_escaped_in_the_map(app, monkeypatch):
    monkeypatch.setenv("BOOK_URL", "https://x/a&b/")
    sitemap.write(app)
    text = (app.outdir / "sitemap.xml").read_text(encoding="utf-8")
    assert "<loc>https://x/a&amp;b/book/index.html</loc>" in text


def test_the_theme_is_told_the_address(monkeypatch):
    monkeypatch.setenv("BOOK_URL", ADDRESS)
    config = SimpleNamespace()
    metadata.set_site_address(None, config)
    assert config.html_baseurl == ADDRESS


# The card


def test_the_card_is_the_cover_figure_under_the_title(tmp_path):
    source = social_card.cover(chapters.read("book/index"))
    card = tmp_path / "card.png"
    social_card.draw(source, "Borrowing Strength", card)
    with Image.open(card) as picture:
        assert picture.size == social_card.SIZE
        pixels = picture.convert("L")
        # Paper at the edges; ink in the title's place and in the figure's.
        assert pixels.getpixel((5, 5)) > 240
        assert pixels.crop((0, 0, 1200, 140)).getextrema()[0] < 80
        assert pixels.crop((0, 180, 1200, 630)).getextrema()[0] < 120
    assert card.stat().st_size < 100_000


def test_a_card_without_a_figure_is_refused():
    with pytest.raises(ValueError, match="no cell of the first page draws"):
        social_card.cover(chapters.read("book/pooling/radon"))


def test_there_is_no_card_without_an_address(app):
    (app.outdir / social_card.NAME).write_bytes(b"of a build that had one")
    social_card.write(app)
    assert not list(app.outdir.iterdir())


# The 404 page, and pages that have moved


class Links(HTMLParser):
    """The addresses in a page, and where its scripts find the root of the site."""

    def __init__(self, text: str):
        super().__init__()
        self.addresses, self.root = [], None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.root = found.get("data-content_root", self.root)
        self.addresses += [
            found[key] for key in ("href", "src", "action") if found.get(key)
        ]


@pytest.fixture
def build(tmp_path, monkeypatch):
    """Build a site of two pages with the extensions that write pages of their own."""
    source = tmp_path / "source"
    files = {
        "book/index.rst": "Book\n====\n\n.. toctree::\n\n   a/one\n",
        "book/a/one.rst": "One\n===\n",
        "templates/404.html": """{% extends "layout.html" %}{% block body %}
            <h1>{{ title }}</h1> <a href="{{ pathto('book/a/one') }}">One</a>
            <a href="https://x.example/">x</a> <a href="#top">top</a>{% endblock %}""",
    }
    for name, text in files.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")

    def build(address: str = "", **moved: str) -> Path:
        monkeypatch.setenv("BOOK_URL", address)
        template = ROOT / "book/_sphinx/web/moved_page.html"
        settings = {
            "extensions": [
                "notfound.extension", "sphinx_reredirects",
                "_sphinx.web.not_found", "_sphinx.web.redirects",
            ],
            "root_doc": "book/index",
            "templates_path": [str(source / "templates")],
            "redirects": moved,
            "redirect_html_template_file": str(template),
        }
        out = tmp_path / "out"
        # Nodes that Sphinx makes known to docutils are forgotten afterwards.
        with docutils_namespace():
            app = Sphinx(
                source, None, out, tmp_path / "trees", "html", settings,
                status=None, warning=None, freshenv=True,
            )
            app.build()
        return out

    return build


@pytest.mark.parametrize("root", ["/", "/strength/"])
def test_the_404_page_has_links_from_the_root(build, root):
    out = build("" if root == "/" else "https://book.example/strength")
    text = (out / "404.html").read_text(encoding="utf-8")
    links = Links(text)
    assert "<h1>There is nothing here</h1>" in text
    assert links.root == root
    assert f"{root}book/a/one.html" in links.addresses
    assert {"https://x.example/", "#top"} <= set(links.addresses)
    inside = [a for a in links.addresses if not urlsplit(a).scheme and a[0] != "#"]
    assert len(inside) > 5 and all(a.startswith(root) for a in inside)
    assert any(a.startswith(f"{root}_static/") for a in inside)


def test_a_page_that_has_moved_leads_to_where_it_is(build):
    out = build(**{"book/old/eins": "/book/a/one.html#two"})
    text = (out / "book/old/eins.html").read_text(encoding="utf-8")
    assert 'content="0; url=../../book/a/one.html#two"' in text
    assert Links(text).addresses == ["../../book/a/one.html#two"]
    assert "noindex" in text


def test_the_policy_of_a_moved_page_allows_its_script_alone():
    text = (ROOT / "book/_sphinx/web/moved_page.html").read_text(encoding="utf-8")
    script = text.partition("<script>")[2].partition("</script>")[0]
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; script-src 'sha256-{digest}'\"" in text
    assert text.count("<script") == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("book/a/one", "/book/index.html", "book/a/one has not moved"),
        ("book/old", "/book/gone.html#x", "book/gone: it has no source"),
        ("book/old", "book/a/one.html", "must have the form"),
    ],
)
def test_a_redirect_that_leads_nowhere_fails_the_build(build, old, new, words):
    with pytest.raises(ConfigError, match=words):
        build(**{old: new})


# The inventories of other projects

INVENTORIES = runpy.run_path(str(ROOT / "tools/intersphinx_inventories.py"))
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
MAPPING = CONFIG["sphinx"]["config"]["intersphinx_mapping"]


@pytest.mark.parametrize("project", MAPPING)
def test_an_inventory_is_the_one_that_would_be_written(project):
    """And every name in it is one of the installed project's."""
    made = INVENTORIES["inventory"](project)
    kept = (ROOT / MAPPING[project][1]).read_bytes()
    # As text: the compressed bytes may depend on the version of zlib.
    (head, text), (kept_head, kept_text) = (x.split(b"zlib.\n") for x in (made, kept))
    assert head == kept_head
    assert zlib.decompress(text) == zlib.decompress(kept_text)


def test_sphinx_is_given_files_and_finds_the_names_in_them():
    assert set(MAPPING) == set(INVENTORIES["PAGES"])
    for project, (address, file) in MAPPING.items():
        assert address.startswith("https://")
        with (ROOT / file).open("rb") as opened:
            found = InventoryFile.load(opened, address, urljoin)
        names = {name: page for kind in found.values() for name, page in kind.items()}
        assert set(names) == set(INVENTORIES["entries"](project))
        for name, (_, _, page, _) in names.items():
            assert page.startswith(address)
            assert page.endswith(f"{name.split('.')[1]}.html")
