"""Look at a drawing of a model: what is in it, and what gets in its way."""

from __future__ import annotations

from itertools import combinations

from matplotlib import patches
from matplotlib.backends.backend_agg import FigureCanvasAgg
import numpy as np

from pooling import models


def problems(nodes: list[dict]) -> list[str]:
    """What is missing in the drawing of a model, cut off, or drawn over."""
    figure = models.draw(nodes)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (ax,) = figure.axes
    to_inches = ax.transData.inverted()
    boxes = [
        (text.get_text(), text.get_window_extent().transformed(to_inches))
        for text in ax.texts
    ]
    kinds = patches.Ellipse, patches.Rectangle
    shapes = [patch for patch in ax.patches if isinstance(patch, kinds)]
    arrows = [p for p in ax.patches if isinstance(p, patches.FancyArrowPatch)]
    words = [w for n in nodes for w in (n["name"], n["distribution"] or n["kind"])]
    plates = {tuple(map(tuple, one["plate"])) for one in nodes if one["plate"]}
    words += [
        " × ".join(f"{dim} ({n})" if dim else str(n or "?") for dim, n in plate)
        for plate in plates
    ]
    found = []
    if sorted(name for name, _ in boxes) != sorted(words):
        found.append(f"texts: {[name for name, _ in boxes]}")
    edges = sum(len(one["parents"]) for one in nodes)
    if len(shapes) != len(nodes) or len(arrows) != edges:
        found.append(f"{len(shapes)} nodes and {len(arrows)} arrows")
    for (a, one), (b, other) in combinations(boxes, 2):
        if one.overlaps(other):
            found.append(f"{a} overlaps {b}")
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    for name, box in boxes:
        across, up = left <= box.x0 < box.x1 <= right, bottom <= box.y0 < box.y1 <= top
        if not across or not up:
            found.append(f"{name} is cut off")
    outlines = dict(zip((one["name"] for one in nodes), shapes))
    for k, one in enumerate(nodes):
        shape = _extent(outlines[one["name"]])
        own = boxes[len(plates) + 2 * k : len(plates) + 2 * k + 2]
        found += [
            f"{name} leaves its node" for name, box in own
            if box.x0 < shape[0] or box.x1 > shape[2]
        ]
    for (a, one), (b, other) in combinations(outlines.items(), 2):
        if _meet(_extent(one), _extent(other)):
            found.append(f"the nodes {a} and {b} overlap")
    ends = ((parent, one["name"]) for one in nodes for parent in one["parents"])
    labels = boxes[: len(plates)]
    for arrow, (parent, child) in zip(arrows, ends, strict=True):
        path = arrow.get_path().interpolated(30).vertices
        for name, shape in outlines.items():
            if name not in (parent, child) and _enters(path, _extent(shape)):
                found.append(f"the arrow from {parent} to {child} crosses {name}")
        for name, box in labels:
            if _enters(path, box.extents):
                found.append(f"the arrow from {parent} to {child} crosses {name}")
    return found


def _extent(shape) -> tuple[float, ...]:
    return tuple(shape.get_path().get_extents(shape.get_patch_transform()).extents)


def _meet(a, b) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _enters(path: np.ndarray, box) -> bool:
    x, y = path.T
    return bool(((box[0] < x) & (x < box[2]) & (box[1] < y) & (y < box[3])).any())
