"""The map of the chapters: what it takes from their texts, and what it leaves out."""

from unittest.mock import Mock

from docutils import nodes
from docutils.utils import new_document
import pytest
from sphinx.addnodes import pending_xref

from _sphinx.content import chapter_map

NAMES = ["book/one/first", "book/one/second-one", "book/two/third"]


@pytest.fixture
def book(monkeypatch):
    """A book of three chapters; the last is "third", whose text a test sets."""
    monkeypatch.setattr(chapter_map, "chapters", lambda env: NAMES)
    documents = {name: new_document(name) for name in NAMES}
    return Mock(
        get_doctree=documents.get,
        domaindata={"std": {"anonlabels": {"second-label": (NAMES[1], "id")}}},
    )


def paragraph(text: str, *targets: str) -> nodes.paragraph:
    links = [pending_xref(reftarget=target) for target in targets]
    return nodes.paragraph("", "", nodes.Text(text), *links)


def test_a_need_is_a_link_by_a_label_or_by_the_name_of_a_page(book):
    document = book.get_doctree(NAMES[2])
    document += paragraph("This links too.", "book/one/unrelated")
    document += paragraph("You need ", "second-label", "book/one/first.md")
    assert chapter_map.needs(book, NAMES[2]) == set(NAMES[:2])


def test_a_link_to_a_later_chapter_or_to_another_page_is_no_need(book):
    document = book.get_doctree(NAMES[1])
    document += paragraph("You need ", NAMES[2], NAMES[1], "book/reference/glossary")
    assert chapter_map.needs(book, NAMES[1]) == set()


def test_a_chapter_that_does_not_say_what_it_needs_fails_the_build(book, monkeypatch):
    warnings = []
    monkeypatch.setattr(
        chapter_map.logger, "warning", lambda text, *_, location: warnings.append(text)
    )
    assert chapter_map.needs(book, NAMES[0]) == set()
    assert len(warnings) == 1


def test_a_need_of_a_need_has_no_curve_of_its_own():
    needed = {"a": set(), "b": {"a"}, "c": {"a", "b"}, "d": {"a", "c"}, "e": {"a"}}
    assert chapter_map.without_detours(needed) == {
        "a": set(), "b": {"a"}, "c": {"b"}, "d": {"c"}, "e": {"a"},
    }


def test_a_chapter_is_named_after_its_file():
    assert chapter_map.label("book/pooling/how-many-groups") == "How many groups"
