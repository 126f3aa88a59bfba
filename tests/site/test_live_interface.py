"""What a reader does with a live cell. Python itself is a fake (fake_runtime.js)."""

from __future__ import annotations

from contextlib import contextmanager
import gzip
import json
from pathlib import Path
import re

from matplotlib.figure import Figure
from playwright.sync_api import expect
import pytest

from axe import keep_alone, violations
from built import SOURCES, pages
import chapters
from pooling import plots

FAKE = Path(__file__).with_name("fake_runtime.js")
PAGE = "book/why-hierarchy/what-is-a-hierarchical-prior.html"
HIDDEN = {"remove-cell", "remove-input"}
TABLE = "<table class='dataframe'><tr><th>tau</th><td>6.5</td></tr></table>"
EDITED = "tau = 5  # fake: print edited\n"
# As patient as the pages themselves (see conftest.py), on a busy machine.
expect.set_options(timeout=15_000)


def shown(path: str) -> list:
    """The code cells of a page's source that the page shows."""
    source = (SOURCES / path).with_suffix(".md")
    if not source.exists():
        return []
    cells = chapters.code_cells(chapters.read(path.removesuffix(".html"), SOURCES))
    return [c for c in cells if not HIDDEN & set(c.metadata.get("tags", []))]


WITH_CODE = [path for path in pages() if shown(path)]


class Cell:
    """A live cell, as it is found on its page."""

    def __init__(self, page, n: int):
        self.page, self.n = page, n
        self.bar = page.locator(f"#live-{n}")
        self.root = page.locator(f"div.live-cell:has(> #live-{n})")
        self.panel = self.root.locator("> .live-panel")
        self.said = self.bar.locator(".live-said")
        self.live = self.root.locator("> .live-output")
        self.label = self.live.locator(".live-label > span")
        self.book = self.root.locator(".cell_output:not(.live-output)")
        self.editor = self.root.locator(".cm-content")

    def button(self, name: str):
        return self.root.get_by_role("button", name=name)

    def press(self, name: str):
        self.root.get_by_role("button", name=re.compile(name)).click()

    def run(self):
        self.button(f"Run cell {self.n}").first.click()

    def run_alone(self):
        self.run()
        self.press("just this one")
        self.has_run()

    def has_run(self):
        expect(self.panel).to_be_hidden()
        expect(self.label).to_have_text(re.compile(r"^Live.* s\b(?!.*running)"))

    def edit(self):
        self.button(f"Edit cell {self.n}").click()
        expect(self.editor).to_be_focused()

    def write(self, text: str):
        """Put words at the start of the cell's code."""
        self.edit()
        self.page.keyboard.press("Control+Home")
        self.page.keyboard.insert_text(text)
        expect(self.said).to_contain_text("Edited")


@contextmanager
def live(window, size="wide", scheme="light", agreed=True, path=PAGE, **fake):
    """The chapter of the eight schools, with a Python that obeys ``orders``."""
    with window(size, scheme) as visit:
        page = visit.page
        page.route("**/live/runtime.js*", lambda route: route.fulfill(path=FAKE))
        page.add_init_script(f"""globalThis.fake = {json.dumps(fake)};
            if (!sessionStorage.getItem("seen")) {{
                sessionStorage.setItem("seen", "yes");
                localStorage.removeItem("live:agreed");
                if ({json.dumps(agreed)}) localStorage.setItem("live:agreed", "yes");
            }}""")
        visit.cell = lambda n: Cell(page, n)
        visit.calls = lambda: page.evaluate("globalThis.fakeCalls ?? []")
        visit.ran = lambda: [c[2]["name"] for c in visit.calls() if c[0] == "run"]
        visit.open(path)
        yield visit


def of_figure(page) -> int:
    """The number of the first cell with a figure."""
    return 1 + page.evaluate("""() => [...document.querySelectorAll(".live-cell")]
        .findIndex(cell => cell.querySelector("figure img"))""")


# What is fetched, and when


def test_nothing_is_fetched_before_it_is_asked_for(window):
    with live(window, agreed=False) as visit:
        asked = []
        # What a page is written with may come when its place comes near.
        visit.page.on(
            "request",
            lambda r: r.resource_type in {"font", "image"} or asked.append(r.url),
        )
        visit.reload()
        ours = [url.rpartition("/live/")[2] for url in asked if "/live/" in url]
        assert ours == ["live.css"]
        asked.clear()
        visit.act()
        ours = [url.rpartition("/live/")[2] for url in asked if "/live/" in url]
        assert ours == ["cells.js"]
        # Coming near is not asking, for one who never ran anything.
        visit.cell(2).button("Run cell 2").hover()
        visit.cell(2).button("Run cell 2").focus()
        asked.clear()
        visit.cell(2).run()
        visit.cell(2).panel.get_by_role("button").first.wait_for()
        assert [url.rpartition("/")[2] for url in asked] == ["runtime.js"]
        assert visit.ran() == []
        visit.page.keyboard.press("Escape")
        visit.cell(2).edit()
        assert asked[-1].endswith("/live/editor.js") and len(asked) == 2
        assert not visit.errors and not visit.outside


def test_without_the_scripts_of_the_cells_the_page_says_so(window):
    """As when a reader loses the network just after the page has come."""
    with window("phone") as visit:
        page = visit.page
        page.route("**/live/cells.js*", lambda route: route.abort())
        visit.open(PAGE)
        note = page.get_by_role("alert")
        expect(note).to_contain_text("could not be loaded. Is this device online?")
        expect(note).to_be_in_viewport()
        assert not page.locator(".live-bar").count()
        assert not violations(page, ".not-loaded")
        note.get_by_role("button", name="Try again").click()
        expect(note).to_be_visible()
        page.unroute("**/live/cells.js*")
        note.get_by_role("button", name="Try again").click()
        run = page.get_by_role("button", name="Run cell 1", exact=True)
        expect(run).to_be_visible()
        expect(note).to_have_count(0)


def test_a_page_without_code_loads_none_of_it(site):
    without = set(pages()) - set(WITH_CODE)
    assert without and WITH_CODE
    for path in pages():
        html = (site / path).read_text(encoding="utf-8")
        assert ("live/cells.js" in html) == (path in WITH_CODE), path
        assert ("live/live.css" in html) == (path in WITH_CODE), path


@pytest.mark.parametrize("name,most", [("cells.js", 12_000), ("editor.js", 150_000)])
def test_the_scripts_are_small(site, name, most):
    assert len(gzip.compress((site / "live" / name).read_bytes())) < most


def test_the_editor_s_licence_goes_with_it_and_its_recipe_does_not(site):
    licence = (site / "live" / "editor-licence.txt").read_text(encoding="utf-8")
    assert "@codemirror/view" in licence and "Permission is hereby granted" in licence
    start = (site / "live" / "editor.js").read_text(encoding="utf-8")[:200]
    assert "editor-licence.txt" in start
    assert not (site / "live" / "editor").exists()


def test_coming_near_warms_a_python_that_has_run_before(window):
    with live(window, agreed=True) as visit:
        visit.cell(2).button("Run cell 2").hover()
        visit.page.wait_for_function("() => globalThis.fakeCalls?.length > 1")
        assert [call[0] for call in visit.calls()][:2] == ["new", "warm"]


# The controls


@pytest.mark.parametrize("path", WITH_CODE)
def test_every_cell_that_shows_its_code_can_be_run(path, window):
    with live(window, path=path) as visit:
        page = visit.page
        n = len(shown(path))
        assert page.locator(".live-bar").count() == n
        # Three names a cell, but nothing stands above the first; each name once.
        names = page.evaluate("""() => [...document.querySelectorAll(
            ".live-bar button:not([hidden])")].map(e => e.ariaLabel)""")
        expected = {f"{what} cell {k}" for k in range(1, n + 1)
                    for what in ("Run", "Run all above", "Edit")}
        assert sorted(names) == sorted(expected - {"Run all above cell 1"})
        assert not visit.errors and not visit.outside


def test_controls_wait_for_the_mouse_on_a_wide_screen_alone(window):
    opacity = "e => getComputedStyle(e).opacity"
    for size, at_rest in [("wide", "0"), ("phone", "1")]:
        with live(window, size) as visit:
            visit.page.emulate_media(reduced_motion="reduce")
            cell = visit.cell(3)
            edit = cell.button("Edit cell 3")
            assert cell.button("Run cell 3").evaluate(opacity) == "1"
            assert edit.evaluate(opacity) == at_rest
            edit.focus()
            assert edit.evaluate(opacity) == "1"
            visit.page.evaluate("document.activeElement.blur()")
            cell.root.hover()
            assert edit.evaluate(opacity) == "1"


def test_the_cells_of_a_solution_run_too(window):
    with live(window) as visit:
        page = visit.page
        number = page.locator(".solution .live-bar").first.get_attribute("id")
        cell = visit.cell(int(number.removeprefix("live-")))
        solution = page.locator(".solution:has(.live-bar)").first
        solution.locator(".admonition-title").first.click()
        cell.run_alone()
        assert visit.ran() == [f"cell {cell.n}"]


# The first run


def test_the_first_run_asks_and_says_how_much(window):
    with live(window, agreed=False) as visit:
        cell = visit.cell(1)
        cell.run()
        expect(cell.panel).to_contain_text("47 MB will be downloaded")
        expect(cell.panel).to_contain_text("kept (300 MB) for the next start")
        expect(cell.panel).to_contain_text("200 MB of memory")
        cell.press("Not now")
        expect(cell.panel).to_be_hidden()
        expect(cell.button("Run cell 1")).to_be_focused()
        assert "start" not in [call[0] for call in visit.calls()]
        # Declining is not remembered, and neither is it an answer for good.
        cell.run()
        cell.press("Download 47 MB and run")
        cell.has_run()
        visit.reload()
        cell.run()
        cell.has_run()
        assert not visit.errors


def test_with_all_of_it_in_the_cache_nothing_is_said_to_be_downloaded(window):
    with live(window, agreed=False, bytes=0) as visit:
        cell = visit.cell(1)
        cell.run()
        expect(cell.panel).to_contain_text("Nothing has to be downloaded (0 MB)")
        cell.press("Start Python and run")
        cell.has_run()


def test_progress_is_shown_and_said(window):
    with live(window, orders={"cell 1": [["sample", ""]]}) as visit:
        visit.page.evaluate("""() => {
            globalThis.seen = []; globalThis.heard = [];
            const panel = document.querySelector("#live-1 + .live-panel");
            const status = document.querySelector("[role=status].live-heard");
            new MutationObserver(() => seen.push([
                panel.textContent, panel.querySelector("progress")?.value,
            ])).observe(panel, {
                subtree: true, childList: true, characterData: true,
                attributes: true, attributeFilter: ["value"],
            });
            new MutationObserver(() => heard.push(status.textContent))
                .observe(status, { childList: true, characterData: true });
        }""")
        cell = visit.cell(1)
        cell.run()
        cell.has_run()
        seen, heard = visit.page.evaluate("[seen, heard]")
        words = [text for text, _ in seen]
        rate = "draw 250 of 1000 · 85 a second · 10 s left"
        order = [
            "Downloading Python: 24 of 47 MB",
            "Starting Python",
            "Loading packages: pymc",
            f"chain 1 of 2, {rate} · no divergences",
            f"chain 2 of 2, {rate} · 1 divergence",
        ]
        assert words.index(order[0]) > 0
        places = [max(k for k, w in enumerate(words) if w == o) for o in order]
        assert places == sorted(places)
        assert [value for text, value in seen if text == order[0]][-1] == 0.5
        assert [value for text, value in seen if text == order[-1]][-1] == 0.625
        # A listener hears the stages, not each step.
        assert heard == [
            "Downloading Python", "Starting Python", "Loading packages: pymc",
            "Python is ready", "Cell 1 is running", "Cell 1 is sampling",
            "Cell 1 has run, in 1.3 s",
        ]


# Order, and what is out of date


def test_a_cell_offers_to_run_what_stands_above_it(window):
    with live(window) as visit:
        cell = visit.cell(4)
        cell.run()
        expect(cell.panel).to_contain_text("3 cells above")
        cell.press("Not now")
        assert visit.ran() == []
        cell.run()
        cell.press("Run the 3 cells above first")
        cell.has_run()
        assert visit.ran() == [f"cell {k}" for k in (1, 2, 3, 4)]
        # They have run: nothing is asked any more.
        cell.run()
        visit.page.wait_for_function("() => fakeCalls.filter(c => c[0] == 'run')[4]")
        assert visit.ran()[-1] == "cell 4"


def test_a_cell_runs_alone_if_the_reader_says_so(window):
    with live(window) as visit:
        cell = visit.cell(4)
        cell.run_alone()
        cell.run()
        visit.page.wait_for_function("() => fakeCalls.filter(c => c[0] == 'run')[1]")
        assert visit.ran() == ["cell 4", "cell 4"]


def test_run_all_above_runs_all_and_not_the_cell(window):
    with live(window) as visit:
        visit.cell(1).run()
        visit.cell(1).has_run()
        visit.cell(4).press("Run all above")
        expect(visit.cell(4).said).to_contain_text("The 3 cells above have run")
        assert visit.ran() == ["cell 1", "cell 1", "cell 2", "cell 3"]


def test_cells_wait_for_their_turn(window):
    with live(window, slow=60) as visit:
        first, second = visit.cell(1), visit.cell(2)
        first.run()
        second.run()
        expect(second.said).to_contain_text("Waiting for its turn")
        second.has_run()
        assert visit.ran() == ["cell 1", "cell 2"]


def test_edits_put_what_ran_below_out_of_date(window):
    with live(window) as visit:
        page = visit.page
        two, three, four = (visit.cell(k) for k in (2, 3, 4))
        four.run()
        four.press("Run the 3 cells above first")
        four.has_run()
        for cell in (two, three, four):
            expect(cell.said).to_have_text("")
        two.write(EDITED)
        expect(two.said).to_have_text("Edited since it ran.")
        for cell in (three, four):
            expect(cell.said).to_have_text("Out of date: cell 2 changed after it ran.")
        expect(page.locator("[role=status].live-heard")).to_have_text(
            "3 cells are out of date"
        )
        # Taken back, all is as it was.
        page.keyboard.press("Control+z")
        for cell in (two, three, four):
            expect(cell.said).to_have_text("")
        page.keyboard.press("Control+y")
        page.keyboard.press("Shift+Enter")
        expect(two.live).to_contain_text("edited")
        expect(two.said).to_have_text("Edited.")
        expect(three.said).to_contain_text("Out of date")
        # The last cell needs the third again, and the third alone.
        four.run()
        four.press("Run the cell above first")
        expect(four.said).to_have_text("")
        assert visit.ran()[-3:] == ["cell 2", "cell 3", "cell 4"]
        expect(three.said).to_have_text("")


# Editing


def test_editing_by_keyboard(window):
    with live(window) as visit:
        page, cell = visit.page, visit.cell(2)
        book = cell.root.locator("pre").first.inner_text().strip("\n")
        cell.button("Edit cell 2").focus()
        page.keyboard.press("Enter")
        expect(cell.editor).to_be_focused()
        assert "\n".join(cell.editor.locator(".cm-line").all_inner_texts()).replace(
            "\n\n\n", "\n\n"
        ) == book
        assert cell.editor.get_attribute("aria-label") == "Code of cell 2"
        keys = page.locator(f"#{cell.editor.get_attribute('aria-describedby')}")
        expect(keys).to_contain_text("Escape, then Tab, leaves the editor")
        # Tab indents ...
        page.keyboard.press("Tab")
        expect(cell.editor.locator(".cm-line").first).to_have_text(
            re.compile(r"^    schools")
        )
        page.keyboard.press("Shift+Tab")
        expect(cell.said).to_have_text("")
        # ... and after Escape it leaves; any other key takes that back.
        page.keyboard.press("Escape")
        expect(keys).to_have_text("Tab now leaves the editor.")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        expect(cell.editor).to_be_focused()
        page.keyboard.press("Escape")
        # However long the reader takes.
        page.clock.install()
        page.clock.fast_forward(2100)
        page.keyboard.press("Tab")
        expect(cell.editor).not_to_be_focused()
        assert page.evaluate("document.activeElement.closest('.live-cell') !== null")
        assert not visit.errors


@pytest.mark.parametrize("keys", ["Shift+Enter", "Control+Enter"])
def test_keys_run_a_cell_from_its_editor_and_from_its_controls(window, keys):
    with live(window) as visit:
        page, cell = visit.page, visit.cell(1)
        cell.write(EDITED)
        before = cell.editor.inner_text()
        page.keyboard.press(keys)
        cell.has_run()
        expect(cell.live).to_contain_text("edited")
        # The keys ran the cell, and wrote nothing into it; the editor keeps focus.
        assert cell.editor.inner_text() == before
        expect(cell.editor).to_be_focused()
        cell.button("Run cell 1").focus()
        page.keyboard.press(keys)
        page.wait_for_function("() => fakeCalls.filter(c => c[0] == 'run')[1]")
        cell.has_run()
        assert visit.ran() == ["cell 1", "cell 1"]


def test_reset_brings_the_book_s_code_back_and_undo_the_reader_s(window):
    with live(window) as visit:
        page, cell = visit.page, visit.cell(3)
        pre = cell.root.locator("pre").first
        book, html = pre.text_content(), pre.inner_html()
        cell.write("x = 1\n")
        assert cell.button("Close the editor of cell 3").count() == 0
        cell.press("Reset cell 3")
        expect(cell.said).to_have_text("")
        expect(cell.editor).to_be_focused()
        page.keyboard.press("Control+z")
        expect(cell.said).to_have_text("Edited.")
        assert pre.text_content() == "x = 1\n" + book
        cell.press("Reset cell 3")
        cell.press("Close the editor of cell 3")
        expect(cell.editor).to_have_count(0)
        expect(pre).to_be_visible()
        expect(cell.button("Edit cell 3")).to_be_focused()
        assert pre.inner_html() == html
        assert not visit.errors


def test_the_copy_button_copies_what_was_edited(window):
    with live(window) as visit:
        page, cell = visit.page, visit.cell(3)
        book = cell.root.locator("pre").first.inner_text().strip("\n")

        def copied():
            cell.root.locator(".highlight").hover()
            cell.root.locator("button.copybtn").click()
            return page.evaluate("navigator.clipboard.readText()").rstrip("\n")

        cell.write("x = 1\n")
        assert copied() == "x = 1\n" + book
        cell.press("Reset cell 3")
        assert copied() == book


def test_edit_unfolds_a_folded_cell(window):
    with live(window) as visit:
        cell = visit.cell(1)
        assert cell.root.locator("details[open]").count() == 0
        cell.edit()
        expect(cell.editor).to_be_visible()


def test_an_edited_cell_keeps_the_page_s_colours(window):
    """A word of the language, a number and a comment look as they did before."""
    colour = "e => getComputedStyle(e).color"
    for scheme in ("light", "dark"):
        with live(window, scheme=scheme) as visit:
            # A cell that has a word, a number and a comment.
            cell = visit.cell(7)
            # Names and signs have the colour of the whole, and no mark of their own.
            before = [
                cell.root.locator(kind).first.evaluate(colour)
                for kind in ("pre .mi", "pre .k", "pre .c1", "pre", "pre")
            ]
            cell.edit()
            after = [
                cell.editor.locator(kind).first.evaluate(colour)
                for kind in (".mi", "[class^=k]", ".c1", ".o", ".n")
            ]
            assert after == before


# Output


def test_live_output_takes_the_place_of_the_book_s_and_gives_it_back(window):
    orders = {"cell 2": [["print", "words"], ["html", TABLE]]}
    with live(window, orders=orders) as visit:
        cell = visit.cell(2)
        expect(cell.book.locator("table")).to_be_visible()
        cell.run_alone()
        expect(cell.label).to_have_text("Live · 1.3 s")
        expect(cell.live.locator("table")).to_contain_text("6.5")
        expect(cell.live.locator("pre")).to_have_text("words\n")
        expect(cell.book.locator("table")).to_be_hidden()
        cell.press("Show the book's output")
        expect(cell.live.locator("table")).to_be_hidden()
        expect(cell.book.locator("table")).to_be_visible()
        cell.press("Show the live output")
        expect(cell.live.locator("table")).to_be_visible()
        expect(cell.book.locator("table")).to_be_hidden()


def test_the_book_s_output_stays_until_there_is_another(window):
    with live(window, orders={"cell 2": [["forever", ""]]}) as visit:
        cell = visit.cell(2)
        cell.run()
        cell.press("just this one")
        expect(cell.said).to_contain_text("Running")
        expect(cell.book.locator("table")).to_be_visible()
        cell.press("Stop cell 2")
        expect(cell.book.locator("table")).to_be_visible()


def test_a_live_figure_has_the_book_s_colours_words_and_caption(window):
    light, dark = plots.PALETTE["partial"]
    # Python sends it so; see book/live/python/live/session.py.
    figure = Figure(figsize=(1, 0.5), facecolor=light)
    svg = plots.svg(figure)
    centre = """img => {
        const canvas = Object.assign(document.createElement("canvas"),
            { width: 9, height: 9 });
        const context = canvas.getContext("2d");
        context.drawImage(img, 0, 0, 9, 9);
        const [r, g, b] = context.getImageData(4, 4, 1, 1).data;
        return "#" + [r, g, b].map(v => v.toString(16).padStart(2, "0")).join("");
    }"""
    for scheme, colour in [("light", light), ("dark", dark)]:
        with live(window, scheme=scheme) as visit:
            cell = visit.cell(of_figure(visit.page))
            visit.page.evaluate(
                "([name, svg]) => { fake.orders = { [name]: [['svg', svg]] } }",
                [f"cell {cell.n}", svg],
            )
            caption = cell.book.locator("figcaption").text_content()
            alt = cell.book.locator("img").get_attribute("alt").strip()
            cell.run_alone()
            image = cell.live.locator("img")
            assert alt in image.get_attribute("alt")
            assert "drawn live" in image.get_attribute("alt")
            expect(cell.book.locator("img")).to_be_hidden()
            assert cell.book.locator("figcaption").text_content() == caption
            assert cell.book.locator("figcaption").is_visible()
            if scheme == "light":
                assert image.evaluate(centre) == colour
            assert dark in image.get_attribute("src").replace("%23", "#")


def test_fewer_draws_are_said_and_all_can_be_asked_for(window):
    with live(window, orders={"cell 1": [["sample", ""], ["print", "fit"]]}) as visit:
        cell = visit.cell(1)
        cell.run()
        cell.has_run()
        expect(cell.label).to_have_text(
            "Live: 2 chains of 500 draws, where the book has 4 of 1000 · 1.3 s"
        )
        cell.press("with all draws")
        expect(cell.label).to_have_text("Live · 1.3 s")
        assert [call[2]["full"] for call in visit.calls() if call[0] == "run"] == [
            False, True,
        ]
        cell.write("# mine\n")
        visit.page.keyboard.press("Shift+Enter")
        expect(cell.label).to_contain_text("where your code asks for 4 of 1000")


# What goes wrong


def test_an_error_shows_the_reader_s_traceback_and_stops_the_rest(window):
    orders = {"cell 2": [["print", "before"], ["raise", "name 'sigmma'"]]}
    with live(window, orders=orders) as visit:
        two, four = visit.cell(2), visit.cell(4)
        four.run()
        four.press("Run the 3 cells above first")
        alert = two.live.get_by_role("alert")
        expect(alert).to_contain_text('File "cell 2", line 1')
        expect(alert).to_contain_text("NameError: name 'sigmma'")
        expect(two.live).to_contain_text("before")
        expect(two.book.locator("table")).to_be_visible()
        expect(four.said).to_contain_text("Cell 2 stopped with an error (NameError)")
        assert visit.ran() == ["cell 1", "cell 2"]
        four.said.get_by_role("link").click()
        expect(two.bar).to_be_in_viewport()
        # Mended, the cell runs, and so do the others.
        visit.page.evaluate("fake.orders = {}")
        four.run()
        four.press("Run the 2 cells above first")
        four.has_run()
        expect(two.live.get_by_role("alert")).to_have_count(0)


def test_stop_ends_python_and_says_what_that_means(window):
    with live(window, orders={"cell 3": [["forever", ""]]}) as visit:
        page, three = visit.page, visit.cell(3)
        assert three.button("Stop cell 3").count() == 0
        three.run()
        three.press("Run the 2 cells above first")
        visit.cell(2).has_run()
        expect(three.said).to_contain_text("Running")
        three.press("Stop cell 3")
        words = "Stopped. Python has ended, and what the cells had computed is lost."
        expect(three.said).to_contain_text(words)
        expect(page.locator("[role=status].live-heard")).to_have_text(words)
        assert "stop" in [call[0] for call in visit.calls()]
        expect(three.button("Run cell 3")).to_be_focused()
        expect(visit.cell(2).said).to_contain_text("Python has ended since")
        # What ran before has to run again.
        page.evaluate("fake.orders = {}")
        three.run()
        three.press("Run the 2 cells above first")
        three.has_run()
        expect(visit.cell(2).said).to_have_text("")
        assert not visit.errors


def test_stop_works_while_python_starts(window):
    with live(window, slow=300) as visit:
        cell = visit.cell(1)
        cell.run()
        expect(cell.panel).to_contain_text("Downloading Python")
        cell.press("Stop cell 1")
        expect(cell.said).to_contain_text("Stopped.")
        visit.page.evaluate("fake.slow = 5")
        cell.run()
        cell.has_run()


def test_a_cell_that_waits_stops_waiting_and_python_goes_on(window):
    with live(window, orders={"cell 1": [["forever", ""]]}) as visit:
        visit.cell(1).run()
        expect(visit.cell(1).said).to_contain_text("Running")
        visit.cell(2).run()
        expect(visit.cell(2).said).to_contain_text("Waiting")
        visit.cell(2).press("Stop cell 2")
        expect(visit.cell(2).said).to_have_text("")
        expect(visit.cell(1).said).to_contain_text("Running")
        assert "stop" not in [call[0] for call in visit.calls()]


def test_a_browser_that_cannot_says_so_once(window):
    with live(window, unsupported="This browser has no WebAssembly.") as visit:
        cell = visit.cell(2)
        cell.run()
        alert = cell.panel.get_by_role("alert")
        expect(alert).to_contain_text("This browser has no WebAssembly.")
        assert alert.get_by_role("button").count() == 1
        cell.press("Close the message")
        expect(cell.panel).to_be_hidden()
        expect(cell.book.locator("table")).to_be_visible()
        assert not visit.errors


def test_a_cut_network_leaves_the_book_and_a_second_try(window):
    with live(window) as visit:
        page, cell = visit.page, visit.cell(1)
        cut = {"yes": True}
        page.route(
            "**/live/*.js*",
            lambda route: route.abort() if cut["yes"] else route.fallback(),
        )
        cell.run()
        expect(cell.panel.get_by_role("alert")).to_contain_text(
            "Python could not be loaded. Is this device online?"
        )
        cut["yes"] = False
        cell.press("Try again to run cell 1")
        cell.has_run()
        cut["yes"] = True
        cell.button("Edit cell 1").click()
        expect(cell.panel.get_by_role("alert")).to_contain_text(
            "The editor could not be loaded."
        )
        cut["yes"] = False
        cell.press("Try again to edit cell 1")
        expect(cell.editor).to_be_focused()


FAILURES = {
    "offline": {"agreed": False, "offline": "The list of packages could not be had."},
    "wrong hash": {"fails": ["A file is not the one that was asked for."]},
    "out of memory": {"orders": {"cell 1": [["die", ""]]}},
}


@pytest.mark.parametrize("fake", FAILURES.values(), ids=list(FAILURES))
def test_a_failure_is_one_message_and_can_be_tried_again(window, fake):
    with live(window, **fake) as visit:
        page, cell = visit.page, visit.cell(1)
        cell.run()
        alert = cell.panel.get_by_role("alert")
        message = fake.get("offline") or (fake.get("fails") or ["no memory left"])[0]
        expect(alert).to_contain_text(message)
        expect(alert).to_contain_text("The page stays as it is")
        assert page.get_by_role("alert").count() == 1
        page.evaluate("Object.assign(fake, { orders: {}, offline: null })")
        cell.press("Try again to run cell 1")
        if fake.get("agreed") is False:
            cell.press("Download")
        cell.has_run()
        assert not visit.errors


def test_a_page_opened_as_a_file_says_what_it_needs(browser, site):
    page = browser.new_page()
    page.goto((site / PAGE).as_uri(), wait_until="load")
    cell = Cell(page, 2)
    cell.run()
    expect(cell.panel.get_by_role("alert")).to_contain_text("python -m http.server")
    page.close()


# For everyone


def states(visit):
    """Every look of the third cell, one after the other, by name."""
    page, cell = visit.page, visit.cell(3)
    yield "at rest"
    cell.run()
    cell.panel.get_by_role("button").first.wait_for()
    yield "asked for consent"
    cell.press("Download")
    cell.button("Run the 2 cells above first").wait_for()
    yield "offered the cells above"
    page.evaluate("fake.orders = {'cell 3': [['sample', ''], ['forever', '']]}")
    cell.press("just this one")
    cell.panel.get_by_text("chain 2 of 2").wait_for()
    yield "sampling"
    cell.press("Stop cell 3")
    cell.said.get_by_text("Stopped.").wait_for()
    yield "stopped"
    page.evaluate("""table => { fake.orders = {'cell 3': [
        ['sample', ''], ['print', 'words '.repeat(60)], ['html', table]]} }""",
        "<table class='dataframe'><tr>" + "<td>6.55555</td>" * 40 + "</tr></table>")
    cell.run_alone()
    yield "with output"
    cell.write(EDITED)
    page.keyboard.press("Escape")
    yield "edited"
    page.evaluate("fake.orders = {'cell 3': [['raise', 'name ' + 'x'.repeat(200)]]}")
    page.keyboard.press("Shift+Enter")
    cell.live.get_by_role("alert").wait_for()
    yield "with an error"
    page.evaluate("fake.orders = {'cell 3': [['die', '']]}")
    page.keyboard.press("Shift+Enter")
    cell.panel.get_by_role("alert").wait_for()
    yield "failed"


@pytest.mark.parametrize("size", ["wide", "phone"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_barrier_in_any_state_of_a_cell(window, size, scheme):
    with live(window, size, scheme, agreed=False) as visit:
        page = visit.page
        page.emulate_media(reduced_motion="reduce")
        keep_alone(page, ".live-cell:has(> :is(#live-1, #live-2, #live-3))")
        wrong, seen = {}, 0
        for name in states(visit):
            seen += 1
            if found := violations(page, ".live-cell:has(> #live-3)"):
                wrong[name] = found
            if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
                wrong.setdefault(name, []).append("the page scrolls sideways")
        assert seen == 9 and not wrong
        # (axe asks for the style sheets that the theme's one names, and in vain.)
        assert not [e for e in visit.errors if e.startswith("script")]
        assert not visit.outside


def test_where_the_focus_is_can_be_seen(window):
    look = """e => { const s = getComputedStyle(e);
        return [s.outline, s.borderColor, s.boxShadow].join() }"""
    with live(window) as visit:
        cell = visit.cell(3)
        for button in cell.bar.get_by_role("button").all():
            before = button.evaluate(look)
            button.focus()
            visit.page.keyboard.press("Shift")
            assert button.evaluate(look) != before


def test_nothing_moves_for_those_who_asked_for_that(window):
    with live(window, orders={"cell 1": [["forever", ""]]}) as visit:
        visit.page.emulate_media(reduced_motion="reduce")
        cell = visit.cell(1)
        cell.run()
        expect(cell.panel).to_contain_text("running")
        expect(cell.panel.locator("progress")).to_be_hidden()
        moving = cell.bar.evaluate("""bar => [...bar.children].map(
            e => getComputedStyle(e).transitionDuration)""")
        assert set(moving) == {"0s"}


def test_paper_has_the_code_and_no_controls(window):
    with live(window) as visit:
        cell = visit.cell(3)
        cell.write("x = 1\n")
        visit.page.emulate_media(media="print")
        expect(cell.bar).to_be_hidden()
        expect(cell.editor).to_be_hidden()
        expect(cell.root.locator("pre").first).to_be_visible()
        expect(cell.root.locator("pre").first).to_contain_text("x = 1")
