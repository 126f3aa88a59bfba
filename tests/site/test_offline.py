"""The book without a network or a server: its archive, unpacked, opened as files."""

from contextlib import contextmanager
import hashlib
from pathlib import Path
import re
import zipfile

from playwright.sync_api import expect
import pytest

from _sphinx.downloads import offline_archive
from built import pages
from using_explorables import explorables, ready, said, start
from visits import Visit

CHAPTER = "book/pooling/radon.html"


@pytest.fixture(scope="module")
def stick(site, tmp_path_factory) -> Path:
    """The archive of the site, unpacked in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("a stick")
    with zipfile.ZipFile(site / offline_archive.ARCHIVE) as archive:
        archive.extractall(folder)
    return folder / offline_archive.NAME


@pytest.fixture(scope="module")
def visit(stick, browser):
    """A context manager: a page in a window that has the archive alone."""
    assert " " in str(stick)

    @contextmanager
    def opened(scheme="light"):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(15_000)
        yield Visit(page, stick.as_uri())
        context.close()

    return opened


def digest(file: Path) -> str:
    """A short name for its bytes: pytest would show how two files differ for hours."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_archive_holds_the_whole_site_but_itself(site, stick):
    """Every page, and every file that the site has a name for."""

    def files(folder: Path) -> dict[str, str]:
        return {
            name: digest(path)
            for path in folder.rglob("*")
            if path.is_file()
            and not (name := path.relative_to(folder).as_posix()).startswith(".")
            and not name.startswith("live/pyodide/")
        }

    there, here = files(stick), files(site)
    # A host alone shows a page at whatever address there is none.
    del here[offline_archive.ARCHIVE], here["404.html"]
    assert there == here and set(pages()) - {"404.html"} < set(there)


def test_the_same_site_makes_the_same_archive(site, tmp_path):
    again = tmp_path / "again.zip"
    offline_archive.pack(site, again)
    assert digest(again) == digest(site / offline_archive.ARCHIVE)


def test_every_page_offers_the_archive(window):
    with window() as visit:
        for path in (CHAPTER, "book/index.html", "book/reference/glossary.html"):
            page = visit.open(path)
            page.locator(".downloads summary").first.click()
            link = page.get_by_role("link", name=re.compile("offline"))
            with page.expect_download() as found:
                link.click()
            assert found.value.suggested_filename == offline_archive.ARCHIVE


def test_every_page_opens_from_a_file(page_path, visit):
    if page_path == "404.html":
        pytest.skip("a host alone shows it")
    with visit() as each:
        page = each.open(page_path)
        assert page.locator("h1").count() == 1
        assert not each.errors and not each.outside


def test_a_page_from_a_file_looks_as_it_does_from_a_server(visit):
    with visit() as each:
        page = each.open(CHAPTER)
        page.evaluate("document.fonts.ready")
        loaded = page.evaluate(
            "[...document.fonts].filter(f => f.status === 'loaded').map(f => f.family)"
        )
        assert {"Source Serif", "KaTeX_Main"} <= {name.strip('"') for name in loaded}
        assert page.locator(".theme-button .icon.auto").is_visible()
        figure = page.locator(".cell_output img:visible").first
        figure.scroll_into_view_if_needed()
        page.wait_for_function(
            "e => e.complete && e.naturalWidth > 0", arg=figure.element_handle()
        )
        assert not each.errors


def test_the_theme_switch_and_the_menus_work_from_a_file(visit):
    with visit() as each:
        page = each.open(CHAPTER)
        theme = "document.documentElement.dataset.theme"
        assert page.evaluate(theme) == "auto"
        page.locator(".theme-button").click()
        page.wait_for_function(f"{theme} === 'dark'")
        # And it is remembered on the next page.
        assert each.open("book/posterior/funnel.html").evaluate(theme) == "dark"
        page.locator(".downloads summary").first.click()
        assert page.get_by_role("link", name=re.compile("offline")).is_visible()
        assert not each.errors


def test_search_finds_from_a_file(visit, stick):
    with visit() as each:
        page = each.open(CHAPTER)
        page.keyboard.press("Control+k")
        page.locator(".site-contents input[name=q]").wait_for(state="visible")
        page.keyboard.type("shrinkage")
        page.keyboard.press("Enter")
        page.wait_for_url("**/search.html?q=shrinkage*")
        first = page.locator("#search-results li a").first
        first.wait_for()
        page.get_by_text(re.compile("Search finished")).wait_for()
        first.click()
        page.wait_for_url(re.compile("/book/"))
        assert "shrinkage" in page.locator("article").inner_text().lower()
        assert not each.errors and not each.outside


def test_a_copy_button_copies_from_a_file(visit):
    """Or it selects the code, where the browser gives no file the clipboard."""
    with visit() as each:
        page = each.open(CHAPTER)
        cell = page.locator("div.cell_input:visible").first
        cell.hover()
        button = cell.locator("button.copybtn")
        button.click()
        expect(button).to_have_text(re.compile("Copied|Press Ctrl-C"))
        if button.text_content() == "Press Ctrl-C":
            page.keyboard.press("Control+c")
        field = "document.body.append(Object.assign(document.createElement('textarea'),"
        page.evaluate(f"{field} {{ id: 'paste' }}))")
        page.locator("#paste").focus()
        page.keyboard.press("Control+v")
        copied = page.locator("#paste").input_value()
        assert copied.strip() == cell.locator("pre").text_content().strip()
        assert not each.errors


@pytest.mark.parametrize("name,path", explorables())
def test_a_figure_answers_the_keyboard_from_a_file(name, path, visit):
    with visit() as each:
        page = each.open(path)
        figure = ready(page, name)
        before = figure.inner_html()
        start(page, name)
        page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        page.wait_for_function(
            "([e, before]) => e.innerHTML !== before",
            arg=[figure.element_handle(), before],
        )
        assert said(page, name, re.compile(r"\w"))
        assert not each.errors and not each.outside


def test_live_code_says_how_to_get_it_running(visit):
    with visit() as each:
        page = each.open(CHAPTER)
        page.get_by_role("button", name="Run cell 1", exact=True).click()
        words = page.get_by_role("alert")
        assert "make serve" in words.inner_text()
        assert not each.errors and not each.outside
