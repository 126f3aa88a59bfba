"""The book's figures: one style, one meaning for each colour, light and dark.

Every function takes arrays, draws on the `ax` it is given (or on a new figure)
and returns the Axes, so that a chapter can add its own title and notes. Nothing
here knows a model.

Colours are those of `COLORS`. `svg` writes each as a CSS variable with a light and
a dark value from `PALETTE`; a gradation is therefore always one of these colours
with some transparency, never a colour map.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
import io

from matplotlib import ticker
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
import matplotlib.pyplot as plt
from matplotlib.text import Annotation
import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import isotonic_regression

from pooling import _check
from pooling._palette import PALETTE

__all__ = [
    "COLORS",
    "MARKERS",
    "NAMES",
    "PALETTE",
    "density",
    "estimate_against_size",
    "forest",
    "funnel",
    "intervals",
    "label_line",
    "label_lines",
    "ridges",
    "shrinkage",
    "spread_labels",
    "svg",
    "trace",
]

#: Name -> colour on a light page; what figures are drawn with.
COLORS = {name: light for name, (light, _) in PALETTE.items()}

#: Name -> how a direct label reads.
NAMES = {
    "none": "no pooling",
    "complete": "complete pooling",
    "partial": "partial pooling",
    "exact": "exact",
    "draws": "draws",
    "data": "data",
    "bad": "failure",
}

#: Name -> marker, so that no figure rests on colour alone. "none" is hollow.
MARKERS = {
    "none": "o",
    "complete": "s",
    "partial": "D",
    "exact": "^",
    "draws": "o",
    "data": "o",
    "bad": "X",
}

_LABEL_SIZE = 9.5  # points; no letter is smaller, or a phone could not show it
_ROW = 0.3  # inches a group needs beside its label


def shrinkage(
    raw: ArrayLike,
    pooled: ArrayLike,
    *,
    centre: float | None = None,
    labels: Iterable[str] | None = None,
    names: Iterable[str] | None = None,
    sort: bool = False,
    ax: Axes | None = None,
) -> Axes:
    """Draw an arrow from each group's raw estimate to its pooled one.

    Parameters
    ----------
    raw, pooled : array_like, shape (J,)
        Estimates before and after pooling.
    centre : float, optional
        Where the arrows lead: a dashed line labelled "complete pooling".
    labels : sequence of str, shape (J,), optional
        Names of the groups, top to bottom; no names without it.
    names : pair of str, optional
        What the two ends are called; "no pooling" and "partial pooling".
    sort : bool
        Order the groups by `raw`, the largest on top.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure, as tall as the groups need, without it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If lengths differ or a value is not finite.
    """
    raw = _check.array_of("raw", raw)
    pooled = _check.array_of("pooled", pooled, like=("raw", raw))
    labels = _strings("labels", labels, raw.size)
    names = _strings("names", names, 2) or [NAMES["none"], NAMES["partial"]]
    if centre is not None:
        centre = _check.number("centre", centre)
    if sort:
        order = np.argsort(-raw, kind="stable")
        raw, pooled = raw[order], pooled[order]
        labels = labels and [labels[j] for j in order]
    ax = _axes(ax, height=_tall(raw.size, _ROW if labels else 0.1))

    row = np.arange(raw.size)
    for j in row:
        ax.annotate(
            "",
            xy=(pooled[j], j),
            xytext=(raw[j], j),
            arrowprops={
                "arrowstyle": "-|>",
                "color": COLORS["muted"],
                "linewidth": 1.0,
                "mutation_scale": 8,
                "shrinkA": 3,
                "shrinkB": 3,
            },
        )
    _points(ax, raw, row, "none", zorder=3, label=names[0])
    _points(ax, pooled, row, "partial", zorder=3, label=names[1])
    # The two ends are named on the first row, each away from the other.
    away = 1 if raw[0] >= pooled[0] else -1
    _write(ax, raw[0], 0, names[0], "none", dx=4 * away, dy=9)
    _write(ax, pooled[0], 0, names[1], "partial", dx=-4 * away, dy=9)
    space = max(1.0, raw.size / 14)
    bottom = raw.size - 0.4
    if centre is not None:
        bottom += 0.7 * space
        _upright(ax, centre, -0.25, bottom, NAMES["complete"])
    ax.set_ylim(bottom, -space)
    _rows(ax, labels)
    return ax


def estimate_against_size(
    n: ArrayLike,
    estimate: ArrayLike,
    se: ArrayLike | None = None,
    *,
    color: str = "none",
    reference: float | None = None,
    reference_label: str = "complete\npooling",
    label: str | None = None,
    dodge: float = 0.02,
    ax: Axes | None = None,
) -> Axes:
    """Draw each group's estimate, give or take one standard error, against its size.

    Parameters
    ----------
    n : array_like, shape (J,)
        Sizes of the groups, positive; the axis is logarithmic.
    estimate : array_like, shape (J,)
        One estimate a group.
    se : array_like, shape (J,), optional
        Half the length of each bar; no bars without it.
    color : str
        A key of `COLORS`, or its value.
    reference : float, optional
        A dashed line across, such as the estimate by complete pooling.
    reference_label : str
        What is written at its right end; nothing if empty.
    label : str, optional
        What a legend calls these points.
    dodge : float
        Groups of the same size stand side by side, each this fraction of `n`
        further right than the one before; zero puts them on one another.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If lengths differ, a size is not positive, an se is negative, a value is
        not finite, or `color` is not one of the book's.
    """
    n = _check.array_of("n", _check.positive_array("n", n))
    estimate = _check.array_of("estimate", estimate, like=("n", n))
    kind = _kind(color)
    if se is not None:
        se = _check.non_negative_array("se", se)
        _check.same_shape("se", se, "n", n)
    if reference is not None:
        reference = _check.number("reference", reference)
    x = n * np.exp(_check.number("dodge", dodge) * _within_ties(n))
    ax = _axes(ax)
    if se is not None:
        ax.vlines(
            x, estimate - se, estimate + se, color=COLORS[kind], linewidth=1, alpha=0.55
        )
    _points(ax, x, estimate, kind, size=4.5, label=label)
    if reference is not None:
        _rule(ax.axhline, reference)
        ax.annotate(
            reference_label,
            xy=(1, reference),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            color=COLORS["complete"],
            fontsize=_LABEL_SIZE,
            va="center",
            annotation_clip=False,
        )
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
    ax.xaxis.set_major_formatter(ticker.FuncFormatter(lambda v, _: f"{v:,.10g}"))
    ax.xaxis.set_minor_locator(ticker.NullLocator())
    return ax


def forest(
    estimates: Mapping[str, Sequence[ArrayLike]],
    labels: Iterable[str],
    *,
    reference: float | None = None,
    names: dict[str, str] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Draw the intervals of every group, one kind of pooling beside the other.

    Parameters
    ----------
    estimates : dict of str to (mean, low, high)
        A key of `COLORS`, such as "none" or "partial", to three arrays of shape
        (J,), drawn top to bottom within each group's row.
    labels : sequence of str, shape (J,)
        Names of the groups, top to bottom.
    reference : float, optional
        A dashed line, such as the estimate by complete pooling.
    names : dict of str to str, optional
        What a kind is called, where `NAMES` will not do.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure, as tall as the groups need, without it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If a kind is unknown, lengths differ, a value is not finite, or a mean
        lies outside its interval.
    """
    labels = _strings("labels", labels)
    if not estimates:
        raise ValueError("estimates must hold at least one kind, not none")
    rows = len(labels)
    parts = {}
    for key, value in estimates.items():
        kind = _kind(key)
        try:
            mean, low, high = value
        except (TypeError, ValueError):
            raise ValueError(
                f"estimates[{key!r}] must be three arrays (mean, low, high)"
            ) from None
        mean, low, high = (
            _check.array_of(f"estimates[{key!r}]", part, size=rows)
            for part in (mean, low, high)
        )
        if not ((low <= mean) & (mean <= high)).all():
            raise ValueError(f"estimates[{key!r}] must have low <= mean <= high")
        parts[kind] = mean, low, high
    if reference is not None:
        reference = _check.number("reference", reference)
    called = NAMES | (names or {})
    ax = _axes(ax, height=_tall(rows, max(_ROW, 0.19 * len(parts))))

    step = min(0.28, 0.72 / len(parts))
    offset = step * (np.arange(len(parts)) - (len(parts) - 1) / 2)
    for shift, (kind, (mean, low, high)) in zip(offset, parts.items(), strict=True):
        row = np.arange(rows) + shift
        ax.hlines(row, low, high, color=COLORS[kind], linewidth=1.4)
        _points(ax, mean, row, kind, label=called[kind])
        # A little further apart than the lines that they name.
        apart = -5 * shift / step
        _write(ax, high[0], shift, called[kind], kind, dx=5, dy=apart, va="center")
    bottom = rows - 0.4
    if reference is not None:
        # Where complete pooling has intervals of its own, those bear the name.
        name = "" if "complete" in parts else called["complete"]
        bottom += 0.6 if name else 0
        _upright(ax, reference, -0.6, bottom, name)
    ax.set_ylim(bottom, -0.6)
    _rows(ax, labels)
    return ax


def funnel(
    x: ArrayLike,
    log_tau: ArrayLike,
    *,
    divergent: ArrayLike | None = None,
    most: int | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Scatter draws of a group's effect against log tau, divergences marked.

    Parameters
    ----------
    x : array_like
        Draws of an effect; any shape, such as (chain, draw).
    log_tau : array_like
        The logarithm of tau in the same draws.
    divergent : array_like of bool, optional
        Which draws ended in a divergence: a cross of another colour, on top.
    most : int, optional
        Draw at most this many of the other points, evenly spaced; a figure of
        thousands of points is a heavy page. Every divergence is drawn.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If shapes differ, a value is not finite, or `most` is not positive.
    """
    x = _check.array_of("x", x, ndim=None)
    log_tau = _check.array_of("log_tau", log_tau, like=("x", x), ndim=None)
    if divergent is None:
        divergent = np.zeros(x.shape, bool)
    divergent = np.asarray(divergent)
    _check.same_shape("divergent", divergent, "x", x)
    if divergent.dtype.kind not in "biu":
        raise ValueError(f"divergent must be true or false, not {divergent.dtype}")
    divergent = divergent.astype(bool).ravel()
    x, log_tau = x.ravel(), log_tau.ravel()
    sound = np.flatnonzero(~divergent)
    if most is not None:
        if most < 1:
            raise ValueError(f"most must be at least 1, not {most}")
        if sound.size > most:
            sound = sound[np.linspace(0, sound.size - 1, int(most)).round().astype(int)]
    ax = _axes(ax)
    ax.plot(
        x[sound],
        log_tau[sound],
        MARKERS["draws"],
        color=COLORS["draws"],
        markersize=3,
        markeredgewidth=0,
        alpha=0.4,
        label="draw",
    )
    if divergent.any():
        ax.plot(
            x[divergent],
            log_tau[divergent],
            MARKERS["bad"],
            color=COLORS["bad"],
            markersize=6,
            markeredgewidth=0,
            label="divergence",
        )
        legend = ax.legend(loc="lower left", markerscale=1.4, handletextpad=0.2)
        legend.legend_handles[0].set_alpha(1)
    ax.set_ylabel(r"$\log\,\tau$")
    return ax


def ridges(
    tau: ArrayLike,
    mean: ArrayLike,
    sd: ArrayLike | None = None,
    labels: Iterable[str] | None = None,
    *,
    color: str = "partial",
    ax: Axes | None = None,
) -> Axes:
    """Draw conditional means of the groups against tau, named at the right edge.

    Parameters
    ----------
    tau : array_like, shape (T,)
        Values of the between-group sd, increasing.
    mean : array_like, shape (T, J)
        Mean of each group given tau.
    sd : array_like, shape (T, J), optional
        Its sd given tau: a faint band one sd either side.
    labels : sequence of str, shape (J,), optional
        Names of the groups, set apart where the lines end close together.
    color : str
        A key of `COLORS`, or its value.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If shapes do not fit, tau does not increase, or a value is not finite.
    """
    tau = _check.array_of("tau", tau)
    _check.increasing("tau", tau)
    mean = _check.array_of("mean", mean, ndim=2)
    if len(mean) != tau.size:
        raise ValueError(
            f"mean must have one row for each of the {tau.size} tau, "
            f"not shape {mean.shape}"
        )
    labels = _strings("labels", labels, mean.shape[1])
    kind = _kind(color)
    if sd is not None:
        sd = _check.non_negative_array("sd", sd)
        _check.same_shape("sd", sd, "mean", mean)
    ax = _axes(ax)
    if sd is not None:
        for m, s in zip(mean.T, sd.T, strict=True):
            ax.fill_between(
                tau, m - s, m + s, color=COLORS[kind], alpha=0.08, linewidth=0
            )
    lines = ax.plot(tau, mean, color=COLORS[kind], linewidth=1.5)
    ax.set_xlim(tau[0], tau[-1])
    ax.set_xlabel(r"$\tau$")
    if labels:
        label_lines(lines, labels)
    return ax


def density(
    grid: ArrayLike,
    pdf: ArrayLike,
    *,
    color: str = "exact",
    label: str | None = None,
    interval: ArrayLike | None = None,
    linestyle: str = "-",
    ax: Axes | None = None,
) -> Axes:
    """Draw a density as a filled curve, a stretch of it shaded more darkly.

    Parameters
    ----------
    grid : array_like, shape (G,)
        Where the density is known, increasing.
    pdf : array_like, shape (G,)
        The density there, zero or more.
    color : str
        A key of `COLORS`, or its value.
    label : str, optional
        Written beside the curve, to the right of its peak.
    interval : (float, float), optional
        The ends of the shaded stretch, such as a credible interval.
    linestyle : str
        So that two curves differ by more than colour.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If lengths differ, the grid does not increase, a density is negative or
        not finite, or the interval lies outside the grid or back to front.
    """
    grid = _check.array_of("grid", grid)
    _check.increasing("grid", grid)
    pdf = _check.non_negative_array("pdf", pdf)
    _check.same_shape("pdf", pdf, "grid", grid)
    kind = _kind(color)
    if interval is not None:
        low, high = _check.array_of("interval", interval, size=2)
        if not grid[0] <= low < high <= grid[-1]:
            raise ValueError(
                f"interval must increase within the grid's {grid[0]:g} to "
                f"{grid[-1]:g}, not from {low:g} to {high:g}"
            )
    ax = _axes(ax)
    ax.fill_between(grid, pdf, color=COLORS[kind], alpha=0.12, linewidth=0)
    if interval is not None:
        inside = np.concatenate(([low], grid[(grid > low) & (grid < high)], [high]))
        ax.fill_between(
            inside,
            np.interp(inside, grid, pdf),
            color=COLORS[kind],
            alpha=0.25,
            linewidth=0,
        )
    (line,) = ax.plot(grid, pdf, color=COLORS[kind], linestyle=linestyle, label=label)
    if label:
        # On the right flank, where the curve has come down to nine tenths.
        peak = pdf.argmax()
        falls = np.flatnonzero(pdf[peak:] <= 0.9 * pdf[peak])
        at = peak + falls[0] if falls.size else peak
        label_line(line, label, x=grid[at], dx=6, dy=4)
    ax.set_ylim(bottom=0)
    return ax


def intervals(
    estimate: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    truth: float,
    *,
    color: str = "data",
    ax: Axes | None = None,
) -> Axes:
    """Stack intervals from replicated experiments, those that miss marked.

    Parameters
    ----------
    estimate, low, high : array_like, shape (R,)
        One estimate and its interval a replication, bottom to top.
    truth : float
        The value that they should hold: an upright line.
    color : str
        Of the intervals that do: a key of `COLORS`, or its value. The others
        are thicker, end in a cross and have the colour of a failure.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If lengths differ, a value is not finite, or an interval is back to front.
    """
    estimate = _check.array_of("estimate", estimate)
    low = _check.array_of("low", low, like=("estimate", estimate))
    high = _check.array_of("high", high, like=("estimate", estimate))
    if (low > high).any():
        raise ValueError("low must not be above high")
    truth = _check.number("truth", truth)
    kind = _kind(color)
    ax = _axes(ax)
    row = np.arange(estimate.size)
    miss = (truth < low) | (truth > high)
    for those, key, width, size in ((~miss, kind, 1, 3), (miss, "bad", 1.8, 5.5)):
        if those.any():
            ax.hlines(
                row[those],
                low[those],
                high[those],
                color=COLORS[key],
                linewidth=width,
                alpha=1 if key == "bad" else 0.6,
            )
            name = "misses" if key == "bad" else "holds the truth"
            _points(ax, estimate[those], row[those], key, size=size, label=name)
    _rule(ax.axvline, truth, "ink")
    ax.set_ylim(-1, estimate.size)
    ax.set_yticks([])
    ax.spines["left"].set_visible(False)
    return ax


def trace(
    draws: ArrayLike,
    *,
    bad: ArrayLike = (),
    label: bool = True,
    ax: Axes | None = None,
) -> Axes:
    """Draw each chain's values in the order they came.

    Parameters
    ----------
    draws : array_like, shape (chain, draw)
        Draws of one quantity.
    bad : sequence of int
        Chains, counted from zero, to show as failures.
    label : bool
        Name each bad chain at its right end.
    ax : matplotlib.axes.Axes, optional
        Where to draw; a new figure without it.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        If `draws` has not two axes, a value is not finite, or a chain named in
        `bad` is not there.
    """
    draws = _check.array_of("draws", draws, ndim=2)
    chains, length = draws.shape
    bad = set(np.atleast_1d(np.asarray(bad, dtype=int)).tolist())
    if not bad <= set(range(chains)):
        raise ValueError(
            f"bad must name chains from 0 to {chains - 1}, not {sorted(bad)}"
        )
    ax = _axes(ax)
    shades = np.linspace(0.35, 0.9, chains)
    named = []
    for chain in sorted(range(chains), key=lambda c: c in bad):
        failed = chain in bad
        (line,) = ax.plot(
            draws[chain],
            color=COLORS["bad" if failed else "draws"],
            alpha=None if failed else shades[chain],
            linewidth=1.2 if failed else 0.7,
            label=f"chain {chain + 1}",
        )
        if failed:
            named.append(line)
    ax.set_xlim(0, max(length - 1, 1))
    ax.set_xlabel("draw")
    if label and named:
        label_lines(named)
    return ax


def label_line(
    line: Line2D,
    text: str | None = None,
    *,
    x: float | None = None,
    dx: float = 5,
    dy: float = 0,
) -> Annotation:
    """Write a line's name beside it, in its colour.

    Parameters
    ----------
    line : matplotlib.lines.Line2D
        A line that is on an Axes.
    text : str, optional
        Its name; the line's own label without it.
    x : float, optional
        Where along the line; its right end without it.
    dx, dy : float
        Shift of the words from there, in points. Words shifted left end there.

    Returns
    -------
    matplotlib.text.Annotation

    Raises
    ------
    ValueError
        If `x` lies beyond the line's ends.
    """
    xs, ys = _line_points(line)
    if x is None:
        x = xs[-1]
    x = _check.number("x", x)
    if not xs[0] <= x <= xs[-1]:
        raise ValueError(
            f"x must lie on the line, from {xs[0]:g} to {xs[-1]:g}, not at {x:g}"
        )
    text = line.get_label() if text is None else text
    return _write(
        line.axes,
        x,
        np.interp(x, xs, ys),
        text,
        line.get_color(),
        dx=dx,
        dy=dy,
        va="center",
    )


def label_lines(
    lines: Sequence[Line2D], texts: Iterable[str] | None = None, *, dx: float = 6
) -> list[Annotation]:
    """Write lines' names at their right ends, set apart where they would touch.

    Call it last: it places the words for the limits that the Axes has now.

    Parameters
    ----------
    lines : sequence of matplotlib.lines.Line2D
        Lines of one Axes.
    texts : sequence of str, optional
        Their names; the lines' own labels without it.
    dx : float
        Distance of the words from the line, in points. If one had to move, a
        thin stroke ties each to its line.

    Returns
    -------
    list of matplotlib.text.Annotation

    Raises
    ------
    ValueError
        If there are no lines, or not one name for each.
    """
    lines = list(lines)
    if not lines:
        raise ValueError("lines must hold at least one line, not none")
    texts = _strings("texts", texts, len(lines)) or [line.get_label() for line in lines]
    ax = lines[0].axes
    ends = np.array([[part[-1] for part in _line_points(line)] for line in lines])
    ax.autoscale_view()
    points = 72 / ax.figure.dpi
    height = ax.transData.transform(ends)[:, 1] * points
    placed = spread_labels(height, 1.3 * _LABEL_SIZE)
    moved = bool((np.abs(placed - height) > 0.1 * _LABEL_SIZE).any())
    notes = []
    for line, end, text, shift in zip(lines, ends, texts, placed - height, strict=True):
        notes.append(
            ax.annotate(
                text,
                xy=end,
                xytext=(dx + 10 * moved, shift),
                textcoords="offset points",
                color=line.get_color(),
                fontsize=_LABEL_SIZE,
                va="center",
                annotation_clip=False,
                arrowprops={
                    "arrowstyle": "-",
                    "color": line.get_color(),
                    "linewidth": 0.6,
                    "alpha": 0.6,
                    "shrinkA": 1,
                    "shrinkB": 1,
                    "relpos": (0, 0.5),
                }
                if moved
                else None,
            )
        )
    return notes


def spread_labels(position: ArrayLike, gap: float) -> np.ndarray:
    """Move positions apart until neighbours are `gap` from each other.

    The order stays, and the sum of squared moves is the least that will do:
    least-squares isotonic regression.

    Parameters
    ----------
    position : array_like, shape (K,)
        Where the labels would like to be.
    gap : float
        The least distance between neighbours, zero or more.

    Returns
    -------
    numpy.ndarray, shape (K,)
        Where they go.

    Raises
    ------
    ValueError
        If a value is not finite or `gap` is negative.
    """
    position = _check.array_of("position", position)
    gap = _check.non_negative_number("gap", gap)
    order = np.argsort(position, kind="stable")
    steps = gap * np.arange(position.size)
    placed = np.empty_like(position)
    placed[order] = isotonic_regression(position[order] - steps).x + steps
    return placed


def svg(figure: Figure) -> str:
    """Write a figure as SVG that is light on a light page and dark on a dark one.

    Each colour of `PALETTE` becomes a CSS variable, whose dark value applies where
    ``prefers-color-scheme`` is dark; other colours stay as they are.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        A figure drawn in the colours of `COLORS`.

    Returns
    -------
    str
        The SVG document. The same figure gives the same text.
    """
    file = io.StringIO()
    # Without a block of metadata: its date would differ from one run to the next.
    no_metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(file, format="svg", bbox_inches="tight", metadata=no_metadata)
    drawing = file.getvalue()
    # Matplotlib writes a colour as six lower-case hexadecimal digits.
    used = {name: pair for name, pair in PALETTE.items() if pair[0] in drawing}
    rules = ""
    if used:
        light, dark = (
            ";".join(f"--{name}:{pair[place]}" for name, pair in used.items())
            for place in (0, 1)
        )
        rules = (
            f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}"
        )
    for name, (light, _) in used.items():
        drawing = drawing.replace(light, f"var(--{name})")
    # Matplotlib begins every drawing with a style sheet of its own.
    before, style, after = drawing.partition('<style type="text/css">')
    return f"{before}{style}{rules}{after}"


def _axes(ax, height=None):
    if ax is None:
        width, usual = plt.rcParams["figure.figsize"]
        _, ax = plt.subplots(figsize=(width, height or usual))
    return ax


def _tall(rows, each):
    """Inches for so many rows, within what a page can show."""
    return float(np.clip(1.1 + each * rows, 2.4, 11))


def _points(ax, x, y, kind, *, size=6, **kwargs):
    kwargs = {
        "linestyle": "none",
        "marker": MARKERS.get(kind, "o"),
        "markersize": size * (0.85 if MARKERS.get(kind) == "D" else 1),
        "color": COLORS[kind],
        "markerfacecolor": "none" if kind == "none" else COLORS[kind],
        "markeredgewidth": 1.4 if kind == "none" else 0,
    } | kwargs
    return ax.plot(x, y, **kwargs)[0]


def _rule(draw, at, kind="complete"):
    return draw(
        at, color=COLORS[kind], linewidth=1.2, linestyle=(0, (5, 3)), zorder=1.5
    )


def _upright(ax, x, top, bottom, name):
    """Rule from row to row, named beside its lower end."""
    _rule(lambda at, **style: ax.plot([at, at], [top, bottom], **style)[0], x)
    _write(ax, x, bottom, name, "complete", dx=5, dy=5)


def _write(ax, x, y, text, color, *, dx=0, dy=0, va="baseline"):
    return ax.annotate(
        text,
        xy=(x, y),
        xytext=(dx, dy),
        textcoords="offset points",
        color=COLORS.get(color, color),
        fontsize=_LABEL_SIZE,
        ha="right" if dx < 0 else "left",
        va=va,
        annotation_clip=False,
    )


def _rows(ax, labels):
    if labels:
        ax.set_yticks(range(len(labels)), labels)
        ax.tick_params(axis="y", length=0)
    else:
        ax.set_yticks([])
    ax.spines["left"].set_visible(False)


def _within_ties(n):
    """Number the members of each tied group about zero: -1, 0, 1 for three."""
    _, group, count = np.unique(n, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    first = np.concatenate(([0], np.cumsum(count)[:-1]))
    rank = np.empty(n.size)
    rank[order] = np.arange(n.size) - first[group[order]]
    return rank - (count[group] - 1) / 2


def _line_points(line):
    xs = np.asarray(line.get_xdata(orig=False), dtype=float)
    ys = np.asarray(line.get_ydata(orig=False), dtype=float)
    order = np.argsort(xs, kind="stable")
    return xs[order], ys[order]


def _kind(color):
    """The key of a colour given by its key or its value."""
    if color in COLORS:
        return color
    for kind, value in COLORS.items():
        if value == color:
            return kind
    raise ValueError(f"color must be one of {', '.join(COLORS)}, not {color!r}")


def _strings(name, value, size=None):
    if value is None:
        return None
    if isinstance(value, str):
        raise ValueError(f"{name} must be a list of strings, not {value!r}")
    strings = [str(item) for item in value]
    if not strings:
        raise ValueError(f"{name} must hold at least one string, not none")
    if size is not None and len(strings) != size:
        raise ValueError(f"{name} must have length {size}, not {len(strings)}")
    return strings
