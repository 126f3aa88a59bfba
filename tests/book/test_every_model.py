"""Every fit of the book belongs to a model, and each model is on the page of models."""

from __future__ import annotations

import os
from pathlib import Path

from bs4 import BeautifulSoup
import pytest

from _sphinx.content import models as directive
from _sphinx.executing import records
import chapters
import model_drawings
from pooling import datasets

NOTEBOOKS = chapters.notebooks()
SITE = Path(os.environ.get("BOOK_SITE") or chapters.ROOT / "_build" / "html")
WIDTHS = "one of many fits of a model whose priors have a width that is data"
#: Fits whose model is not listed, by page and name, and why.
EXCEPTIONS = {
    ("book/open-questions/three-priors", "struggling"): WIDTHS,
    ("book/open-questions/three-priors", "working"): WIDTHS,
}
#: Distributions that a model's record calls otherwise than PyMC's class.
IN_CODE = {"NegBinomial": "NegativeBinomial"}


@pytest.fixture(scope="module")
def found(ran):
    """The page, the record and the code of every model."""
    return [
        (page, record, directive.definition(notebook, record))
        for page in NOTEBOOKS
        for notebook in [ran(page.removeprefix("book/"))]
        for record in records.models(notebook)
    ]


@pytest.fixture(scope="module")
def sections():
    """The sections of the page of all models, by the names of their places."""
    page = SITE / "book" / "reference" / "models.html"
    assert page.exists(), f"there is no {page}: `make book` first"
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    return {part["id"]: part for part in soup.select("section[id^='model-']")}


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_fit_belongs_to_a_model(page, ran, fits):
    short = page.removeprefix("book/")
    listed = [name for one in records.models(ran(short)) for name in one["fits"]]
    excepted = {name for where, name in EXCEPTIONS if where == page}
    checked = {fit["name"] for fit in fits(short)}
    assert len(listed) == len(set(listed)), f"{page}.md: a fit of two models"
    assert not set(listed) & excepted, f"{page}.md: an exception that is listed"
    assert checked == set(listed) | excepted, (
        f"{page}.md: name each fit in a `pooling.models.describe`, or in EXCEPTIONS: "
        f"{sorted(checked ^ (set(listed) | excepted))}"
    )


def test_every_exception_has_a_reason_and_a_page():
    for (page, _), reason in EXCEPTIONS.items():
        assert page in NOTEBOOKS and reason.strip()


def test_titles_are_unique_and_data_sets_exist(found):
    titles = [record["title"] for _, record, _ in found]
    assert len(titles) == len(set(titles)) >= 10
    for _, record, _ in found:
        name = record["data"]
        assert name is None or hasattr(datasets, f"load_{name}"), record["title"]


def test_every_variable_is_in_the_code(found):
    for page, record, code in found:
        for one in record["variables"]:
            what = f"{page}.md, {record['title']}: {one['name']}"
            assert f'"{one["name"]}"' in code, what
            written = one["distribution"] or one["kind"].title()
            assert IN_CODE.get(written, written) in code, what


def form(variables: list[dict]) -> str:
    """What a model's variables say of its parameterisation.

    A group effect with unknown parents is centered; one that is computed from another
    effect of the same groups is not, whatever that one depends on. The other effect may
    have a dimension more, such as intercept and slope.
    """
    by_name = {one["name"]: one for one in variables}
    forms, standardised = set(), set()
    for one in variables:
        if one["plate"] and one["kind"] == "deterministic":
            standardised |= set(one["parents"])
    for one in variables:
        parents = [by_name[name] for name in one["parents"]]
        if not one["plate"] or one["kind"] not in ("free", "deterministic"):
            continue
        if one["kind"] == "free" and one["name"] not in standardised:
            if any(p["kind"] == "free" for p in parents):
                forms.add("centered")
        if one["kind"] == "deterministic" and any(
            p["kind"] == "free" and all(dim in p["plate"] for dim in one["plate"])
            for p in parents
        ):
            forms.add("non-centered")
    return "mixed" if len(forms) > 1 else forms.pop() if forms else "not applicable"


def test_every_parameterisation_is_what_the_model_says(found):
    for page, record, _ in found:
        if record["parameterisation"] != "marginal":
            what = f"{page}.md, {record['title']}"
            assert record["parameterisation"] == form(record["variables"]), what


@pytest.mark.slow
def test_every_drawing_is_complete_and_nothing_is_drawn_over(found):
    for page, record, _ in found:
        wrong = model_drawings.problems(record["variables"])
        assert not wrong, f"{page}.md, {record['title']}: {wrong}"


def test_the_page_has_a_section_for_each_model(found, sections):
    assert list(sections) == [directive.label(record) for _, record, _ in found]


def test_a_section_has_formula_code_graph_and_link(found, sections):
    for page, record, code in found:
        section = sections[directive.label(record)]
        what = f"{page}.md, {record['title']}"
        assert section.find(["h2", "h3"]).get_text().startswith(record["title"]), what
        assert section.select_one(".math-block math"), what
        assert code in section.select_one("pre").get_text(), what
        assert section.select_one("img")["alt"] == directive.alternative(record), what
        links = [link["href"] for link in section.select("a[href]")]
        assert any(page.split("/")[-1] in link for link in links), what
        for name in record["fits"]:
            assert name in section.get_text(), what
