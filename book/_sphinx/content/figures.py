"""Figures that say what they show, and that keep their place while a page loads.

A figure without alternative text fails the build. (The drawing itself, for light and
for dark pages, is made by `pooling.plots.svg` when a chapter runs.)
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

logger = logging.getLogger(__name__)


class DescribeImages(SphinxPostTransform):
    """Require alternative text, and give each image its width and height."""

    # After myst-nb has chosen among a figure's formats.
    default_priority = 900

    def run(self, **kwargs) -> None:
        for image in self.document.findall(nodes.image):
            if not image.get("alt", "").strip():
                logger.warning("this figure has no alternative text", location=image)
            path = Path(self.app.srcdir) / image["uri"]
            if path.suffix == ".svg" and path.is_file() and "width" not in image:
                image["width"], image["height"] = (f"{n}px" for n in svg_size(path))


def svg_size(path: Path) -> tuple[int, int]:
    """Width and height of a drawing, in CSS pixels.

    Raises
    ------
    ValueError
        If the drawing does not say them in points.
    """
    _, root = next(ElementTree.iterparse(path, events=["start"]))
    found = [root.get(name, "") for name in ("width", "height")]
    if not all(length.endswith("pt") for length in found):
        raise ValueError(f"{path} must give its size in points, not {found}")
    # Points are 1/72 in, CSS pixels 1/96 in.
    width, height = (round(float(length[:-2]) * 4 / 3) for length in found)
    return width, height


def setup(app: Sphinx) -> None:
    app.add_post_transform(DescribeImages)
