"""Figures that fit the page they are on, and that say what they show.

A figure is drawn once, in the light colours of `pooling.plots.PALETTE`. Here each
of these becomes a CSS variable with its dark twin beside it, so that the one file
serves both. A figure without alternative text fails the build.
"""

from __future__ import annotations

import os
from pathlib import Path
import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging

from _sphinx.content.dark_mode import two_coloured

logger = logging.getLogger(__name__)

_SIZE = re.compile(rb'<svg [^>]*?width="([\d.]+)pt" height="([\d.]+)pt"', re.S)


def recolour(app: Sphinx, exception) -> None:
    """Give every chapter's figure its two sets of colours."""
    if exception is not None or app.builder.format != "html":
        return
    images = Path(app.outdir) / app.builder.imagedir
    for source, name in app.builder.images.items():
        if not source.endswith(".svg"):
            continue
        target = images / name
        svg = target.read_text(encoding="utf-8")
        if "prefers-color-scheme" not in svg:
            # Written beside it and moved: never half a figure, and never
            # through a hard link into the build's own store.
            draft = target.with_suffix(".part")
            draft.write_text(two_coloured(svg), encoding="utf-8")
            os.replace(draft, target)


class Describe(SphinxPostTransform):
    """Ask for alternative text, and give each image the room that it takes."""

    # After myst-nb has chosen among a figure's formats.
    default_priority = 900

    def run(self, **kwargs) -> None:
        for image in self.document.findall(nodes.image):
            if not image.get("alt", "").strip():
                logger.warning(
                    "this figure has no alternative text", location=image
                )
            size = _size(Path(self.app.srcdir) / image["uri"])
            if size and "width" not in image:
                # In points of 1/72 in; CSS pixels are 1/96 in.
                image["width"], image["height"] = (
                    f"{round(points * 4 / 3)}px" for points in size
                )


def _size(path: Path) -> tuple[float, float] | None:
    if path.suffix != ".svg" or not path.is_file():
        return None
    found = _SIZE.search(path.read_bytes()[:2000])
    return found and tuple(float(number) for number in found.groups())


def setup(app: Sphinx) -> None:
    app.add_post_transform(Describe)
    app.connect("build-finished", recolour)
