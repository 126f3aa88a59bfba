"""Every fit of the book is checked, passes, and is on the page of all fits."""

from __future__ import annotations

import os
from pathlib import Path

from bs4 import BeautifulSoup
import pytest

import chapters
from pooling import diagnostics

NOTEBOOKS = chapters.notebooks()
FITS_PAGE = "book/reference/fits"
SITE = Path(os.environ.get("BOOK_SITE") or chapters.ROOT / "_build" / "html")
#: What draws a posterior, and what says whether it may be used.
SAMPLERS = ("pm.sample", "pm.sample_smc", "pm.fit", "nutpie.sample")
CHECK = "pooling.check"
#: A search over many fits measures them, and draws conclusions from how they fail.
MEASURE = "pooling.diagnose"


def short(page: str) -> str:
    return page.removeprefix("book/")


def unchecked(notebook) -> list[str]:
    """The cells that draw and are neither measured nor checked, there or next."""
    cells = chapters.code_cells(notebook)
    return [
        cell.source
        for cell, after in zip(cells, [*cells[1:], None])
        if chapters.calls(cell, *SAMPLERS)
        and not chapters.calls(cell, CHECK, MEASURE)
        and not (after and chapters.calls(after, CHECK))
    ]


def failures(record: dict) -> set[str]:
    """How a record fails its own thresholds; NaN compares false, and fails."""
    limits, unchecked = record["thresholds"], record["unchecked"]
    sound = {
        "rhat": record["rhat"] < limits["rhat"],
        "ess": min(record["ess_bulk"], record["ess_tail"]) >= limits["ess"],
        "divergences": "divergences" in unchecked
        or record["divergences"] <= limits["divergences"],
        "treedepth": "treedepth" in unchecked
        or record["treedepth"] <= limits["treedepth"],
        "ebfmi": "ebfmi" in unchecked or record["ebfmi"] >= limits["ebfmi"],
    }
    return {name for name, passes in sound.items() if not passes}


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_fit_is_checked_where_it_is_drawn(page):
    found = unchecked(chapters.read(page))
    assert not found, f"{page}.md: no pooling.check after\n\n" + "\n\n".join(found)


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_check_left_its_record(page, fits):
    cells = chapters.code_cells(chapters.read(page))
    drawn = sum(len(chapters.calls(cell, *SAMPLERS)) for cell in cells)
    checked = sum(len(chapters.calls(cell, CHECK)) for cell in cells)
    # A call in a loop or in a function may leave several records, or be shared.
    assert len(fits(short(page))) >= max(checked, min(drawn, 1))


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_fit_passes_or_fails_as_announced(page, fits):
    for record in fits(short(page)):
        what = f"{page}.md, {record['name']}: "
        assert record["thresholds"] == diagnostics.THRESHOLDS._asdict(), what
        # Whether draws are finite cannot be told from the other numbers.
        found, expected = failures(record), set(record["expect"]) - {"finite"}
        allowed = set(record["allow"])
        assert expected <= found <= expected | allowed, what + f"{found}"
        assert set(record["failures"]) - {"finite"} == found, what


@pytest.mark.parametrize("page", NOTEBOOKS)
def test_every_fit_says_what_it_is(page, fits):
    for record in fits(short(page)):
        assert record["name"], f"{page}.md: a fit without a name: {record}"
        assert record["chains"] >= 4, record["name"]
        assert record["quantities"] > 0, record["name"]
        assert record["sampler"] != "unknown", record["name"]
        # PyMC and nutpie record all of it.
        assert record["unchecked"] == [], record["name"]


def rows(html: str) -> list[list[str]]:
    """The cells of every row in the tables of the page of all fits."""
    tables = BeautifulSoup(html, "html.parser").select("table.fits tbody")
    return [
        [cell.get_text().strip() for cell in row.select("td")]
        for table in tables
        for row in table.select("tr")
    ]


def test_the_page_of_all_fits_lists_them_all(fits):
    page = SITE / f"{FITS_PAGE}.html"
    assert page.exists(), f"there is no {page}: `make book` first"
    expected = [
        (
            record["name"],
            f"{record['chains']} × {record['draws']:,}",
            f"{record['rhat']:.3f}",
            f"{record['divergences']:,}",
        )
        for name in NOTEBOOKS
        for record in fits(short(name))
    ]
    listed = rows(page.read_text(encoding="utf-8"))
    assert [(r[0], r[2], r[3], r[6]) for r in listed] == expected
    verdicts = [row[-1] for row in listed]
    meant = [bool(r["expect"]) for name in NOTEBOOKS for r in fits(short(name))]
    assert [verdict != "sound" for verdict in verdicts] == meant


def test_the_book_has_fits_and_one_that_fails(fits):
    """A book of hierarchical models in which nothing fails would hide something."""
    records = [record for name in NOTEBOOKS for record in fits(short(name))]
    assert any(record["expect"] for record in records)
    assert any(not record["expect"] for record in records)
