"""What makes pages light: HTML mended, style sheets and fonts cut to what is used."""

import re

from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from hypothesis import given
from hypothesis import strategies as st
import pytest

from _theme import fewer_glyphs, fewer_rules, icons, light_pages
from _theme.light_pages import Changed

# Style sheets


def purged(css, *used, variables=""):
    # So that there is always something to leave out.
    return fewer_rules.purge(css + ".nobody{color:red}", {*used}, variables)


@pytest.mark.parametrize(
    "rule",
    [
        ".here{color:red}",
        "p.here>a{color:red}",
        "p:not(.nowhere){color:red}",
        ":is(.here,.nowhere){color:red}",
        "p[data-x]{color:red}",
        "@media print{p{color:red}}",
    ],
)
def test_a_rule_that_can_apply_stays(rule):
    assert purged(rule, "here", "p", "a", "data-x") == rule


@pytest.mark.parametrize(
    "rule",
    [
        ".nowhere{color:red}",
        "#nowhere{color:red}",
        "p.nowhere{color:red}",
        "aside{color:red}",
        "p:is(.nowhere,.neither){color:red}",
        "p[data-nowhere]{color:red}",
        "@media print{.nowhere{color:red}}",
    ],
)
def test_a_rule_that_cannot_apply_goes(rule):
    assert purged("p{top:0}" + rule, "p") == "p{top:0}"


def test_of_a_list_of_selectors_those_stay_that_can_apply():
    assert purged("p,.nowhere,a{top:0}", "p", "a") == "p,a{top:0}"


def test_custom_properties_stay_while_somebody_reads_them():
    css = "p{--a:1px;--b:var(--a);--c:2px;top:var(--b)}"
    assert purged(css, "p") == "p{--a:1px;--b:var(--a);top:var(--b)}"
    assert "--c:2px" in purged(css, "p", variables="getPropertyValue('--c')")


def test_animations_and_fonts_stay_while_they_are_asked_for():
    css = (
        "@keyframes turn{to{rotate:1turn}}@keyframes idle{to{top:0}}"
        '@font-face{font-family:"Kept";src:url(a)}@font-face{font-family:"Left";src:url(b)}'
        "p{animation:turn 1s;font-family:Kept}"
    )
    found = purged(css, "p")
    assert "turn" in found and "Kept" in found
    assert "idle" not in found and "Left" not in found


@pytest.mark.parametrize("css", ["p{top:0}", ".nowhere{top:0}"])
def test_a_style_sheet_of_which_all_or_nothing_stays_is_refused(css):
    with pytest.raises(ValueError, match="characters stay"):
        fewer_rules.purge(css, {"p"})


def test_names_are_those_of_tags_and_every_word_of_scripts():
    page = '<p class="one two" id="three" data-four><br/></p>'
    found = fewer_rules.names([page], ['list.add("five-six")'])
    assert {"p", "br", "one", "two", "three", "data-four", "five-six"} <= found
    assert "four" not in found


# Fonts


def font(characters):
    """A WOFF2 font that has these characters, all of one shape."""
    names = {ord(c): f"u{ord(c):04X}" for c in characters}
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap(names)
    pen = TTGlyphPen(None)
    for move, point in [("moveTo", (0, 0)), ("lineTo", (0, 500)), ("lineTo", (500, 0))]:
        getattr(pen, move)(point)
    pen.closePath()
    shape = pen.glyph()
    builder.setupGlyf(dict.fromkeys([".notdef", *names.values()], shape))
    builder.setupHorizontalMetrics(
        dict.fromkeys([".notdef", *names.values()], (500, 0))
    )
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Test", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    return builder.font


@given(wanted=st.text("abcdefgh", min_size=1), other=st.text("xyz"))
def test_a_cut_font_has_what_is_shown_and_no_more(tmp_path_factory, wanted, other):
    whole = tmp_path_factory.mktemp("font") / "whole.woff2"
    made = font("abcdefghij")
    made.flavor = "woff2"
    made.save(whole)
    cut = whole.with_name("cut.woff2")
    cut.write_bytes(fewer_glyphs.cut(whole.read_bytes(), wanted + other))
    assert set(TTFont(cut).getBestCmap()) == set(map(ord, wanted))
    assert fewer_glyphs.cut(whole.read_bytes(), "xyz") is None


def test_the_characters_of_a_page_and_of_its_formulae():
    page = (
        '<p>ß&nbsp;&alpha;</p><span class="katex-html"><span>μ<span>τ</span></span>'
        "&lt;</span> σ"
    )
    assert set(fewer_glyphs.formulae(page)) == set("μτ<")
    assert set("ß\xa0αμτσ") <= set(fewer_glyphs.text([page]))


# Icons


def test_every_icon_is_drawn():
    sheet = icons.style_sheet()
    for name in [*icons.PATHS, *icons.ALSO]:
        assert icons.known(name) and f".fa-{name}{{" in sheet
    assert not icons.known("a-face-that-nobody-drew")


# Pages


def test_tables_get_headers_that_say_what_they_head():
    page = light_pages.tables(
        '<table border="1"><thead><tr><th></th><th>mean</th></tr></thead>'
        "<tbody><tr><th>tau</th><td>6.6</td></tr></tbody></table>"
    )
    assert '<td></td><th scope="col">mean</th>' in page
    assert '<th scope="row">tau</th>' in page and "border" not in page


def test_code_keeps_the_marks_that_give_it_colour():
    page = light_pages.code(
        '<div class="highlight"><pre><span></span><span class="n">x</span>'
        '<span class="w"> </span><span class="mi">1</span></pre></div>'
    )
    assert page == (
        '<div class="highlight"><pre>x <span class="mi">1</span></pre></div>'
    )


def test_pictures_keep_their_shape_and_all_but_the_first_wait():
    one = '<img src="a.svg" style="width: 500px; height: 300px;" />'
    first, second = re.findall("<img[^>]*>", light_pages.images(one * 2))
    for image in (first, second):
        assert 'width="500" height="300"' in image and "style" not in image
    assert "lazy" not in first and 'loading="lazy"' in second


def test_an_icon_that_is_not_drawn_here_is_refused():
    with pytest.raises(Changed, match="does not draw"):
        light_pages.pictograms('<i class="fa-solid fa-unicorn"></i>')


@pytest.mark.parametrize(
    "step", [light_pages.sheets, light_pages.scripts, light_pages.furniture]
)
def test_a_page_that_is_not_the_theme_s_is_refused(step):
    with pytest.raises(Changed):
        step("<html><head></head><body><article>words</article></body></html>")


def test_what_has_to_be_changed_has_to_be_there():
    assert light_pages.replace("a", "b", "banana", "letter") == "bbnbnb"
    with pytest.raises(Changed, match="there is no letter"):
        light_pages.replace("x", "b", "banana", "letter")
