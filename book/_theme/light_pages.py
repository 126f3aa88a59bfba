"""Pages that load fast and shut nobody out: what the theme writes, mended.

Each page passes through `mend` as it is written: one style sheet instead of a dozen,
no script that it does not need and none that it waits for, icons without a script,
tables with headers, pictures loaded when they are near. When all are written, the one
style sheet is made of the theme's and ours, without the rules that no page uses, and
its fonts are cut down to the characters that are shown.

Every step names what it looks for, and raises where that is not found: a theme that
changes fails the build, and does not silently undo the mending.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
import posixpath
import re
import shutil

from sphinx.application import Sphinx
from sphinx.jinja2glue import BuiltinTemplateLoader

from _theme import fewer_glyphs, fewer_rules, icons
from pooling import plots

#: The one style sheet, seen from the root of the site, and what it is made of, in the
#: order of the cascade. Whatever else a page links stays a link of its own.
SHEET = "site.css"
PARTS = (
    "basic.css",
    "styles/theme.css",
    "styles/pydata-sphinx-theme.css",
    "pygments.css",
    "styles/sphinx-book-theme.css",
    "togglebutton.css",
    "copybutton.css",
    "mystnb.*.css",
    "exercise.css",
    "sphinx-design.min.css",
    "katex/katex.min.css",
    "book.css",
)
#: The folder of the fonts, cut, and those that a page begins with: a font that came
#: after the first picture of a page would have it set twice.
FONTS = "type"
FIRST_FONTS = ("SourceSerif4-Regular", "SourceSerif4-SemiBold")
FIRST_FORMULAE = ("KaTeX_Main-Regular", "KaTeX_Math-Italic")
#: Scripts that only some pages need, by what those have; "" is no page.
ONLY_WITH = {
    # Draws icons: see icons.py. What Bootstrap did here, book.js does.
    "fontawesome.js": "",
    "bootstrap.js": "",
    "sphinx_highlight.js": 'id="search-results"',
    "doctools.js": 'id="search-results"',
    "clipboard.min.js": '<div class="highlight">',
    "copybutton.js": '<div class="highlight">',
    "togglebutton.js": r'class="(?:[^"]* )?(?:dropdown|toggle)(?: [^"]*)?"',
    "design-tabs.js": "sd-tab-set",
}
#: What nobody asks for once pages are mended.
UNASKED = (
    "scripts/fontawesome.js*",
    "scripts/bootstrap.js*",
    "scripts/*.map",
    "styles",
    "vendor",
    "locales",
    "images",
    "fonts",
    "katex/fonts",
    "*webpack-macros.html",
)

_LINK = re.compile(r'[ \t]*<link\b[^>]*\brel="stylesheet"[^>]*>\n?')
_SCRIPT = re.compile(r"[ \t]*<script\b([^>]*)>(.*?)</script>\n?", re.S)
_ESCAPE = re.compile(r"\\([0-9a-fA-F]{3,5})\b")
_ADDRESS = re.compile(r'\b(?:href|src)="([^"?]*)')


class Changed(ValueError):
    """The theme writes something else than what was mended here."""


class LightPages(BuiltinTemplateLoader):
    """Sphinx's own templates; what they make of a page is mended."""

    def render(self, template: str, context: dict) -> str:
        page = super().render(template, context)
        name = context.get("pagename")
        # The theme has parts of a page rendered by themselves, too.
        if name is None or "<html" not in page:
            return page
        try:
            return mend(page)
        except Changed as error:
            raise Changed(f"{name}: {error}") from None


def mend(page: str) -> str:
    """A page as the theme has written it, mended."""
    steps = (sheets, scripts, furniture, pictograms, tables, citations, code, images)
    for step in steps:
        page = step(page)
    return page


def replace(pattern: str, new, page: str, what: str) -> str:
    """`re.sub`, where there has to be something to change."""
    page, times = re.subn(pattern, new, page, flags=re.S)
    if not times:
        raise Changed(f"there is no {what}")
    return page


# Steps, from page to page


def sheets(page: str) -> str:
    """One link to the one style sheet, where the first was."""
    linked = False

    def link(match: re.Match) -> str:
        nonlocal linked
        address = _ADDRESS.search(match[0])[1]
        folder, static, file = address.partition("_static/")
        if not static or not any(Path(file).match(part) for part in PARTS):
            return match[0]
        if linked:
            return ""
        linked = True
        ours = f'<link rel="stylesheet" href="{folder}_static/{SHEET}">\n'
        return ours + arrival(page)

    page = _LINK.sub(link, page)
    if not linked:
        raise Changed("no style sheet of the theme's is linked")
    return page


def arrival(page: str) -> str:
    """A script for the moment in which a reader arrives.

    It asks for the fonts that the page begins with: a link would do, were it not that
    browsers refuse it, aloud, in a page that was opened as a file. And it tells whether
    the page opens at its top, or at a place in it or where it was left: see book.js.
    """
    names = FIRST_FONTS + FIRST_FORMULAE * ('class="katex"' in page)
    return f"""<script>
{{
  const sheet = document.querySelector("link[href$='{SHEET}']").href;
  if (location.protocol !== "file:")
    for (const name of {json.dumps(names)})
      document.head.append(Object.assign(document.createElement("link"), {{
        rel: "preload", as: "font", type: "font/woff2", crossOrigin: "",
        href: new URL(`{FONTS}/${{name}}.woff2`, sheet) }}));
  const [visit] = performance.getEntriesByType("navigation");
  if (!location.hash && visit?.type === "navigate")
    document.documentElement.toggleAttribute("data-far", true);
}}
</script>
"""


def scripts(page: str) -> str:
    """The scripts that this page needs, each once, and none that it waits for."""
    seen: set[str] = set()

    def tag(match: re.Match) -> str:
        attributes, inside = match.groups()
        source = _ADDRESS.search(attributes)
        if source is None:
            # Set before a script that is not here yet, and read by none.
            idle = match[0] in seen or "DOCUMENTATION_OPTIONS.pagename" in inside
            seen.add(match[0])
            return "" if idle else match[0]
        name = source[1].rsplit("/", 1)[-1]
        needs = ONLY_WITH.get(name)
        if source[1] in seen or needs == "" or (needs and not re.search(needs, page)):
            return ""
        seen.add(source[1])
        if re.search(r"\b(?:defer|async|type=\"module\")", attributes):
            return match[0]
        return match[0].replace("<script", "<script defer", 1)

    page = replace(r'<link rel="preload" as="script"[^>]*>\n?', "", page, "preload")
    waiting = len(page)
    page = _SCRIPT.sub(tag, page)
    if len(page) == waiting or "fontawesome.js" in page:
        raise Changed("the scripts are not those that were known")
    return page


def furniture(page: str) -> str:
    """What the theme says twice or to nobody; and a name for its sidebar."""
    once = '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
    if page.count(once) == 2:
        page = page.replace(once, "", 1)
    else:
        page = replace(
            r'<meta name="viewport" '
            r'content="width=device-width, initial-scale=1\.0" />',
            "", page, "second viewport",
        )
    if "<article" in page:
        page = replace(
            r'<div id="jb-print-docs-body".*?(?=<div id="searchbox">)', "", page,
            "second title, for print",
        )
    page = replace(
        r'<div class="sidebar-primary-items__end.*?<div id="ethical-ad-placement".*?'
        r"</div>\s*</div>\s*</div>", "", page, "place for advertisements",
    )
    page = replace(
        r'<div class="pst-async-banner-revealer.*?</aside>\s*</div>', "", page, "banner"
    )
    # The theme would find out last of all, after a first picture in other colours.
    page = replace(
        r'localStorage\.getItem\("theme"\) \|\| "auto"',
        '((mode) => mode !== "auto" ? mode : matchMedia("(prefers-color-scheme: dark)")'
        '.matches ? "dark" : "light")(document.documentElement.dataset.mode)',
        page, "theme to begin with",
    )
    page = replace(
        '(<html [^>]*)data-theme="auto"', r'\1data-theme="light"', page, "theme"
    )
    for theirs, ours in (("primary", "the book"), ("secondary", "this page")):
        page = page.replace(f"Toggle {theirs} sidebar", f"Contents of {ours}")
    page = replace(r'<meta name="docsearch:[^>]*>\n?', "", page, "docsearch")
    return replace(
        r'(<div id="pst-primary-sidebar")', r'\1 role="region" aria-label="The book"',
        page, "sidebar",
    )


def pictograms(page: str) -> str:
    """Icons that are drawn here, and that nobody reads aloud."""

    def icon(match: re.Match) -> str:
        for name in re.findall(r"\bfa-([a-z-]+)", match[0]):
            if not icons.known(name):
                raise Changed(f"icons.py does not draw {name}")
        return f'<{match[1]} aria-hidden="true"{match[2]}'

    return replace(
        r'<(i|span)(?! aria-hidden)(\s[^>]*class="[^"]*\bfa[bsr]?\b[^>]*>|'
        r'\s[^>]*class="[^"]*\bfa-[^>]*>)',
        icon, page, "icon",
    )


def tables(page: str) -> str:
    """Headers that say what they head, and empty ones that are none."""

    def table(match: re.Match) -> str:
        head, body, rest = match[0].partition("</thead>")
        if not body:
            head, rest = "", match[0]
        head = head.replace(' border="1"', "")
        head = re.sub(r"<th\b(?![^>]*scope)", '<th scope="col"', head)
        rest = re.sub(r"<th\b(?![^>]*scope)", '<th scope="row"', rest)
        whole = (head + body + rest).replace(' style="text-align: right;"', "")
        return re.sub(r"<th\b[^>]*>\s*(?:<p>\s*</p>)?\s*</th>", "<td></td>", whole)

    page = re.sub(r"<table\b.*?</table>", table, page, flags=re.S)
    if re.search(r'<table border|<th>|<th class="head">', page):
        raise Changed("a table is not as tables were")
    return page


def citations(page: str) -> str:
    """Entries of the bibliography, in the role that lists have for them."""
    page = page.replace(' role="doc-biblioentry"', ' role="listitem"')
    if 'class="citation-list"' in page and 'role="listitem"' not in page:
        raise Changed("no entry in the list of citations")
    return page


def code(page: str) -> str:
    """Code whose words are marked only where that gives them a colour.

    Names, signs and spaces have that of the text; they are two thirds of all marks.
    """
    if '<div class="highlight">' in page:
        page = replace(r"<pre><span></span>", "<pre>", page, "mark before code")
        page = re.sub(r'<span class="[npw]">([^<]*)</span>', r"\1", page)
    # Its words, and not a name that hides them from those who listen or speak.
    return page.replace('<summary aria-label="Toggle hidden content">', "<summary>")


def images(page: str) -> str:
    """Pictures that keep their shape, and load when a reader comes near them."""
    # A style that sets one length on a phone would forget the other's.
    page = re.sub(
        r'style="width: (\d+)px; height: (\d+)px;"', r'width="\1" height="\2"', page
    )
    if re.search(r'<img\b[^>]*_images/[^>]*\sstyle="', page):
        raise Changed("a picture's size is not where it was")
    before, image, after = page.partition("<img ")
    lazy = '<img loading="lazy" decoding="async" '
    return before + image + after.replace("<img ", lazy)


# When all pages are written


def gather(app: Sphinx, exception) -> None:
    """Write the one style sheet and its fonts, and leave out what is not asked for."""
    if exception is not None or app.builder.format != "html":
        return
    out = Path(app.outdir)
    static = out / "_static"
    unasked = {file for pattern in UNASKED for file in static.glob(pattern)}
    if not unasked:
        # Where nothing has changed, Sphinx copies nothing, and all is done already.
        if (static / SHEET).exists():
            return
        raise Changed("the theme brings nothing that could be left out")
    pages = [
        file.read_text(encoding="utf-8")
        for file in sorted(out.rglob("*.html"))
        if static not in file.parents
    ]
    code = [
        file.read_text(encoding="utf-8")
        for file in sorted([*static.rglob("*.js"), *out.glob("explorables/*.js")])
        if file not in unasked and static / "locales" not in file.parents
    ]
    css = "\n".join([colours(), *(_part(static, pattern) for pattern in PARTS)])
    used = fewer_rules.names(pages, code)
    asked = {name for name in used if not re.match(r"fa[bsr]?(-|$)", name)}
    read = " ".join(sorted(set(re.findall(r"--[\w-]+", " ".join([*pages, *code])))))
    characters = {
        "KaTeX": "".join(sorted(set("".join(map(fewer_glyphs.formulae, pages))))),
        "": fewer_glyphs.text(pages),
    }
    made_of = repr((css, sorted(used), read, characters, icons.style_sheet(), 1))
    key = f"/* {hashlib.sha256(made_of.encode()).hexdigest()[:16]} */\n"
    sheet = static / SHEET
    if not sheet.exists() or not sheet.read_text(encoding="utf-8").startswith(key):
        text = fewer_rules.purge(css, asked, read)
        characters["fa-"] = _escapes(text)
        (static / FONTS).mkdir(exist_ok=True)
        text = _cut_fonts(text, static, characters)
        drawn = fewer_rules.purge(icons.style_sheet(), used)
        sheet.write_text(key + text + drawn, encoding="utf-8")
    theme = static / "scripts/pydata-sphinx-theme.js"
    # It would have the whole page laid out to see which blocks scroll: see book.js.
    theme.write_text(
        replace(
            r',"complete"===document\.readyState\?(\w)\(\):'
            r'window\.addEventListener\("load",\1\)',
            "", theme.read_text(encoding="utf-8"), "look at what scrolls",
        ),
        encoding="utf-8",
    )
    search, own = static / "searchtools.js", Path(__file__).with_name("search.js")
    search.write_text(
        replace(
            r"(?=_ready\(Search\.init\);)",
            lambda _: own.read_text(encoding="utf-8"),
            search.read_text(encoding="utf-8"), "begin to search",
        ),
        encoding="utf-8",
    )
    for file in unasked:
        shutil.rmtree(file) if file.is_dir() else file.unlink()
    _tidy(static, sheet.read_text(encoding="utf-8"))


def colours() -> str:
    """The palette of the figures, as variables of the page."""

    def block(selector: str, place: int) -> str:
        pairs = (f"--{name}:{pair[place]}" for name, pair in plots.PALETTE.items())
        return f"{selector}{{{';'.join(pairs)}}}"

    # Paper is light, whatever the screen was.
    dark = block('html[data-theme="dark"]', 1)
    return f"{block('html', 0)}\n@media not print{{{dark}}}"


def _part(static: Path, pattern: str) -> str:
    """A style sheet's text, its addresses seen from where the one sheet will be."""
    found = sorted(static.glob(pattern))
    if len(found) != 1:
        raise Changed(f"{len(found)} style sheets are called {pattern}")
    folder = posixpath.dirname(found[0].relative_to(static).as_posix())

    def address(match: re.Match) -> str:
        return f"url({posixpath.normpath(posixpath.join(folder, match[1]))})"

    text = found[0].read_text(encoding="utf-8")
    # Of another part, which is here already: an import has to come first.
    imported = r"@import (?:url\()?[\"']?[./]*([\w.-]+\.css)[^;]*;"
    for other in re.findall(imported, text):
        if not any(Path(other).match(part.rsplit("/", 1)[-1]) for part in PARTS):
            raise Changed(f"{pattern} imports {other}")
    text = re.sub(imported, "", text)
    return re.sub(r"url\([\"']?(?!data:|#)([^\"')]+)[\"']?\)", address, text)


def _escapes(sheet: str) -> str:
    """The signs that a style sheet puts beside words, for private use in a font."""
    named = {chr(int(code, 16)) for code in _ESCAPE.findall(sheet)}
    return "".join(sorted(named | set(re.findall("[\ue000-\uf8ff]", sheet))))


def _cut_fonts(text: str, static: Path, characters: dict[str, str]) -> str:
    """The style sheet, with its fonts cut down and named by what they hold."""

    def face(match: re.Match) -> str:
        source = re.search(r"url\(([^)]+\.woff2)\)", match[0])
        if source is None:
            raise Changed(f"no WOFF2 in {match[0][:80]}")
        file = static / source[1]
        wanted = next(
            c for start, c in characters.items() if file.name.startswith(start)
        )
        font = fewer_glyphs.cut(file.read_bytes(), wanted)
        if font is None:
            return ""
        name = f"{FONTS}/{file.name}"
        (static / name).write_bytes(font)
        return re.sub(
            r"src:[^;}]*", f'src:url({name}) format("woff2")', match[0], count=1
        )

    return re.sub(r"@font-face\{[^}]*\}", face, text)


def _tidy(static: Path, sheet: str) -> None:
    """Without fonts and sheets that the one sheet has taken in or left behind."""
    for file in (static / FONTS).iterdir():
        if file.name not in sheet:
            file.unlink()
    for name in (*FIRST_FONTS, *FIRST_FORMULAE):
        if f"{FONTS}/{name}.woff2" not in sheet:
            raise Changed(f"{name} is loaded first, and not used")
    for pattern in PARTS:
        for file in static.glob(pattern):
            file.unlink()


def ingredients(source: Path) -> str:
    """A digest of the files that shape every page, besides what is written on it."""
    digest = hashlib.sha256()
    for folder in (source / "book/_static", Path(__file__).parent):
        for file in sorted(folder.rglob("*.*")):
            if file.suffix in {".css", ".js", ".py", ".svg", ".woff2"}:
                digest.update(file.read_bytes())
    return digest.hexdigest()


def setup(app: Sphinx):
    app.config.template_bridge = "_theme.light_pages.LightPages"
    # Sphinx copies a changed style sheet only when it has a page to write.
    made_with = ingredients(Path(app.srcdir))
    app.add_config_value("light_pages_made_with", made_with, "html", types=[str])
    # After all that write pages or scripts when the build is finished.
    app.connect("build-finished", gather)
