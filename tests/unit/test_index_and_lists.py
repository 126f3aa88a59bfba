"""What helps to find something: the index of terms, the lists, titles."""

from collections import defaultdict
from types import SimpleNamespace
from unittest.mock import Mock

from docutils import nodes
import pytest
from sphinx import addnodes

from _sphinx import events
from _sphinx.content import lists, term_index
from _sphinx.content.term_index import Place
from _sphinx.web import search

# The index of terms


@pytest.fixture
def env(monkeypatch):
    monkeypatch.setattr(term_index, "pages", lambda env: ["b", "a", "g"])
    titles = {name: nodes.title("", f"Chapter {name}") for name in "abg"}
    sections = {"a": {"": "Chapter a", "#two": "Two"}, "b": {"#one": "One"}, "g": {}}
    tocs = {
        name: nodes.bullet_list(
            "", *(nodes.reference("", text, anchorname=a) for a, text in found.items())
        )
        for name, found in sections.items()
    }
    index = SimpleNamespace(entries={name: [] for name in "abg"})
    return SimpleNamespace(titles=titles, tocs=tocs, domains={"index": index})


def add(env, docname: str, target: str, kind: str = "single", term: str = "shrinkage"):
    env.domains["index"].entries[docname].append((kind, term, target, "main", None))


def relative_uri(origin: str, docname: str) -> str:
    assert origin == "genindex"
    return f"{docname}.html"


def test_a_place_in_the_index_is_named_and_in_the_order_of_the_book(env):
    add(env, "a", "two")
    add(env, "b", "one")
    add(env, "g", "term-t")
    assert term_index.terms(env, relative_uri) == {
        "shrinkage": [
            Place("g.html#term-t", "Definition"),
            Place("b.html#one", "One", "Chapter b"),
            Place("a.html#two", "Two", "Chapter a"),
        ]
    }


def test_a_section_is_named_once_and_a_chapter_not_twice(env):
    add(env, "b", "one")
    add(env, "b", "one")
    add(env, "a", "chapter-a")
    assert term_index.terms(env, relative_uri)["shrinkage"] == [
        Place("b.html#one", "One", "Chapter b"),
        Place("a.html#chapter-a", "Chapter a"),
    ]


def test_terms_are_grouped_by_their_first_letter_whatever_its_case(env):
    for term in ("tau", "R-hat", "Table", "radon"):
        add(env, "b", "one", term=term)
    builder = SimpleNamespace(get_relative_uri=relative_uri)
    context = {}
    app = SimpleNamespace(env=env, builder=builder)
    term_index.show(app, "genindex", "genindex.html", context, None)
    assert [
        (letter, [term for term, _ in terms]) for letter, terms in context["term_index"]
    ] == [("R", ["R-hat", "radon"]), ("T", ["Table", "tau"])]


@pytest.mark.parametrize(
    ("kind", "term"), [("single", "shrinkage; of counties"), ("see", "shrinkage")]
)
def test_an_entry_below_another_is_refused(env, kind, term):
    add(env, "b", "one", kind, term)
    with pytest.raises(ValueError, match=f"no room for '{term}'"):
        term_index.terms(env, relative_uri)


def test_an_entry_leads_to_its_section_in_the_search_too():
    section = nodes.section("", nodes.title("", "Two"), ids=["two"])
    section += addnodes.index(entries=[("single", "shrinkage", "index-7", "", None)])
    section += addnodes.index(entries=[("single", "tau", "term-tau", "main", None)])
    index = SimpleNamespace(entries={})
    env = SimpleNamespace(docname="a", domains={"index": index})
    term_index.point_to_sections(SimpleNamespace(env=env), section)
    assert index.entries["a"] == [
        ("single", "shrinkage", "two", "main", None),
        ("single", "tau", "term-tau", "main", None),
    ]
    assert section[1]["entries"] == index.entries["a"][:1]


def test_the_search_keeps_the_entries_of_pages_that_are_not_written_again():
    written = {"g": []}
    index = SimpleNamespace(
        entries={
            "a": [],
            "g": [
                ("single", "tau", "term-tau", "main", None),
                ("pair", "prior; flat", "flat", "main", None),
            ],
        }
    )
    env = Mock(found_docs={"a", "g"}, get_domain={"index": index}.get)
    builder = SimpleNamespace(indexer=SimpleNamespace(_index_entries=written))
    app = SimpleNamespace(env=env, builder=builder)
    assert search.add_index_entries(app) == []
    assert list(written) == ["a", "g"]
    assert written == {
        "a": [],
        "g": [("flat", "flat", "main"), ("prior", "flat", "main"),
              ("tau", "term-tau", "main")],
    }


# The lists


def test_a_title_is_what_stands_in_bold_without_its_links():
    link = nodes.reference("", "a link")
    bold = nodes.strong("", "", nodes.Text("With "), link, nodes.math("", "x"))
    caption = nodes.caption("", "", bold, nodes.Text(" And more."))
    found = lists.title_of(caption)
    assert [node.astext() for node in found] == ["With ", "a link", "x"]
    assert not any(isinstance(node, nodes.reference) for node in found)
    assert any(isinstance(node, nodes.math) for node in found)


def test_what_has_no_title_is_named(monkeypatch):
    said = []
    monkeypatch.setattr(
        lists.logger, "warning", lambda text, location: said.append((text, location))
    )
    caption = nodes.caption("", "No title.")
    assert lists.title_of(caption) == []
    assert said == [("this has no title: begin it with words in bold", caption)]


def test_pages_made_of_others_are_read_again_when_any_page_has_changed():
    env = SimpleNamespace(
        docname="lists", found_docs={"lists", "a"}, metadata=defaultdict(dict)
    )
    events.depend_on_all_pages(env)
    env.metadata["gone"] = dict(env.metadata["lists"])
    env.metadata["a"] = {}
    assert events.outdated(None, env, set(), {"a"}, set()) == {"lists"}
    assert events.outdated(None, env, set(), set(), set()) == set()


@pytest.mark.parametrize(
    ("kind", "exception", "called"),
    [("html", None, True), ("html", ValueError(), False), ("print", None, False)],
)
def test_what_finishes_a_site_is_called_when_html_is_built(kind, exception, called):
    calls, handlers = [], {}
    app = SimpleNamespace(
        builder=SimpleNamespace(name=kind), connect=handlers.__setitem__
    )
    events.when_html_is_built(app, calls.append)
    handlers["build-finished"](app, exception)
    assert calls == [app] * called
