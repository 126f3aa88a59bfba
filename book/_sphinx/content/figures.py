"""Check the figures that the chapters draw, and give each image its size.

`pooling.plots.svg` has drawn each figure for a light page and for a dark one. A figure
that it has not drawn, or an image without alternative text, fails the build.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)


class CheckImages(SphinxPostTransform):
    """Warn about an image that some readers could not see, and set its size."""

    # After myst-nb has chosen among a figure's formats.
    default_priority = 900

    def run(self, **kwargs) -> None:
        for image in self.document.findall(nodes.image):
            if not image.get("alt", "").strip():
                logger.warning("this figure has no alternative text", location=image)
            file = Path(self.app.srcdir) / image["uri"]
            if file.suffix != ".svg" or not file.is_file():
                continue
            svg = file.read_text(encoding="utf-8")
            if "prefers-color-scheme" not in svg:
                logger.warning(
                    "this figure has no colours for a dark page: draw it in those of "
                    "pooling.plots.COLORS", location=image
                )
            if "width" not in image:
                image["width"], image["height"] = (f"{px}px" for px in size(svg))


def size(svg: str) -> tuple[int, int]:
    """Width and height of a Matplotlib drawing, in CSS pixels of 1/96 in.

    Raises
    ------
    ValueError
        If the drawing does not state them in points of 1/72 in.
    """
    root = ElementTree.fromstring(svg)
    lengths = root.get("width", ""), root.get("height", "")
    if not all(length.endswith("pt") for length in lengths):
        raise ValueError(f"the size of a drawing must be in pt, but is {lengths}")
    return tuple(round(float(length.removesuffix("pt")) * 4 / 3) for length in lengths)


def setup(app: Sphinx) -> None:
    app.add_post_transform(CheckImages)
