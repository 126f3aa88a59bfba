"""What pages say of themselves, where they are, and where they have gone."""

import base64
import hashlib
import importlib
import json
from pathlib import Path
import re
from types import SimpleNamespace
from urllib.parse import urljoin
from xml.etree import ElementTree
import zlib

from PIL import Image
import pytest
from sphinx.util.inventory import InventoryFile

from _sphinx import contents
from _sphinx.content import intersphinx_inventories
from _sphinx.web import description, metadata, redirects, social_card

ROOT = Path(__file__).resolve().parents[2]
ADDRESS = "https://book.example/strength/"
PAGES = {"book/index": "Strength", "book/a/one": "One?", "book/ref/data": "The data"}


@pytest.fixture
def app(tmp_path, monkeypatch):
    """A book of three pages, one of which has exercises."""
    monkeypatch.setattr(metadata, "chapters", lambda env: list(PAGES))
    monkeypatch.setattr(contents, "chapters", lambda env: list(PAGES))
    monkeypatch.delenv("BOOK_URL", raising=False)
    monkeypatch.delenv("CI_PAGES_URL", raising=False)
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


def head(app, name: str, title: str, address: str | None = None) -> str:
    """What is added to the head of a page, with its description."""
    context = {
        "title": title,
        "metatags": '<meta name="description" content="A &quot;page&quot;.">',
        "pageurl": address and f"{address}{name}.html",
    }
    metadata.add(app, name, "page.html", context, None)
    return context["metatags"]


def data(tags: str) -> dict:
    (found,) = re.findall(
        r'<script type="application/ld\+json">(.*?)</script>', tags, re.S
    )
    return json.loads(found)


# With the site's address, and without


def test_a_chapter_says_what_it_is_and_of_which_book(app, monkeypatch):
    monkeypatch.setenv("BOOK_URL", ADDRESS)
    tags = head(app, "book/a/one", "<em>One</em>?", ADDRESS)
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
    tags = head(app, "book/index", "Strength", ADDRESS)
    found = data(tags)
    assert found["@type"] == "Book"
    assert found["hasPart"] == [
        {"@type": "Chapter", "name": "One?", "url": f"{ADDRESS}book/a/one.html"}
    ]
    assert '<meta property="og:type" content="book">' in tags


def test_no_address_is_made_up(app):
    for name, title in PAGES.items():
        tags = head(app, name, title)
        addresses = set(re.findall(r"https?://[^\"]*", tags))
        assert addresses == {metadata.SCHEMA, metadata.LICENCE}
        assert "og:title" in tags and "og:image" not in tags
    assert data(head(app, "book/ref/data", "The data"))["@type"] == "WebPage"


def test_nobody_finds_the_search_by_searching(app):
    tags = head(app, "search", "Search", ADDRESS)
    assert 'name="robots" content="noindex"' in tags and "og:" not in tags


def test_the_description_does_not_end_its_script(app):
    context = {"title": "x", "pageurl": None}
    context["metatags"] = '<meta name="description" content="&lt;/script&gt;">'
    metadata.add(app, "book/ref/data", "page.html", context, None)
    assert data(context["metatags"])["description"] == "</script>"


def test_the_map_has_every_page_and_the_robots_find_it(app, monkeypatch):
    monkeypatch.setenv("BOOK_URL", ADDRESS.rstrip("/"))
    metadata.write(app, None)
    tree = ElementTree.parse(app.outdir / "sitemap.xml")
    found = [place.text for place in tree.findall(".//{*}loc")]
    assert found == [f"{ADDRESS}{name}.html" for name in [*PAGES, "genindex"]]
    robots = (app.outdir / "robots.txt").read_text()
    assert f"\nSitemap: {ADDRESS}sitemap.xml\n" in robots
    # And not when the address is gone.
    monkeypatch.delenv("BOOK_URL")
    metadata.write(app, None)
    assert not (app.outdir / "sitemap.xml").exists()
    assert "Sitemap" not in (app.outdir / "robots.txt").read_text()


def test_an_address_is_escaped_in_the_map():
    assert "<loc>https://x/?a&amp;b</loc>" in metadata.sitemap(["https://x/?a&b"])


def test_the_theme_is_told_the_address(monkeypatch):
    monkeypatch.setenv("BOOK_URL", ADDRESS)
    config = SimpleNamespace()
    metadata.use_address(None, config)
    assert config.html_baseurl == ADDRESS


# Descriptions


def test_a_description_is_found_whatever_the_order_of_its_attributes():
    tag = '<meta content="Schools&#x27; &amp; more" name="description" />'
    assert description.said('<meta charset="x">' + tag) == "Schools' & more"
    assert description.said('<meta name="viewport" content="x">') == ""


def test_a_page_s_own_description_stands():
    context = {"metatags": '<meta content="Mine." name="description" />'}
    description.add(None, "a", "page.html", context, None)
    assert context["metatags"].count("description") == 1


# The card


def test_the_card_is_the_cover_figure_under_the_title(tmp_path):
    source = social_card.cover(ROOT, "book/index")
    card = tmp_path / "card.png"
    social_card.draw(source, "Borrowing Strength", ROOT / social_card.FACE, card)
    with Image.open(card) as picture:
        assert picture.size == social_card.SIZE
        pixels = picture.convert("L")
        # Paper at the edges; ink in the title's place and in the figure's.
        assert pixels.getpixel((5, 5)) > 240
        assert pixels.crop((0, 0, 1200, 140)).getextrema()[0] < 80
        assert pixels.crop((0, 180, 1200, 630)).getextrema()[0] < 120
    assert card.stat().st_size < 100_000


def test_a_card_without_a_figure_is_refused():
    with pytest.raises(ValueError, match="no cell of .*radon.md draws"):
        social_card.cover(ROOT, "book/pooling/radon")


def test_there_is_no_card_without_an_address(app):
    (app.outdir / social_card.NAME).write_bytes(b"of a build that had one")
    social_card.write(app, None)
    assert not list(app.outdir.iterdir())


# The page for links that lead nowhere, and pages that have moved


@pytest.mark.parametrize(("address", "root"), [("", "/"), (ADDRESS, "/strength/")])
def test_links_of_the_404_page_begin_at_the_root(app, monkeypatch, address, root):
    monkeypatch.setenv("BOOK_URL", address)
    app.config.notfound_pagename = "404"
    redirects.use_root(app, app.config)
    found = []
    for page in ("404", "book/a/one"):
        context = {"content_root": "../"}
        redirects.name_root(app, page, "", context, None)
        found.append(context["content_root"])
    assert app.config.notfound_urls_prefix == root
    assert found == [root, "../"]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("book/old", "/book/a/one.html#two", ""),
        ("book/a/one", "/book/index.html", "book/a/one is still a page"),
        ("book/old", "/book/gone.html", "book/old must lead to a page"),
        ("book/old", "book/a/one.html", "book/old must lead to a page"),
        ("book/old", "/book/a/one", "book/old must lead to a page"),
    ],
)
def test_a_page_moves_from_nowhere_to_somewhere(app, monkeypatch, old, new, says):
    said = []
    monkeypatch.setattr(
        redirects.logger, "warning", lambda text, *values: said.append(text % values)
    )
    app.config.redirects = {old: new}
    redirects.check(app, app.env)
    assert len(said) == bool(says) and says in "".join(said)


def test_the_script_of_a_page_that_has_moved_is_the_one_that_it_allows():
    page = (ROOT / "book/_theme/redirect.html").read_text(encoding="utf-8")
    script = page.partition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


# The inventories of other projects


def test_the_inventories_are_those_that_would_be_made():
    for project in intersphinx_inventories.PAGES:
        file = intersphinx_inventories.FOLDER / f"{project}.inv"
        # As text: what it is compressed to may depend on the library.
        made, kept = (
            content.split(b"zlib.\n")
            for content in (
                intersphinx_inventories.inventory(project),
                file.read_bytes(),
            )
        )
        assert made[0] == kept[0]
        assert zlib.decompress(made[1]) == zlib.decompress(kept[1])


def test_sphinx_reads_them_and_finds_the_names():
    for project, (address, _) in intersphinx_inventories.PAGES.items():
        with (intersphinx_inventories.FOLDER / f"{project}.inv").open("rb") as file:
            found = InventoryFile.load(file, address, urljoin)
        names = {name: page for kind in found.values() for name, page in kind.items()}
        assert set(names) == set(intersphinx_inventories.entries(project))
        for name, (_, _, page, _) in names.items():
            assert page.startswith(address) and page.endswith(
                f"{name.split('.')[1]}.html"
            )


def test_every_name_in_them_is_one_of_the_project_s():
    for project in intersphinx_inventories.PAGES:
        module = importlib.import_module(project)
        for name in intersphinx_inventories.entries(project):
            assert hasattr(module, name.split(".")[1]), name


def test_sphinx_is_given_files_and_asks_nobody():
    config = SimpleNamespace()
    intersphinx_inventories.use(None, config)
    for address, file in config.intersphinx_mapping.values():
        assert address.startswith("https://") and Path(file).is_file()
