"""Finding something in the book: the index, the lists, the search, the addresses."""

from collections import Counter
from functools import cache
from html import unescape
import json
from pathlib import Path
import re
from types import SimpleNamespace

from bs4 import BeautifulSoup
import pybtex.database
import pytest
from sphinx_reredirects import Reredirects

import addresses
from built import lasting
import chapters

#: Characters of a description; search engines cut longer ones.
LONGEST = 160
#: What a reader would look for, and a section that has to be found.
TERMS = {
    "shrinkage": "book/pooling/radon.html#how-far-a-county-moves-and-why",
    "partial pooling": "book/pooling/radon.html#three-ways-to-pool",
    "divergence": "book/posterior/funnel.html#leapfrog-on-a-funnel",
    "non-centered parameterisation": (
        "book/posterior/funnel.html#the-same-model-said-differently"
    ),
    "R-hat": "book/posterior/funnel.html#the-model-as-you-would-say-it",
    "half-normal distribution": "book/posterior/funnel.html#his-settings-and-ours",
}
#: What a reader would type, and the places of which one has to come first.
QUERIES = {
    "shrinkage": {"book/reference/glossary.html#term-shrinkage"},
    # A definition and a section are as good; then the alphabet decides.
    "R-hat": {
        "book/reference/glossary.html#term-R-hat",
        "book/reference/fits.html#every-fit-in-the-book",
    },
    "leapfrog integrator": {"book/posterior/funnel.html#leapfrog-on-a-funnel"},
    "half-normal prior": {
        "book/posterior/funnel.html#his-settings-and-ours",
        "book/pooling/radon.html#three-ways-to-pool",
        "book/why-hierarchy/what-is-a-hierarchical-prior.html#which-hyperprior",
    },
}


@pytest.mark.parametrize("term", TERMS)
def test_the_index_leads_from_a_term_to_its_definition_and_sections(
    term, window, server
):
    with window("phone") as visit:
        page = visit.open("book/reference/set-up.html")
        link = page.locator(".site-contents a", has_text="Index of terms")
        page = visit.open(link.get_attribute("href").removeprefix("../../"))
        entry = page.locator(".term-index dl > div").filter(
            has=page.get_by_text(term, exact=True)
        )
        links = [link.get_attribute("href") for link in entry.locator("a").all()]
        name = term.lower().replace(" ", "-")
        assert links[0].lower() == f"book/reference/glossary.html#term-{name}"
        assert TERMS[term] in links[1:]
        # What a link says is where it leads.
        assert all(
            re.search(r"\w", link.text_content()) for link in entry.locator("a").all()
        )


@pytest.mark.parametrize(
    ("name", "part"),
    [("figures", "figure"), ("exercises", ".exercise"), ("exercises", ".solution")],
)
def test_the_lists_have_all_there_is(name, part, site):
    lists = site / "book" / "reference" / f"{name}.html"
    linked = {
        (lists.parent / link["href"].partition("#")[0]).resolve().as_posix()
        + "#" + link["href"].partition("#")[2]
        for link in soup(lists).select("article .list-of a")
    }
    there = {
        f"{file.resolve().as_posix()}#{found['id']}"
        for chapter in ["book/index", *chapters.chapters()]
        for file in [site / f"{chapter}.html"]
        for found in soup(file).select(f"article {part}[id]")
    }
    assert there and there <= linked


@cache
def soup(file: Path) -> BeautifulSoup:
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


def test_interactive_figures_are_listed_by_their_titles(window, site):
    with window() as visit:
        page = visit.open("book/reference/figures.html")
        links = page.locator("#interactive-figures .list-of a")
        assert links.count() == len(
            re.findall("{explorable}", "".join(map(_source, chapters.chapters())))
        )
        for link in links.all():
            assert re.match(r"Figure \d+\. \w+.* \w+", link.inner_text())


def _source(docname: str) -> str:
    return (chapters.ROOT / f"{docname}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("query", QUERIES)
def test_a_search_finds_the_right_place_first(query, window):
    """From a phone's button, by keyboard from there."""
    with window("phone") as visit:
        page = visit.open("book/reference/set-up.html")
        assert not any("searchindex" in file for file in visit.loaded)
        page.locator(".search-button:visible").first.click()
        page.locator("article input[name=q]:focus").wait_for()
        page.keyboard.type(query)
        page.keyboard.press("Enter")
        first = page.locator("#search-results li a").first
        first.wait_for()
        page.wait_for_function(
            "() => !/searching/i.test("
            "document.querySelector('#search-results').innerText)"
        )
        address = first.evaluate("a => a.pathname.slice(1) + a.hash")
        assert address in QUERIES[query]
        wide = page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert wide, "the results scroll sideways"
        page.keyboard.press("Tab")
        while not first.evaluate("a => a === document.activeElement"):
            before = page.evaluate("document.activeElement.outerHTML")
            page.keyboard.press("Tab")
            assert page.evaluate("document.activeElement.outerHTML") != before
        page.keyboard.press("Enter")
        page.wait_for_url(f"**/{address.partition('#')[0]}*")
        assert not visit.errors and not visit.outside


# The bibliography

#: As registered since the year 2000, and not as an address.
DOI = re.compile(r"10\.\d{4,9}/[-._;()/:\w]*\w\Z", re.ASCII)
WORKS = pybtex.database.parse_file(chapters.ROOT / "book" / "references.bib").entries


def test_every_doi_has_the_form_of_one():
    found = {key: work.fields.get("doi") for key, work in WORKS.items()}
    assert not {k: doi for k, doi in found.items() if doi and not DOI.match(doi)}
    assert sum(map(bool, found.values())) > 20
    twice = Counter(filter(None, found.values()))
    assert not [doi for doi, times in twice.items() if times > 1]


@pytest.mark.parametrize(
    "doi", ["https://doi.org/10.1214/06-BA117A", "10.12/x", "10.1214/a b", "10.1214/x."]
)
def test_an_invalid_doi_is_detected(doi):
    assert not DOI.match(doi)


def test_every_entry_with_a_doi_links_it(site):
    page = (site / "book/reference/reading-list.html").read_text(encoding="utf-8")
    entries = re.findall(r'<div class="citation".*?</div>', page, re.S)
    assert len(entries) == len(WORKS)
    for key, work in WORKS.items():
        if doi := work.fields.get("doi"):
            link = f'<a class="reference external" href="https://doi.org/{doi}">'
            assert sum(link in entry for entry in entries) == 1, key


# Addresses, and what is at them


def head(site, page_path: str) -> str:
    return (site / page_path).read_text(encoding="utf-8").partition("</head>")[0]


def description(head: str) -> str:
    """What the tag of that name says."""
    tags = re.findall(r"<meta\b[^>]*>", head)
    (tag,) = (tag for tag in tags if 'name="description"' in tag)
    return unescape(re.search(r'content="([^"]*)"', tag)[1])


def test_every_page_has_a_description_of_its_own(site):
    found = {}
    for name in [*chapters.pages(), "genindex", "search", "404"]:
        text = description(head(site, f"{name}.html"))
        assert 50 <= len(text) <= LONGEST, (name, text)
        assert text.endswith("."), (name, text)
        assert text not in found, (name, found[text])
        found[text] = name


def has_address(site) -> bool:
    """Whether the site was built with a `BOOK_URL`: it then has a sitemap."""
    return (site / "sitemap.xml").is_file()


def test_every_page_can_be_read_by_machines(site):
    for name in chapters.pages():
        tags = head(site, f"{name}.html")
        (data,) = re.findall(
            r'<script type="application/ld\+json">(.*?)</script>', tags, re.S
        )
        data = json.loads(data)
        assert data["description"] == description(tags)
        teaches = name in chapters.chapters()
        assert ("LearningResource" in data["@type"]) == teaches
        assert data["@type"] == "Book" or data["isPartOf"]["@type"] == "Book"
        # An address stands in all of these places; in none where none is known.
        address = re.findall(r'<link rel="canonical" href="([^"]*)"', tags)
        assert address == re.findall(r'property="og:url" content="([^"]*)"', tags)
        assert address == ([data["url"]] if "url" in data else [])
        assert len(address) == has_address(site)


@pytest.mark.parametrize("path", ["no-such-page.html", "book/pooling/deep/down/x.html"])
def test_whoever_is_lost_finds_back(path, window, server):
    with window("phone") as visit:
        page = visit.open(path)
        assert page.locator("h1").inner_text() == "There is nothing here"
        # The one error is that there is nothing.
        assert not visit.outside and all("404" in error for error in visit.errors)
        sheet = "document.styleSheets[0].cssRules.length"
        assert page.evaluate(sheet) > 50
        page.locator("article input[name=q]").fill("shrinkage")
        page.keyboard.press("Enter")
        page.locator("#search-results li a").first.wait_for()
        page.go_back()
        page.locator("article").get_by_role("link", name="Index of terms").click()
        page.locator(".term-index").wait_for()


def test_there_is_a_card_where_the_site_has_an_address(site):
    assert (site / "card.png").is_file() == has_address(site)
    for name in chapters.pages():
        assert ("og:image" in head(site, f"{name}.html")) == has_address(site), name


def test_no_address_that_was_promised_disappears(site):
    """See addresses.py for what to do if one must."""
    assert not addresses.broken(site, addresses.promised())


def test_every_page_is_promised():
    promised = set(addresses.promised())
    assert len(promised) > 300
    missing = set(lasting()) - promised
    assert not missing, "python tests/site/addresses.py adds them"


@pytest.fixture
def small_site(tmp_path):
    """A page, and one that has moved to it."""
    new = '<h1 id="a"></h1><span id="b"></span><p id="id3"></p><dt id="term-c"></dt>'
    (tmp_path / "book").mkdir()
    (tmp_path / "book/new.html").write_text(new, encoding="utf-8")
    app = SimpleNamespace(
        srcdir=chapters.ROOT,
        outdir=tmp_path,
        builder=SimpleNamespace(
            out_suffix=".html", get_target_uri="{docname}.html".format
        ),
        config=SimpleNamespace(
            redirects={
                "book/old": "/book/new.html", "book/older": "/book/new.html#b"
            },
            redirect_html_template_file="book/_sphinx/web/moved_page.html",
        ),
    )
    writer = Reredirects(app)
    writer.create_redirects(writer.grab_redirects())
    return tmp_path


def test_an_address_is_lost_with_its_page_or_its_place(small_site):
    new, old = "book/new.html", "book/old.html"
    there = [new, f"{new}#a", old, f"{old}#term-c"]
    gone = ["book/gone.html", "book/gone.html#a", f"{new}#z", f"{old}#z"]
    assert addresses.broken(small_site, there + gone) == gone


def test_what_is_only_counted_is_not_promised(small_site):
    found = addresses.worth_promising(small_site, ["book/new.html"])
    assert found == {
        "book/new.html", "book/new.html#b", "book/new.html#term-c"
    }


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("book/old.html#term-c", "#term-c"),
        ("book/old.html", ""),
        ("book/older.html", "#b"),
        ("book/older.html#a", "#a"),
    ],
)
def test_a_page_that_has_moved_takes_the_reader_to_the_place(
    old, new, small_site, browser
):
    page = browser.new_page()
    page.goto(f"{small_site.as_uri()}/{old}")
    page.wait_for_url(f"**/book/new.html{new}")
    page.close()
