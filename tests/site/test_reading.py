"""What a reader does with a page: search it, copy from it, read it in the dark."""

from io import BytesIO
import re
from urllib.parse import unquote, urlsplit

import numpy as np
from PIL import Image
import pytest

from built import SITE, SOURCES, pages
import chapters
from pooling import plots

WITH_CODE = [
    page
    for page in pages()
    if (SOURCES / page).with_suffix(".md").exists()
    and chapters.code_cells(chapters.read(page.removesuffix(".html"), SOURCES))
]
HIDDEN = {"remove-cell", "remove-input"}
#: A long one.
CHAPTER = "book/pooling/radon.html"

COPY_ALL = """async () => {
    const copied = [];
    for (const cell of document.querySelectorAll("div.cell_input")) {
        await navigator.clipboard.writeText("nothing was copied");
        cell.querySelector("button.copybtn").click();
        copied.push(await navigator.clipboard.readText());
    }
    return copied;
}"""


def results(page, server: str) -> list[str]:
    """Where the results of a search lead, once there are any."""
    page.locator("#search-results li a").first.wait_for()
    # Results are added one after another.
    page.wait_for_function(
        "() => !/searching/i.test(document.querySelector('#search-results').innerText)"
    )
    links = page.locator("#search-results li a")
    return [link.get_attribute("href") for link in links.all()]


def test_search_finds_shrinkage(window, server, site):
    with window() as visit:
        page = visit.open("search.html?q=shrinkage")
        found = results(page, server)
        assert found
        for link in found:
            path = unquote(urlsplit(link).path)
            target = (site / path.lstrip("/")).resolve()
            assert target.is_file(), link
        page.locator("#search-results li a").first.click()
        page.wait_for_load_state("load")
        assert "shrinkage" in page.locator("article").inner_text().lower()
        assert not visit.errors and not visit.outside


def test_a_search_by_title_finds_the_chapter_and_quotes_its_prose(window):
    with window("phone") as visit:
        page = visit.open("search.html?q=R-hat")
        results(page, visit.server)
        page.locator("#search-results .context").nth(4).wait_for()
        marked = page.locator("#search-results .highlighted").all_inner_texts()
        assert "r" not in map(str.lower, marked)
        page = visit.open("search.html?q=how much to pool")
        assert results(page, visit.server)[0].endswith("radon.html")
        assert not page.locator("h1 .highlighted").count()
        page.locator("#search-results li .context").nth(4).wait_for()
        quoted = " ".join(page.locator("#search-results .context").all_inner_texts())
        assert "pool" in quoted and "import " not in quoted and "\\" not in quoted


def test_search_says_when_it_finds_nothing(window):
    with window() as visit:
        page = visit.open("search.html?q=qqqqzzzz")
        page.get_by_text(re.compile("did not match any documents")).wait_for()
        assert page.locator("#search-results li a").count() == 0


def test_what_is_typed_before_the_search_has_loaded_stays(window):
    with window() as visit:
        page, held = visit.page, []
        page.route("**/searchtools.js*", lambda route: held.append(route))
        with page.expect_request("**/searchtools.js*"):
            page.goto(f"{visit.server}/search.html", wait_until="commit")
        page.locator("article input[name=q]:focus").wait_for()
        page.keyboard.type("shrink")
        held.pop().continue_()
        page.unroute("**/searchtools.js*")
        page.wait_for_load_state("load")
        page.keyboard.type("age")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=shrinkage")
        assert results(page, visit.server)


def test_search_opens_from_the_keyboard(window, server):
    with window() as visit:
        page = visit.open("genindex.html")
        page.keyboard.press("Control+k")
        field = page.locator(".site-contents input[name=q]")
        field.wait_for(state="visible")
        page.keyboard.type("shrinkage")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=shrinkage*")
        assert results(page, server)


@pytest.mark.parametrize("path", WITH_CODE or ["index.html"])
def test_the_copy_button_copies_exactly_the_code(path, window, site):
    cells = [
        cell.source.strip("\n")
        for cell in chapters.code_cells(
            chapters.read(path.removesuffix(".html"), SOURCES)
        )
        if not HIDDEN & set(cell.metadata.get("tags", []))
    ]
    with window() as visit:
        copied = visit.open(path).evaluate(COPY_ALL)
        assert [text.rstrip("\n") for text in copied] == cells
        assert not visit.errors


def test_the_copy_button_works_by_hand(window, site):
    """On a cell that is folded at first."""
    with window() as visit:
        for path in WITH_CODE:
            page = visit.open(path)
            if page.locator("details:has(div.cell_input)").count():
                break
        else:
            pytest.fail("no page has a folded cell")
        details = page.locator("details:has(div.cell_input)").first
        details.locator("summary").click()
        cell = details.locator("div.cell_input").first
        cell.hover()
        cell.locator("button.copybtn").click()
        copied = page.evaluate("() => navigator.clipboard.readText()")
        assert copied.rstrip("\n") == cell.locator("pre").text_content().rstrip("\n")


def test_there_is_code_to_copy(site):
    assert WITH_CODE


# Light and dark


def figures() -> list[str]:
    return sorted(file.name for file in (SITE / "_images").glob("*.svg"))


@pytest.mark.parametrize("name", figures() or ["none"])
def test_every_figure_has_both_sets_of_colours(name, site):
    drawing = (site / "_images" / name).read_text(encoding="utf-8")
    style = drawing[: drawing.index("</style>")]
    for colour in set(re.findall(r"var\(--(\w+)\)", drawing)):
        light, dark = plots.PALETTE[colour]
        assert f"--{colour}:{light}" in style and f"--{colour}:{dark}" in style
    # Nothing is left that would be one colour on every page.
    rest = drawing[len(style) :]
    assert not set(re.findall(r"#[0-9a-fA-F]{6}\b", rest))
    assert not re.findall(r"(?:fill|stroke):\s*(?:black|white|rgb)", rest)


# How wide each figure of the page is drawn.
DRAWN = """() => [...document.querySelectorAll(".cell_output img[src$='.svg']")].map(
    image => [decodeURI(image.src.split("/").at(-1)), image.width])"""
#: The least size of type, in CSS pixels.
READABLE = 9


def letters(name: str) -> list[float]:
    """The sizes of the letters in a figure, as shares of its width.

    Matplotlib draws letters 100 units high, and scales each text to its size.
    Indices and exponents are smaller within their text, as they are in print.
    """
    drawing = (SITE / "_images" / name).read_text(encoding="utf-8")
    width = float(re.search(r'viewBox="0 0 ([\d.]+) ', drawing)[1])
    scales = re.findall(r'transform="translate[^"]* scale\(([\d.]+) -\1\)"', drawing)
    return [100 * float(scale) / width for scale in scales]


def test_letters_in_figures_can_be_read_on_a_phone(window, site):
    seen, small = set(), {}
    with window("phone") as visit:
        for path in WITH_CODE:
            for name, width in visit.open(path).evaluate(DRAWN):
                seen.add(name)
                smallest = width * min(letters(name))
                if smallest < READABLE:
                    small[path, name] = f"{smallest:.1f} px, {width} px wide"
    assert seen
    assert not small


def pixels(locator) -> np.ndarray:
    """The brightness of what is on the screen, 0 to 255."""
    locator.scroll_into_view_if_needed()
    return np.asarray(Image.open(BytesIO(locator.screenshot())).convert("L"), float)


def first_figure(visit):
    """The first figure of the site that is not folded away, on its page."""
    for path in WITH_CODE:
        page = visit.open(path)
        for image in page.locator(".cell_output img").all():
            if image.is_visible():
                return page, image
    pytest.fail("no page shows a figure")


def is_light(screen: np.ndarray) -> bool:
    return np.median(screen) > 200 and screen.min() < 100


def is_dark(screen: np.ndarray) -> bool:
    return np.median(screen) < 70 and screen.max() > 150


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_follow_the_reader_s_system(window, site, scheme):
    with window(scheme=scheme) as visit:
        _, image = first_figure(visit)
        screen = pixels(image)
    assert (is_light if scheme == "light" else is_dark)(screen)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_figures_follow_the_page_s_own_switch(window, site, scheme):
    """Whatever the system says."""
    other = "dark" if scheme == "light" else "light"
    with window(scheme=other) as visit:
        page, image = first_figure(visit)
        page.evaluate(
            "scheme => { const d = document.documentElement.dataset;"
            " d.mode = scheme; d.theme = scheme; }",
            scheme,
        )
        page.wait_for_function("document.getAnimations().length === 0")
        screen = pixels(image)
    assert (is_light if scheme == "light" else is_dark)(screen)


# Ways about


@pytest.mark.parametrize("name", ["wide", "phone"])
def test_a_link_to_a_place_far_below_leads_there(name, window):
    """However high the sections before it were thought to be."""
    place = "further-reading"
    with window(name) as visit:
        page = visit.open(f"{CHAPTER}#{place}")
        page.evaluate("scrollTo(0, 0)")
        if name == "phone":
            page.locator(".sections-button").click()
        page.locator(f".page-contents a[href='#{place}']").click()
        assert not page.locator(":popover-open").count(), "it lies before the place"
        top = page.evaluate(AT_REST, place)
        assert 0 <= top < page.viewport_size["height"], "it is not on the screen"
        assert not visit.errors


@pytest.mark.parametrize("name", ["wide", "phone"])
def test_the_download_menu_is_on_the_screen(name, window):
    with window(name) as visit:
        page = visit.open(CHAPTER)
        button = page.locator(".downloads summary")
        menu = page.locator(".downloads ul")
        # A mouse opens it by being there.
        button.press("Enter")
        box, below = menu.bounding_box(), button.bounding_box()
        assert 0 <= box["x"] < box["x"] + box["width"] <= page.viewport_size["width"]
        assert box["x"] < below["x"] + below["width"] <= box["x"] + box["width"]
        assert box["y"] >= below["y"] + below["height"] / 2
        button.press("Tab")
        assert menu.is_visible()
        menu.locator("a").last.focus()
        page.keyboard.press("Tab")
        menu.wait_for(state="hidden")


#: Where a place is in the window, once nothing moves any more.
AT_REST = """async id => {
    const place = document.getElementById(id);
    const top = () => place.getBoundingClientRect().top;
    for (let before = null, same = 0; same < 12; before = top()) {
        await new Promise(requestAnimationFrame);
        same = top() === before ? same + 1 : 0;
    }
    return top();
}"""
#: The last of each kind: past figures that are drawn late, and what is set late.
PLACES = """() => ["section > section", ".exercise", "dl dt"].flatMap(kind =>
    [...document.querySelectorAll(`article ${kind}[id]`)].slice(-1)).map(e => e.id)"""


FOLLOW = """id => {
    const link = Object.assign(document.createElement("a"), { href: `#${id}` });
    document.querySelector("article").append(link);
    link.click();
}"""


#: The height of four lines of text, in pixels.
FEW_LINES = 4 * 27


def in_view(page, place, header) -> bool:
    """Whether a place is where one begins to read, or as near as the end lets it."""
    top = page.evaluate(AT_REST, place)
    ended = page.evaluate("scrollY + innerHeight + 2 > document.body.scrollHeight")
    return header - 5 <= top and (top < 200 or ended)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        *(("phone", path) for path in WITH_CODE),
        ("wide", WITH_CODE[-1]),
        ("wide", "book/reference/glossary.html"),
    ],
)
def test_a_link_to_a_place_leads_there(name, path, window):
    """From elsewhere; from the page itself; and a page read again is where it was."""
    with window(name) as visit:
        page = visit.open(path)
        places = page.evaluate(PLACES)
        assert places
        # On a wide screen it does not stay.
        header = page.locator(".page-header").bounding_box()["height"]
        header *= name == "phone"
        for place in places:
            page.goto("about:blank")
            visit.open(f"{path}#{place}")
            assert in_view(page, place, header), place
        # What is drawn late above a place moves the place and the page alike. A font
        # that comes late may break a few lines anew.
        where = page.evaluate(AT_REST, place)
        visit.reload()
        assert abs(page.evaluate(AT_REST, place) - where) < FEW_LINES
        page.goto("about:blank")
        page = visit.open(path)
        for place in places:
            # As a link in the text would.
            page.evaluate(FOLLOW, place)
            assert in_view(page, place, header), place
        assert not visit.errors
