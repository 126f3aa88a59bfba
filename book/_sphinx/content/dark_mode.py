"""One drawing for a light page and a dark one."""

from __future__ import annotations

import re

from pooling import plots


def two_coloured(svg: str) -> str:
    """An SVG of the light palette, as one that follows ``color-scheme``.

    Raises
    ------
    ValueError
        If the drawing uses none of the palette's colours: the palette and the
        style sheet have come apart.
    """
    names = {light.lower(): name for name, (light, _) in plots.PALETTE.items()}
    used: set[str] = set()

    def variable(match: re.Match) -> str:
        name = names.get(match.group(0).lower())
        if name is None:
            return match.group(0)
        used.add(name)
        return f"var(--{name})"

    drawing = re.sub(r"#[0-9a-fA-F]{6}\b", variable, svg)
    if not used:
        raise ValueError("a figure uses no colour of pooling.plots.PALETTE")
    light = ";".join(f"--{name}:{plots.PALETTE[name][0]}" for name in sorted(used))
    dark = ";".join(f"--{name}:{plots.PALETTE[name][1]}" for name in sorted(used))
    style = (
        f"<style>:root{{{light}}}"
        f"@media (prefers-color-scheme:dark){{:root{{{dark}}}}}</style>"
    )
    return re.sub(r"(<svg\b[^>]*>)", lambda m: m.group(1) + style, drawing, count=1)
