"""What a reader does with Firefox and with WebKit, which is Safari's engine.

All other tests of the site use Chromium. Here each of the other two opens a chapter,
runs its cells, uses an interactive figure, switches to dark colours and searches.
"""

from __future__ import annotations

import os

import pytest

import browsers
import live_site
import other_browsers

ENGINES = {"firefox": other_browsers.firefox, "webkit": other_browsers.webkit}
CHAPTER = "book/why-hierarchy/what-is-a-hierarchical-prior.html"
FIGURE = "eight-schools"
#: The chapter whose cells take least time.
QUICK = "book/why-hierarchy/eighteen-players.html"
GROUND = "getComputedStyle(document.body).backgroundColor"
LIGHT, DARK = "rgb(254, 253, 251)", "rgb(20, 23, 28)"
#: Seconds in which a chapter's cells have to run, on a busy machine too.
RUN = 480


@pytest.fixture(scope="module")
def address(site):
    """The address of the site with its live cells."""
    folder = live_site.pyodide_folder()
    if folder is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(live_site.HOW)
    with live_site.served(folder) as (address, _):
        yield address


@pytest.fixture(scope="module", params=ENGINES)
def page(request, address, tmp_path_factory):
    """The only page of a browser that has never been used."""
    name = request.param
    found = browsers.FIND[name]()
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(browsers.NEEDED[name])
    folder = tmp_path_factory.mktemp(name)
    with ENGINES[name](found, folder) as page:
        yield page


@pytest.fixture
def chapter(request, page, address):
    """The page of a chapter, with its scripts loaded."""
    page.open(f"{address}/{getattr(request, 'param', CHAPTER)}")
    page.evaluate("scrollBy(0, 1)")  # The scripts wait for a reader's first move.
    page.wait("document.querySelector('.live-bar')")
    return page


@pytest.mark.parametrize("chapter", [QUICK], indirect=True)
def test_the_cells_of_a_chapter_run_to_the_end(chapter):
    # The last cell outside of the solutions, which are folded.
    last = chapter.evaluate("""[...document.querySelectorAll(".live-bar")]
        .filter(bar => bar.checkVisibility()).at(-1).id""")
    number = int(last.removeprefix("live-"))
    assert number > 10
    panel = f"#{last} + .live-panel"
    choice = f"{panel} .live-choices button:first-child"
    panel_says = """document.querySelector(arguments[0])
        .textContent.includes(arguments[1])"""
    chapter.click(f"#{last} [aria-label='Run cell {number}']")
    chapter.wait(panel_says, panel, "Python can run here")
    chapter.click(choice)
    chapter.wait(panel_says, panel, "above this one have not run")
    chapter.click(choice)
    # Either of the two ends the run; which one it was is asked afterwards.
    chapter.wait(
        """document.querySelector(arguments[0]).textContent.startsWith(arguments[1])
            || document.querySelector(".live-error")""",
        ".live-heard[role=status]", f"Cell {number} has run", seconds=RUN,
    )
    cells = chapter.evaluate(
        """[...document.querySelectorAll(".live-cell")].slice(0, arguments[0])
            .map(cell => [
                cell.querySelector(".live-label span")?.textContent,
                cell.querySelector(".live-error")?.textContent,
            ])""",
        number,
    )
    assert not [error for _, error in cells if error]
    assert all(label and label.startswith("Live") for label, _ in cells)
    output = chapter.evaluate("""[...document.querySelectorAll(".live-output")]
        .map(output => output.textContent).join()""")
    assert "R-hat at most" in output
    assert chapter.evaluate("""[...document.querySelectorAll(".live-output img")]
        .every(image => image.complete && image.naturalWidth > 0)
        && document.querySelectorAll(".live-output img").length > 0""")


def test_a_slider_changes_a_figure(chapter):
    slider = f"{FIGURE} .control:first-child input[type=range]"
    chapter.evaluate(
        "document.querySelector(arguments[0]).scrollIntoView()", FIGURE
    )
    chapter.wait("document.querySelector(arguments[0])", f"{FIGURE}[ready]")
    drawn = "document.querySelector(arguments[0]).innerHTML"
    told = "document.querySelector(arguments[0]).textContent"
    picture, words = f"{FIGURE} > svg", f"{FIGURE} [role=status]"
    before = chapter.evaluate(drawn, picture), chapter.evaluate(told, words)
    chapter.type(slider, other_browsers.KEYS["ArrowRight"] * 3)
    chapter.wait(f"{drawn} !== arguments[1]", picture, before[0])
    chapter.wait(f"{told} !== arguments[1]", words, before[1])


def test_dark_colours_are_switched_on_and_remembered(chapter, address):
    assert chapter.evaluate(GROUND) == LIGHT
    chapter.click(".theme-button")
    chapter.wait(f"{GROUND} === arguments[0]", DARK)
    chapter.open(f"{address}/book/reference/notation.html")
    assert chapter.evaluate(GROUND) == DARK
    # From dark to automatic, which is light here.
    chapter.click(".theme-button")
    chapter.wait(f"{GROUND} === arguments[0]", LIGHT)


def test_a_search_leads_to_a_result(chapter):
    chapter.type(
        ".site-contents input[name=q]",
        "leapfrog integrator" + other_browsers.KEYS["Enter"],
    )
    first = "#search-results li:first-child a"
    chapter.wait("location.pathname.endsWith('/search.html')")
    chapter.wait(
        """document.querySelector(arguments[0]) && !/searching/i.test(
            document.querySelector("#search-results").innerText)""", first
    )
    found = "document.querySelectorAll('#search-results li').length"
    assert chapter.evaluate(found) > 1
    chapter.click(first)
    chapter.wait("location.hash === '#leapfrog-on-a-funnel'")
    chapter.wait("""(heading => {
        const { top, bottom } = heading.getBoundingClientRect();
        return top >= 0 && bottom <= innerHeight
            && /leapfrog/i.test(heading.textContent);
    })(document.querySelector("#leapfrog-on-a-funnel > :is(h2, h3)"))""")
