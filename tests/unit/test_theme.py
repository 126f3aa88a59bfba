"""The theme: what it makes of a small book, its policy, its colours and its fonts."""

from base64 import b64encode
from collections.abc import Iterator
import hashlib
from itertools import groupby
from pathlib import Path
import re

from bs4 import BeautifulSoup
from fontTools.ttLib import TTFont
import pandas as pd
from pygments import highlight
from pygments.lexers import PythonLexer
import pytest
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace

import _theme
from _theme.dataframe_tables import read
from _theme.pygments_formatter import CoarseHtmlFormatter
import font_subset
from pooling import plots

FRAME = pd.DataFrame(
    {("a < b", "mean"): [1, 2], ("a < b", "sd"): [3, 4]},
    index=pd.MultiIndex.from_tuples([("x", 1), ("x", 2)]),
)
PAGE = f"""
A title
=======

.. list-table::
   :header-rows: 1
   :stub-columns: 1

   * -
     - mean
   * - tau
     - 6.6

.. image:: one.svg
   :alt: The first
   :width: 530px
   :height: 349px

.. image:: one.svg
   :alt: The second

.. admonition:: Folded
   :class: dropdown

   Words with ``code <here>``.

.. code-block:: python

   answer = 42  # known

.. raw:: html

{"".join(f"   {line}" for line in FRAME.to_html().splitlines(keepends=True))}
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A book of one page, built with the theme alone."""
    root = tmp_path_factory.mktemp("book")
    (root / "conf.py").write_text(
        "extensions = ['_theme']\nhtml_theme = 'book'\nhtml_title = 'Small'\n"
        "author = 'Somebody'\nproject = 'Small'\n",
        encoding="utf-8",
    )
    (root / "index.rst").write_text(PAGE, encoding="utf-8")
    (root / "one.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>", "utf-8")
    with docutils_namespace():
        app = Sphinx(
            root, root, root / "out", root / "trees", "html",
            status=None, warning=None, warningiserror=True,
        )
        app.build()
    assert app.statuscode == 0
    return root / "out"


@pytest.fixture(scope="module")
def page(site) -> BeautifulSoup:
    return BeautifulSoup((site / "index.html").read_text("utf-8"), "html.parser")


def test_a_table_says_what_its_headers_head(page):
    table = page.select_one("table:not(.dataframe)")
    assert [(h["scope"], h.get_text().strip()) for h in table.select("th")] == [
        ("col", "mean"), ("row", "tau"),
    ]  # fmt: skip
    # An empty header would be announced without a word.
    assert table.select_one("thead tr").find_all(["td", "th"])[0].name == "td"
    assert table.find_parent(class_="table-scroll")


def test_a_table_of_pandas_is_a_table_like_any_other(page):
    table = page.select_one("table.dataframe")
    assert not table.has_attr("border") and not page.select("article style")
    heads = {h.get_text(): h for h in table.select("thead th")}
    assert heads["a < b"]["colspan"] == "2" and heads["mean"]["scope"] == "col"
    rows = {h.get_text(): h for h in table.select("tbody th")}
    assert rows["x"]["rowspan"] == "2" and rows["x"]["scope"] == "row"
    cells = [cell.get_text() for cell in table.select("tbody td")]
    assert cells == ["1", "3", "2", "4"]


def test_a_table_of_pandas_without_an_index_has_no_headers_of_rows():
    table = read(pd.DataFrame({"a": [1]}).to_html(index=False))
    assert table.astext().split() == ["a", "1"]
    assert not [e for e in table.findall() if getattr(e, "attributes", {}).get("scope")]


def test_images_keep_their_room_and_wait_below_the_first(page):
    first, second = page.select("article img")
    assert (first["width"], first["height"]) == ("530", "349")
    assert not first.has_attr("style") and not first.has_attr("loading")
    assert second["loading"] == "lazy" and second["decoding"] == "async"
    assert (first["alt"], second["alt"]) == ("The first", "The second")


def test_an_admonition_that_drops_down_needs_no_script(page):
    box = page.select_one("details.admonition")
    assert box.select_one("summary.admonition-title").get_text() == "Folded"
    assert box.select_one("code").get_text() == "code <here>"
    assert not box.has_attr("open")


@pytest.mark.parametrize("name", ["index", "search", "genindex"])
def test_a_page_allows_no_script_that_is_not_the_site_s(site, name):
    soup = BeautifulSoup((site / f"{name}.html").read_text("utf-8"), "html.parser")
    tag = soup.select_one('meta[http-equiv="Content-Security-Policy"]')
    # It holds for what comes after it.
    assert not tag.find_previous(["script", "link", "style"])
    policy = dict(part.strip().split(" ", 1) for part in tag["content"].split(";"))
    assert policy["default-src"] == "'self'" and policy["object-src"] == "'none'"
    assert "unsafe" not in policy["script-src"]
    for script in soup.select("script:not([src])"):
        if script.get("type", "text/javascript") == "text/javascript":
            digest = hashlib.sha256(script.string.encode()).digest()
            assert f"'sha256-{b64encode(digest).decode()}'" in policy["script-src"]
    handlers = [a for tag in soup.find_all() for a in tag.attrs if a.startswith("on")]
    assert not handlers


def test_code_is_marked_where_that_gives_it_a_colour():
    code = 'def f(x):\n    return x + 1.5, "a", True  # why\n'
    marks = BeautifulSoup(
        highlight(code, PythonLexer(), CoarseHtmlFormatter()), "html.parser"
    )
    assert marks.get_text().strip() == code.strip()
    spans = marks.select("span[class]")
    found = [(span["class"][0], span.get_text()) for span in spans]
    assert found == [
        ("k", "def"), ("k", "return"), ("mi", "1.5"), ("s2", '"a"'), ("k", "True"),
        ("c1", "# why"),
    ]  # fmt: skip


def test_the_page_has_the_colours_of_the_figures(site):
    sheet = (site / "_static" / "book.css").read_text("utf-8")
    for name, (light, dark) in plots.PALETTE.items():
        assert f"--{name}: light-dark({light}, {dark});" in sheet


def test_every_mark_of_code_has_a_rule(site):
    sheet = (site / "_static" / "book.css").read_text("utf-8")
    for kind in ("k", "s2", "mi", "c1"):
        assert re.search(rf"\.highlight [^{{]*\.{kind}\b", sheet)


def test_a_change_of_the_theme_writes_the_pages_again(monkeypatch, tmp_path):
    before = _theme.version()
    (tmp_path / "layout.html").write_text("changed", encoding="utf-8")
    monkeypatch.setattr(_theme, "FOLDER", tmp_path)
    assert _theme.version() != before


# Fonts

SHEET = (Path(_theme.__file__).parent / "static" / "book.css_t").read_text("utf-8")


def faces() -> dict[str, str]:
    """The ``unicode-range`` of each small font in the style sheet, by its file."""
    rule = r'@font-face \{[^}]*url\("([^"]*-basic\.woff2)"\)[^}]*-range: ([^;]*);'
    return dict(re.findall(rule, SHEET))


def ranges(codes: list[int]) -> Iterator[str]:
    """The codes of characters as CSS has them in ``unicode-range``."""
    for _, run in groupby(enumerate(codes), lambda pair: pair[1] - pair[0]):
        found = [code for _, code in run]
        end = f"-{found[-1]:X}" if len(found) > 1 else ""
        yield f"U+{found[0]:X}{end}"


@pytest.mark.parametrize("face", ["Regular", "Italic", "SemiBold"])
def test_a_text_font_is_loaded_for_no_character_that_it_lacks(face):
    """Browsers load a font to look for a character that its range does not exclude."""
    name = f"fonts/SourceSerif4-{face}"
    rule = rf'url\("{name}\.woff2"\)[^}}]*-range: ([^;]*);'
    [written] = re.findall(rule, SHEET)
    whole = TTFont(font_subset.STATIC / f"{name}.woff2").getBestCmap()
    assert written == ", ".join(ranges(sorted(set(whole) - {ord("¹")})))


@pytest.mark.parametrize("name", font_subset.FONTS)
def test_the_style_sheet_knows_which_characters_a_small_font_has(name):
    small = TTFont(font_subset.STATIC / f"{name}-basic.woff2").getBestCmap()
    assert faces()[f"{name}-basic.woff2"] == ", ".join(ranges(sorted(small)))
    whole = TTFont(font_subset.STATIC / f"{name}.woff2").getBestCmap()
    assert set(small) - {0x200B} <= set(whole)
