"""axe-core, run in a page: what a machine can find of what shuts readers out."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

_AXE = Axe()
#: What a change of colours alone can break.
COLOURS = ["color-contrast", "link-in-text-block"]
#: Off by itself, and needed by fingers: the least size of what one presses.
FINGERS = {"target-size": {"enabled": True}}
#: Thousands of boxes that say nothing new. The visible half of a formula has the
#: colour of the text, and assistive technology does not see it; its other half, in
#: MathML, is looked at. Code has a dozen colours, which have a test of their own.
REPEATED = [[".katex-html"], [".highlight pre > span"]]

# Contrast depends on the colours of a text, of what it stands in and of the grounds
# below, and on its size and weight: one text of each kind is marked.
MARK = """([mark, repeated]) => {
    const seen = new Set();
    const look = (e, ...names) => names.map(name => getComputedStyle(e)[name]).join();
    for (const e of document.body.querySelectorAll("*")) {
        e.removeAttribute(mark);
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
        if (e.closest(repeated) || !e.checkVisibility()) continue;
        const kind = [e.localName, look(e, "fontSize", "fontWeight", "textDecoration")];
        for (let a = e; a; a = a.parentElement)
            kind.push(look(a, "backgroundColor", "backgroundImage", "opacity"));
        kind.push(look(e, "color"), look(e.parentElement, "color"));
        const key = [...new Set(kind)].join(";");
        if (!seen.has(key)) e.setAttribute(mark, "");
        seen.add(key);
    }
    return seen.size;
}"""
_MARK = "data-text-of-its-kind"


def violations(page, context=None, rules=None, whole=False) -> list[str]:
    """One line for each place that breaks a rule, in the page as it stands.

    ``context`` is a CSS selector: only what lies in it is looked at. ``rules`` are
    the names of the only rules to hold it to. With ``whole``, what is repeated is
    looked at too.
    """
    where = {} if whole else {"exclude": REPEATED}
    if context:
        where["include"] = [[context]]
    options = {"rules": FINGERS}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    return _run(page, where, options)


def violations_of_page(page) -> list[str]:
    """As `violations` finds them on a whole page, in half the time.

    Colours are looked at where a text is the first of its kind.
    """
    off = {name: {"enabled": False} for name in COLOURS}
    options = {"rules": {**FINGERS, **off}}
    return _run(page, {"exclude": REPEATED}, options) + violations_of_colours(page)


def violations_of_colours(page) -> list[str]:
    """Texts of a page that cannot be read for their colours, one of each kind."""
    repeated = ", ".join(selector for (selector,) in REPEATED)
    assert page.evaluate(MARK, [_MARK, repeated])
    where = {"include": [[f"[{_MARK}]"]], "exclude": REPEATED}
    return _run(page, where, {"runOnly": {"type": "rule", "values": COLOURS}})


def keep_alone(page, selector: str) -> None:
    """Take from the page what neither is in such an element nor holds one.

    axe-core goes through the whole page to judge a part of it.
    """
    page.evaluate(
        """selector => {
            const kept = [...document.querySelectorAll(selector)];
            for (const e of document.querySelectorAll("article *"))
                if (!kept.some(k => k.contains(e) || e.contains(k))) e.remove();
        }""",
        selector,
    )


def _run(page, where: dict, options: dict) -> list[str]:
    # As it is where a reader has come: see contain-intrinsic-size in book.css. What the
    # header of a phone's page covers, by chance of the scroll, is not too small.
    page.add_style_tag(
        content="section { content-visibility: visible !important }"
        ".page-header { position: static !important }"
    )
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    options = {"resultTypes": ["violations"], **options}
    result = _AXE.run(page, context=where or None, options=options)
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:160]}"
        for rule in result.response["violations"]
        for node in rule["nodes"]
    ]
