"""axe-core, run in a page: what a machine can find of what shuts readers out."""

from __future__ import annotations

from axe_playwright_python.base import AXE_SCRIPT

#: What a change of colours alone can break, and where.
COLOURS = {"color-contrast": "*", "link-in-text-block": "a[href], [role=link]"}
#: Off by itself, and needed by fingers: the least size of what one presses.
FINGERS = {"target-size": {"enabled": True}}
# Thousands of boxes that say nothing new take more than half of the time: the visible
# half of a formula has the colour of the text, and assistive technology does not see it
# (its other half, in MathML, is looked at); code has a dozen colours, which have a test
# of their own. In their place is their text, in one box of the same size.
TAKE_OUT = """() => {
    globalThis.takenOut = [];
    const replace = (element, box) => {
        takenOut.push([element, [...element.childNodes]]);
        element.replaceChildren(box);
    };
    const formulas = [...document.querySelectorAll(".katex-html")];
    const sizes = formulas.map(formula => formula.getBoundingClientRect());
    formulas.forEach((formula, k) => {
        const box = document.createElement("span"), { width, height } = sizes[k];
        box.style.cssText = `display: inline-block; overflow: clip;
            width: ${width}px; height: ${height}px`;
        box.textContent = formula.textContent;
        replace(formula, box);
    });
    for (const code of document.querySelectorAll(".highlight pre"))
        replace(code, code.textContent);
}"""
PUT_BACK = """() => {
    for (const [element, children] of takenOut) element.replaceChildren(...children);
}"""

# Contrast depends on the colours of a text, of what it stands in and of the grounds
# below, and on its size and weight: one text of each kind is marked.
MARK = """mark => {
    const seen = new Set();
    const look = (e, ...names) => names.map(name => getComputedStyle(e)[name]).join();
    for (const e of document.body.querySelectorAll("*")) {
        e.removeAttribute(mark);
        if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
        if (!e.checkVisibility()) continue;
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
    the names of the only rules to hold it to. With ``whole``, formulas and code are
    looked at word by word.
    """
    return _run(page, context, rules, whole)


def violations_of_page(page) -> list[str]:
    """As `violations` finds them on a whole page, in half the time.

    Colours are looked at where a text is the first of its kind.
    """
    return _run(page, sample=True)


def violations_of_colours(page) -> list[str]:
    """Texts of a page that cannot be read for their colours, one of each kind."""
    return _run(page, rules=COLOURS, sample=True)


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


def _run(page, context=None, rules=None, whole=False, sample=False) -> list[str]:
    """As `violations`; with ``sample``, colours of one text of each kind alone."""
    # As it is where a reader has come: see contain-intrinsic-size in book.css. What the
    # header of a phone's page covers, by chance of the scroll, is not too small.
    page.add_style_tag(
        content="section { content-visibility: visible !important }"
        ".page-header { position: static !important }"
    )
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    if not page.evaluate("'axe' in globalThis"):
        page.evaluate(AXE_SCRIPT)
    options = {"resultTypes": ["violations"], "rules": FINGERS}
    if rules:
        options["runOnly"] = {"type": "rule", "values": list(rules)}
    if not whole:
        page.evaluate(TAKE_OUT)
    if sample:
        assert page.evaluate(MARK, _MARK)
    marked = f"[{_MARK}]" if sample else ""
    colours = [
        {"id": rule, "selector": f":is({where}){marked}"}
        for rule, where in COLOURS.items()
    ]
    found = page.evaluate(
        """async ([context, options, colours]) => {
            axe.configure({ rules: colours });
            return (await axe.run(context ?? document, options)).violations;
        }""",
        [context, options, colours],
    )
    if not whole:
        page.evaluate(PUT_BACK)
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:160]}"
        for rule in found
        for node in rule["nodes"]
    ]
