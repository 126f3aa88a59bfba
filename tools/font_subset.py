"""Write the small files of the fonts: the characters that nearly every page shows.

Run by hand, after a change below; the files are a part of the repository::

    python tools/font_subset.py

Each of them, ``<name>-basic.woff2``, stands beside the whole font. The style sheet
names both, and a browser loads the whole font on the pages that show one of its other
characters. ``tests/unit/test_theme.py`` says which characters the style sheet has to
name in ``unicode-range``.
"""

from __future__ import annotations

from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph

STATIC = Path(__file__).resolve().parents[1] / "book" / "_theme" / "static"
ASCII = "".join(map(chr, range(0x20, 0x7F)))
TEXT = ASCII + "\u00a0·×éö±²³–—‘’“”…−"
LETTERS = "ABCEJKLNRSVWXabdefgijkmnpstuvwxyzαβδηθμνρστχϕϵ"
MAIN = ASCII + "\u00a0±×ˉΣΦ…→∂∈−∗∝∞∣∼≈≤≥⊤⋅⋯\ue020"
FONTS = {
    "fonts/SourceSerif4-Regular": TEXT,
    "fonts/SourceSerif4-Italic": TEXT,
    "fonts/SourceSerif4-SemiBold": TEXT,
    "katex/fonts/KaTeX_Main-Regular": MAIN,
    "katex/fonts/KaTeX_Math-Italic": LETTERS,
    "katex/fonts/KaTeX_Size1-Regular": "()[]{}∑∏∫√",
    "katex/fonts/KaTeX_Size2-Regular": "()[]{}∑∏∫√",
    "katex/fonts/KaTeX_Size3-Regular": "()[]{}√",
    "katex/fonts/KaTeX_Size4-Regular": "()[]{}⎛⎜⎝⎞⎟⎠⎧⎨⎩⎪√",
}


def cut(font: Path, characters: str) -> None:
    """Write a font's small file."""
    options = subset.Options()
    options.flavor = "woff2"
    options.layout_features = ["kern", "liga"]
    # For low resolutions, and a third of a font's weight.
    options.hinting = False
    options.name_IDs = []
    whole = subset.load_font(font, options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(text=characters)
    subsetter.subset(whole)
    if "KaTeX" in font.name:
        add_zero_width_space(whole)
    subset.save_font(whole, font.with_stem(f"{font.stem}-basic"), options)


def add_zero_width_space(font: TTFont) -> None:
    """Add U+200B, which KaTeX writes: without it, browsers would ask other fonts."""
    name = "uni200B"
    font.setGlyphOrder([*font.getGlyphOrder(), name])
    font["glyf"][name] = Glyph()
    font["hmtx"][name] = (0, 0)
    for table in font["cmap"].tables:
        table.cmap[0x200B] = name


if __name__ == "__main__":
    for name, characters in FONTS.items():
        cut(STATIC / f"{name}.woff2", characters)
