"""axe-core, run in a page: what a machine can find of what shuts readers out."""

from __future__ import annotations

from axe_playwright_python.sync_playwright import Axe

_AXE = Axe()


def violations(page, context=None) -> list[str]:
    """One line for each place that breaks a rule, in the page as it stands.

    ``context`` is a CSS selector: only what lies in it is looked at.
    """
    found = _AXE.run(page, context=context).response["violations"]
    return [
        f"{rule['id']} ({rule['impact']}): {rule['help']}: {node['html'][:160]}"
        for rule in found
        for node in rule["nodes"]
    ]
