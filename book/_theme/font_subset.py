"""Write the small files of the fonts: the characters that nearly every page shows.

Run by hand, after a change below; the files are a part of the repository::

    PYTHONPATH=book python -m _theme.font_subset

Each of them, ``<name>-basic.woff2``, stands beside the whole font. The style sheet
names both, and a browser loads the whole font on the pages that show one of its other
characters. This prints the rules for the style sheet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.ttLib.tables._g_l_y_f import Glyph

STATIC = Path(__file__).parent / "static"
ASCII = "".join(map(chr, range(0x20, 0x7F)))
TEXT = ASCII + "\u00a0·×éö±²³–—‘’“”…−"
LETTERS = "ABCEJKNRSVWXabdefgijkmnpstuvwxyzαβδηθμνρστχϕϵ"
MAIN = ASCII + "\u00a0±×ˉΦ…→∂∈−∗∝∞∣∼≈≤≥⋅⋯\ue020"
#: File, family, weight and style of a font, and its characters.
FONTS = (
    ("fonts/SourceSerif4-Regular", '"Source Serif"', "400", "normal", TEXT),
    ("fonts/SourceSerif4-Italic", '"Source Serif"', "400", "italic", TEXT),
    ("fonts/SourceSerif4-SemiBold", '"Source Serif"', "600 700", "normal", TEXT),
    ("katex/fonts/KaTeX_Main-Regular", "KaTeX_Main", "400", "normal", MAIN),
    ("katex/fonts/KaTeX_Math-Italic", "KaTeX_Math", "400", "italic", LETTERS),
    ("katex/fonts/KaTeX_Size1-Regular", "KaTeX_Size1", "400", "normal", "()[]∑∏∫√"),
)


def cut(font: Path, characters: str) -> list[int]:
    """Write a font's small file; the codes of the characters that it has."""
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
    return sorted(whole.getBestCmap())


def add_zero_width_space(font: TTFont) -> None:
    """Add U+200B, which KaTeX writes: without it, browsers would ask other fonts."""
    name = "uni200B"
    font.setGlyphOrder([*font.getGlyphOrder(), name])
    font["glyf"][name] = Glyph()
    font["hmtx"][name] = (0, 0)
    for table in font["cmap"].tables:
        table.cmap[0x200B] = name


def ranges(codes: Iterable[int]) -> Iterator[str]:
    """The codes as CSS has them in ``unicode-range``."""
    for _, run in groupby(enumerate(codes), lambda pair: pair[1] - pair[0]):
        found = [code for _, code in run]
        end = f"-{found[-1]:X}" if len(found) > 1 else ""
        yield f"U+{found[0]:X}{end}"


def main() -> None:
    for name, family, weight, style, characters in FONTS:
        codes = cut(STATIC / f"{name}.woff2", characters)
        display = "fallback" if "Serif" in family else "block"
        print(
            f"@font-face {{\n  font-family: {family};\n  font-weight: {weight};\n"
            f"  font-style: {style};\n  font-display: {display};\n"
            f'  src: url("{name}-basic.woff2") format("woff2");\n'
            f"  unicode-range: {', '.join(ranges(codes))};\n}}"
        )


if __name__ == "__main__":
    main()
