"""axe-core, run in a page: what a machine can find of what shuts readers out."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

_AXE = Axe()
#: What a change of colours alone can break.
COLOURS = ["color-contrast", "link-in-text-block"]
#: Thousands of boxes that say nothing new. The visible half of a formula has the
#: colour of the text, and assistive technology does not see it; its other half, in
#: MathML, is looked at. Code has a dozen colours, which have a test of their own.
REPEATED = [[".katex-html"], [".highlight pre > span"]]


def violations(page, context=None, rules=None, whole=False) -> list[str]:
    """One line for each place that breaks a rule, in the page as it stands.

    ``context`` is a CSS selector: only what lies in it is looked at. ``rules`` are
    the names of the only rules to hold it to. With ``whole``, what is repeated is
    looked at too.
    """
    where = {} if whole else {"exclude": REPEATED}
    if context:
        where["include"] = [[context]]
    # As it is where a reader has come: see contain-intrinsic-size in book.css. What the
    # header of a phone's page covers, by chance of the scroll, is not too small.
    page.add_style_tag(
        content="section { content-visibility: visible !important }"
        ".page-header { position: static !important }"
    )
    page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    # Off by itself, and needed by fingers: the least size of what one presses.
    options = {
        "resultTypes": ["violations"],
        "rules": {"target-size": {"enabled": True}},
    }
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    result = _AXE.run(page, context=where or None, options=options)
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:160]}"
        for rule in result.response["violations"]
        for node in rule["nodes"]
    ]
