"""axe-core, run in a page: what a machine can find of what shuts readers out."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

_AXE = Axe()
#: What a change of colours alone can break.
COLOURS = ["color-contrast", "link-in-text-block"]
#: The visible half of a formula: thousands of boxes in the colour of the text, which
#: assistive technology does not see. Its other half, in MathML, is looked at.
FORMULAE = [[".katex-html"]]


def violations(page, context=None, rules=None) -> list[str]:
    """One line for each place that breaks a rule, in the page as it stands.

    ``context`` is a CSS selector: only what lies in it is looked at. ``rules`` are
    the names of the only rules to hold it to.
    """
    where = {"exclude": FORMULAE}
    if context:
        where["include"] = [[context]]
    options = {"resultTypes": ["violations"]}
    if rules:
        options["runOnly"] = {"type": "rule", "values": rules}
    found = _AXE.run(page, context=where, options=options).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:160]}"
        for rule in found
        for node in rule["nodes"]
    ]
