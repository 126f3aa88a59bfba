"""Describe a model: its variables for the page of all models, and its graph.

A chapter's models are plain PyMC. :func:`describe` leaves a record of one in the
executed chapter, from which the book's build makes a section of the page of all
models; :func:`draw` draws a model's graph without Graphviz.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import sys

from matplotlib import patches
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
import numpy as np
import pandas as pd
import xarray as xr

from pooling import _records
from pooling.plots import COLORS, spread_labels

__all__ = ["describe", "draw", "variables"]

PARAMETERISATIONS = (
    "centered",
    "non-centered",
    "mixed",
    "marginal",
    "not applicable",
)
#: By the names of PyMC's types of nodes.
_KINDS = {
    "FREE_RV": "free",
    "OBSERVED_RV": "observed",
    "DETERMINISTIC": "deterministic",
    "DATA": "data",
    "POTENTIAL": "potential",
}


def describe(
    model,
    title: str,
    *,
    data: str | None = None,
    parameterisation: str = "not applicable",
    fits: str | Sequence[str] = (),
    name: str | None = None,
) -> None:
    """Leave a record of a model for the page of all models.

    Outside of a notebook this does nothing but check its arguments.

    Parameters
    ----------
    model : pymc.Model
        A model with at least one random variable.
    title : str
        What the page calls it: the heading of its section.
    data : str, optional
        The table it is fitted to, as in ``datasets.load_<data>``; none if simulated.
    parameterisation : str
        Of its group effects: one of "centered", "non-centered", "mixed", "marginal"
        and "not applicable".
    fits : str or sequence of str
        The names under which `pooling.check` knows the fits of this model.
    name : str, optional
        The variable that holds the model in the chapter; found by default.

    Raises
    ------
    ValueError
        If `title` is empty, `parameterisation` is unknown, the model has no variable,
        or its name is not found.
    """
    if not isinstance(title, str) or not title.strip():
        raise ValueError(f"title must be words; got {title!r}")
    if parameterisation not in PARAMETERISATIONS:
        raise ValueError(
            f"parameterisation must be one of {', '.join(PARAMETERISATIONS)}; "
            f"got {parameterisation!r}"
        )
    frame = sys._getframe(1)
    name = name or _records.name_of(model, frame)
    if name is None:
        raise ValueError("name must say what the chapter calls the model; found none")
    nodes = variables(model)
    record = {
        "name": name,
        "title": title,
        "data": data,
        "parameterisation": parameterisation,
        "fits": [fits] if isinstance(fits, str) else list(fits),
        "variables": nodes,
        "indexes": _indexes({**frame.f_globals, **frame.f_locals}, nodes),
    }
    _records.leave({_records.MODEL: record})


def _indexes(namespace: Mapping, nodes: list[dict]) -> dict[str, str | None]:
    """The dimension of each table of numbers that a model of these variables may use.

    A table belongs to the only dimension of its length; None is one without a name,
    that of observations.
    """
    lengths: dict[int, set] = {}
    for one in nodes:
        if len(one["plate"]) == 1:
            ((dim, length),) = one["plate"]
            lengths.setdefault(length, set()).add(dim)
    found = {}
    for name, value in namespace.items():
        if name.startswith("_") or len(shape := _shape(value)) != 1:
            continue
        dims = lengths.get(shape[0], ())
        if len(dims) == 1:
            (found[name],) = dims
    return found


def variables(model) -> list[dict]:
    """List the variables of a model, parents before children.

    Parameters
    ----------
    model : pymc.Model

    Returns
    -------
    list of dict
        For each variable its ``name``; its ``kind``, which is "free", "observed",
        "deterministic", "data" or "potential"; its ``distribution``, or None; its
        ``plate``, a list of the name (or None) and the length of each dimension; and
        its ``parents``, the names of the variables that it is computed from.

    Raises
    ------
    ValueError
        If the model has no random variable.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model(coords={"school": ["A", "B"]}) as model:
    ...     mu = pm.Normal("mu", 0, 20)
    ...     theta = pm.Normal("theta", mu, 5, dims="school")
    >>> mean, effect = variables(model)
    >>> mean["name"], mean["kind"], mean["distribution"], mean["plate"]
    ('mu', 'free', 'Normal', [])
    >>> effect["plate"], effect["parents"]
    ([['school', 2]], ['mu'])
    """
    # Only here: the drawing of a record does without PyMC.
    from pymc.model_graph import ModelGraph, get_node_type

    if not model.basic_RVs:
        raise ValueError("model must have a random variable, but has none")
    graph = ModelGraph(model)
    # An observed table is no parent: it is what the variable is conditioned on.
    values = [model.rvs_to_values[variable] for variable in model.observed_RVs]
    observed = {table.name for table in model.data_vars if table in values}
    names = [name for name in graph.vars_to_plot() if name not in observed]
    found = []
    for name in names:
        variable, kind = model[name], _KINDS[get_node_type(name, model).name]
        random = kind in ("free", "observed")
        found.append({
            "name": name,
            "kind": kind,
            "distribution": _distribution(variable) if random else None,
            "plate": _plate(model, variable),
            "parents": [p for p in names if p in graph.get_parent_names(variable)],
        })
    by_name = {one["name"]: one for one in found}
    return sorted(found, key=lambda one: _depth(one, by_name))


def _distribution(variable) -> str:
    """The name of a distribution, as PyMC's classes have it."""
    name = type(variable.owner.op).__name__.removesuffix("RV").removeprefix("_")
    return {"InvGamma": "InverseGamma"}.get(name, name)


def _shape(value) -> tuple:
    """The shape of a table of numbers; nothing else has one."""
    tables = np.ndarray, pd.Series, xr.DataArray
    return value.shape if isinstance(value, tables) else ()


def _plate(model, variable) -> list[list]:
    """The name, or None, and the length of each dimension of a variable.

    Without evaluating its shape, which for some variables would draw from a flat prior.
    """
    dims = model.named_vars_to_dims.get(variable.name)
    if dims is not None:
        return [[dim, int(model.dim_lengths[dim].eval())] for dim in dims]
    table = model.rvs_to_values.get(variable, variable)
    if variable in model.observed_RVs or variable in model.data_vars:
        return [[None, n] for n in table.shape.eval().tolist()]
    return [[None, n] for n in variable.type.shape]


def _depth(one: dict, by_name: dict[str, dict]) -> int:
    """The number of edges on the longest way to a variable."""
    above = (_depth(by_name[parent], by_name) for parent in one["parents"])
    return 1 + max(above, default=-1)


#: Sizes of a drawing, in inches, and of its letters, in points. An ellipse is a little
#: larger than the box of the same words.
ROW, GAP, HEIGHT, PLATE, LETTERS, ROUND = 1.0, 0.2, 0.48, 0.1, 9.5, 1.12
#: Of the two lines in a node.
WEIGHTS = "bold", "normal"


def draw(model) -> Figure:
    """Draw the graph of a model in the book's colours, without Graphviz.

    An ellipse is a random variable, filled where it is observed; a filled box is data,
    and an empty box is computed from its parents. A frame is a plate: what it holds has
    one value for each member of the dimension that is named in its corner. Arrows lead
    from parents to children.

    Parameters
    ----------
    model : pymc.Model or list of dict
        A model, or its variables as :func:`variables` lists them.

    Returns
    -------
    matplotlib.figure.Figure
        As large as the graph; `pooling.plots.svg` writes it for light and dark pages.

    Raises
    ------
    ValueError
        If the model has no random variable.

    Examples
    --------
    >>> import pymc as pm
    >>> with pm.Model() as model:
    ...     mu = pm.Normal("mu", 0, 20)
    >>> figure = draw(model)
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['mu', 'Normal']
    """
    nodes = model if isinstance(model, list) else variables(model)
    wide = [_text_width(w, f) for one in nodes for w, f in zip(_words(one), WEIGHTS)]
    width = max(0.75, 0.14 + max(wide))
    places, frames, mirrored = _layout(nodes, width)
    figure = Figure(layout="none")
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    style = {"fontsize": LETTERS, "va": "center", "family": "DejaVu Sans"}
    for key, (left, bottom, right, top) in frames.items():
        frame = patches.FancyBboxPatch(
            (left, bottom), right - left, top - bottom, facecolor="none",
            boxstyle="round,pad=0,rounding_size=0.08", edgecolor=COLORS["muted"],
        )
        ax.add_patch(frame)
        side, at = ("left", left + 0.08) if key in mirrored else ("right", right - 0.08)
        y = top - 0.12 if _is_root(key, nodes) else bottom + 0.12
        ax.text(at, y, _label(key), ha=side, color=COLORS["muted"], **style)
    shapes = {}
    for one in nodes:
        x, y = places[one["name"]]
        shapes[one["name"]] = ax.add_patch(_outline(one, x, y, width))
        for text, dy, weight in zip(_words(one), (0.09, -0.09), WEIGHTS):
            ax.text(
                x, y + dy, text, ha="center", fontweight=weight, color=COLORS["ink"],
                **style,
            )
    for one in nodes:
        for parent in one["parents"]:
            arrow = patches.FancyArrowPatch(
                places[parent], places[one["name"]], arrowstyle="-|>",
                connectionstyle=_bend(places[parent], places[one["name"]], width),
                patchA=shapes[parent], patchB=shapes[one["name"]], shrinkA=0, shrinkB=0,
                mutation_scale=9, linewidth=0.9, color=COLORS["ink"],
            )
            ax.add_patch(arrow)
    boxes = [_box(x, y, width * ROUND, HEIGHT * ROUND) for x, y in places.values()]
    boxes += frames.values()
    left, bottom = (min(box[k] for box in boxes) - 0.04 for k in (0, 1))
    right, top = (max(box[k] for box in boxes) + 0.04 for k in (2, 3))
    ax.set(xlim=(left, right), ylim=(bottom, top))
    figure.set_size_inches(right - left, top - bottom)
    return figure


def _words(one: dict) -> tuple[str, str]:
    """The two lines in a node."""
    return one["name"], one["distribution"] or one["kind"]


def _text_width(text: str, weight: str = "normal") -> float:
    font = FontProperties(family="DejaVu Sans", weight=weight)
    return TextPath((0, 0), text, size=LETTERS, prop=font).get_extents().width / 72


def _label(key: tuple) -> str:
    """What a plate is called."""
    return " × ".join(f"{name} ({n})" if name else str(n or "?") for name, n in key)


def _box(x, y, width, height) -> tuple[float, float, float, float]:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _outline(one: dict, x: float, y: float, width: float):
    filled = one["kind"] in ("observed", "data")
    look = {"edgecolor": COLORS["ink"], "linewidth": 1.1}
    look["facecolor"] = to_rgba(COLORS["data"], 0.2) if filled else "none"
    if one["kind"] in ("free", "observed"):
        return patches.Ellipse((x, y), width * ROUND, HEIGHT * ROUND, **look)
    left, bottom, _, _ = _box(x, y, width, HEIGHT)
    return patches.Rectangle((left, bottom), width, HEIGHT, **look)


def _bend(start, end, width: float) -> str:
    """An arrow along a row, past a neighbour, goes round it; others are straight."""
    far = abs(end[0] - start[0]) > 1.6 * (width + GAP)
    return "arc3,rad=0.35" if start[1] == end[1] and far else "arc3"


def _layout(nodes: list[dict], width: float):
    """The centre of each node, the corners of each plate, and which are mirrored.

    Variables without a plate stand on top, above those that depend on them. Plates
    follow below each other, or side by side where they share rows. A variable without a
    plate that is needed further down stands beside what needs it.
    """
    row, aside = _rows(nodes)
    plates = list(dict.fromkeys(_key(one) for one in nodes if one["plate"]))
    rows = {key: [row[o["name"]] for o in nodes if _key(o) == key] for key in plates}
    x, frames, bands, mirrored = {}, {}, [], set()
    for key in sorted(plates, key=lambda key: min(rows[key])):
        if bands and min(rows[key]) <= max(max(rows[other]) for other in bands[-1]):
            bands[-1].append(key)
        else:
            bands.append([key])
    for band in bands:
        left = 0.0
        for key in band:
            inside = [one for one in nodes if _key(one) == key]
            line, frame = _block(inside, row, width, left)
            # Of plates side by side, the left ones are drawn the other way round.
            if band.index(key) < len(band) // 2:
                mirrored.add(key)
                line = {name: frame[0] + frame[2] - at for name, at in line.items()}
            left = frame[2] + GAP
            x |= line
            frames[key] = frame
        names = [one["name"] for one in nodes if _key(one) in band]
        middle = (min(x[n] for n in names) + max(x[n] for n in names)) / 2
        x |= {name: x[name] - middle for name in names}
        for key in band:
            a, bottom, b, top = frames[key]
            frames[key] = a - middle, bottom, b - middle, top
        beside = [name for name in aside if row[name] in rows[band[0]]]
        half = len(beside) // 2
        for k, name in enumerate(reversed(beside[:half])):
            x[name] = frames[band[0]][0] - GAP - width / 2 - k * (width + GAP)
        for k, name in enumerate(beside[half:]):
            x[name] = frames[band[-1]][2] + GAP + width / 2 + k * (width + GAP)
    for r in sorted({row[one["name"]] for one in nodes if one["name"] not in x}):
        line = [o for o in nodes if o["name"] not in x and row[o["name"]] == r]
        wish = [_wish(one, nodes, x) for one in line]
        found = spread_labels(wish, width + GAP)
        x |= {one["name"]: float(at) for one, at in zip(line, found, strict=True)}
    return {name: (x[name], -ROW * row[name]) for name in x}, frames, mirrored


def _block(inside: list[dict], row: dict[str, int], width: float, left: float):
    """Columns for the nodes of a plate, from `left` on, and its frame.

    What stands beside a child comes just before it. The label is above the nodes if no
    arrow leads into the plate; else it is below them, to the right of the last one's
    centre, so that no arrow which leaves downwards meets it.
    """
    step, x = width + GAP, {}
    inside = sorted(inside, key=lambda one: _order(one, inside))
    names = [one["name"] for one in inside]
    lines = [[n for n in names if row[n] == r] for r in set(row.values())]
    most = max(map(len, lines))
    for line in lines:
        start = left + PLATE + width / 2 + step * (most - len(line)) / 2
        x |= {name: start + step * k for k, name in enumerate(line)}
    bottom = max(row[name] for name in x)
    last = max(x[name] for name in x if row[name] == bottom)
    right = left + 2 * PLATE + step * most - GAP
    right = max(right, last + 0.2 + _text_width(_label(_key(inside[0]))))
    top = min(row[name] for name in x)
    half = HEIGHT * ROUND / 2
    below, above = 0.22, PLATE
    if _is_root(_key(inside[0]), inside):
        below, above = above, below
    frame = left, -ROW * bottom - half - below, right, -ROW * top + half + above
    return x, frame


def _is_root(key: tuple, nodes: list[dict]) -> bool:
    """Whether no variable of a plate has a parent."""
    return not any(one["parents"] for one in nodes if _key(one) == key)


def _rows(nodes: list[dict]) -> tuple[dict[str, int], list[str]]:
    """The row of each node from the top, and which nodes stand aside of a plate."""
    by_name, row = {one["name"]: one for one in nodes}, {}
    children = {
        name: [other["name"] for other in nodes if name in other["parents"]]
        for name in by_name
    }
    beside = {}  # what has no parents and is needed in its own plate, such as z
    for one in nodes:
        near = [c for c in children[one["name"]] if _key(by_name[c]) == _key(one)]
        if one["plate"] and not one["parents"] and near:
            beside[one["name"]] = near[0]
    for one in nodes:
        if not one["plate"]:
            row[one["name"]] = _depth(one, by_name)
    roots = [row[o["name"]] for o in nodes if not o["plate"] and not o["parents"]]
    first = 1 + max(roots, default=-1)
    for one in nodes:
        if one["plate"] and one["name"] not in beside:
            above = [row[p] for p in one["parents"] if p not in beside]
            row[one["name"]] = max([first, *(r + 1 for r in above)])
    for one in reversed(nodes):  # just above the first that needs it
        below = [row[c] for c in children[one["name"]]]
        if one["plate"] and one["name"] not in beside and below:
            row[one["name"]] = min(below) - 1
    row |= {name: row[child] for name, child in beside.items()}
    aside = []  # in the order of what needs them, so that their arrows do not cross
    for one in nodes:
        for name in one["parents"] if one["plate"] else ():
            below = [row[c] for c in children[name] if by_name[c]["plate"]]
            alone = not by_name[name]["plate"] and not by_name[name]["parents"]
            if alone and name not in aside and min(below) > first:
                row[name] = min(below)
                aside.append(name)
    return row, aside


def _key(one: dict) -> tuple:
    """What plate a variable is in."""
    return tuple(map(tuple, one["plate"]))


def _order(one: dict, inside: list[dict]) -> tuple[int, int]:
    """Where a node stands in its row: just before its first child in the plate."""
    children = [k for k, other in enumerate(inside) if one["name"] in other["parents"]]
    if children and not one["parents"]:
        return children[0], 0
    return inside.index(one), 1


def _wish(one: dict, nodes: list[dict], x: dict[str, float]) -> float:
    """The mean column of a node's children that have one, or of its parents."""
    near = [o["name"] for o in nodes if one["name"] in o["parents"]] + one["parents"]
    found = [x[name] for name in near if name in x]
    return sum(found) / len(found) if found else 0.0
