"""Finding something in the book: the index, the lists, the search, the addresses."""

import re

import pytest

import chapters

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


@pytest.mark.parametrize("term", TERMS)
def test_the_index_leads_from_a_term_to_its_definition_and_sections(
    term, window, server
):
    with window("phone") as visit:
        page = visit.open("book/reference/set-up.html")
        link = page.locator(".bd-sidebar-primary a", has_text="Index of terms")
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
            re.search(r"\w", link.inner_text()) for link in entry.locator("a").all()
        )


@pytest.mark.parametrize(
    ("name", "part"),
    [("figures", "figure"), ("exercises", ".exercise"), ("exercises", ".solution")],
)
def test_the_lists_have_all_there_is(name, part, window):
    with window() as visit:
        page = visit.open(f"book/reference/{name}.html")
        links = page.eval_on_selector_all(
            "article .list-of a", "links => links.map(link => link.href)"
        )
        there = set()
        for chapter in ["book/index", *chapters.chapters()]:
            page = visit.open(f"{chapter}.html")
            there |= set(
                page.eval_on_selector_all(
                    f"article {part}[id]",
                    "parts => parts.map(part => document.URL + '#' + part.id)",
                )
            )
        assert there and there <= set(links)


def test_the_figures_that_answer_back_are_listed_by_what_they_are(window, site):
    with window() as visit:
        page = visit.open("book/reference/figures.html")
        links = page.locator("#figures-that-answer-back .list-of a")
        assert links.count() == len(
            re.findall("{explorable}", "".join(map(_source, chapters.chapters())))
        )
        for link in links.all():
            assert re.match(r"Figure \d+\. \w+.* \w+", link.inner_text())


def _source(docname: str) -> str:
    return (chapters.ROOT / f"{docname}.md").read_text(encoding="utf-8")
