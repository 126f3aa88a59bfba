"""The icons that the theme asks for by name, as a few lines of CSS.

The theme would draw a dozen of them with a script of 1.5 MB. These are our own, of
24 × 24 units, drawn with a pen two units wide; each is a mask, so that it takes the
colour of the text beside it.
"""

from __future__ import annotations

from urllib.parse import quote

#: Name, without its "fa-" -> the path that a pen follows.
PATHS = {
    "angle-left": "M15 5l-7 7 7 7",
    "angle-right": "M9 5l7 7-7 7",
    "arrow-up": "M12 20V4M5 11l7-7 7 7",
    "bars": "M3 6h18M3 12h18M3 18h18",
    "box-archive": "M3 4h18v5H3zM5 9v11h14V9M10 13h4",
    "check": "M4 13l5 5L20 6",
    "code": "M8 6l-6 6 6 6M16 6l6 6-6 6",
    "download": "M12 3v12M6 10l6 6 6-6M4 21h16",
    "file": "M6 2h8l5 5v15H6zM14 2v5h5",
    "lightbulb": "M9 18h6M10 22h4M9 18c0-4-4-5-4-9a7 7 0 0 1 14 0c0 4-4 5-4 9",
    "list": "M8 6h13M8 12h13M8 18h13M3 6h.5M3 12h.5M3 18h.5",
    "magnifying-glass": "M10.5 3a7.5 7.5 0 1 0 0 15 7.5 7.5 0 0 0 0-15zM16 16l5.5 5.5",
    "moon": "M20 14A8.5 8.5 0 0 1 10 4a8.5 8.5 0 1 0 10 10z",
    "pencil": "M4 20l1-5L16 4l4 4L9 19zM13 7l4 4",
    "play": "M7 4l13 8-13 8z",
    "sun": "M12 7.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9zM12 1v3M12 20v3M1 12h3M20 12"
    "h3M4.2 4.2l2.1 2.1M17.7 17.7l2.1 2.1M4.2 19.8l2.1-2.1M17.7 6.3l2.1-2.1",
    # Half of it full: the line runs through its right half to and fro.
    "circle-half-stroke": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 3v18M14 4v16M16 5v14"
    "M18 6v12M20 8.5v7",
    # Whoever hosts it: a branch that comes back.
    "repository": "M6 8v8M6 3a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z"
    "M6 16a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5z"
    "M18 3a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5zM18 8c0 5-12 3-12 8",
}
#: Other names of some of them.
ALSO = {
    "bitbucket": "repository",
    "github": "repository",
    "gitlab": "repository",
    "pencil-alt": "pencil",
}
#: Classes that say how an icon is set, and not which one it is.
MANNERS = {"solid", "regular", "brands", "lg", "sm", "xs", "fw"}

SHAPE = (
    ".fa,.fas,.far,.fab,.fa-solid,.fa-regular,.fa-brands{display:inline-block;"
    "width:1em;height:1em;vertical-align:-.125em;background:currentColor;"
    "-webkit-mask:var(--icon) center/contain no-repeat;"
    "mask:var(--icon) center/contain no-repeat}"
    ".fa-lg{width:1.25em;height:1.25em}"
    # A mask would vanish where a reader has asked for colours of their own.
    "@media (forced-colors:active){[class*=fa-]{background:ButtonText}}"
)


def known(name: str) -> bool:
    """Whether ``fa-name`` is drawn here, or says how to draw."""
    return name in PATHS or name in ALSO or name in MANNERS


def style_sheet() -> str:
    """The rules that draw every icon."""
    rules = [SHAPE]
    for name in [*PATHS, *ALSO]:
        svg = (
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" '
            'stroke="#000" stroke-width="2" stroke-linecap="round" '
            f'stroke-linejoin="round"><path d="{PATHS[ALSO.get(name, name)]}"/></svg>'
        )
        address = quote(svg, safe=" =:/<>'")
        rules.append(f'.fa-{name}{{--icon:url("data:image/svg+xml,{address}")}}')
    return "\n".join(rules)
