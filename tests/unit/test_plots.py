"""Figures draw what they are given, in colours that every reader can tell apart."""

from itertools import combinations
import re
from xml.etree import ElementTree

import matplotlib

matplotlib.use("agg")

from importlib import resources

from matplotlib import colors as mcolors
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
import matplotlib.pyplot as plt
import numpy as np
import pytest

from pooling import plots

CATEGORICAL = ["none", "complete", "partial", "exact", "draws", "data", "bad"]
LIGHT, DARK = 0, 1
PAGE = ["#ffffff", "#121212"]


@pytest.fixture(autouse=True)
def style():
    with plt.style.context("pooling.book"):
        yield
    plt.close("all")


# --- colours -----------------------------------------------------------------

# sRGB to CIE XYZ (D65), IEC 61966-2-1.
XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
# Machado, Oliveira & Fernandes (2009), severity 1, on linear RGB.
VISION = {
    "trichromat": np.eye(3),
    "protanope": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranope": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
}


def linear(hex_):
    c = np.array(mcolors.to_rgb(hex_))
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def luminance(hex_):
    return XYZ[1] @ linear(hex_)


def contrast(a, b):
    """The contrast ratio of WCAG 2."""
    low, high = sorted([luminance(a), luminance(b)])
    return (high + 0.05) / (low + 0.05)


def lab(hex_, vision):
    rgb = np.clip(VISION[vision] @ linear(hex_), 0, 1)
    t = XYZ @ rgb / XYZ.sum(1)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def test_the_yardsticks_themselves():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.478, abs=1e-3)
    red = lab("#ff0000", "trichromat")
    np.testing.assert_allclose(red, [53.24, 80.09, 67.2], atol=0.05)


def test_palette_holds_distinct_lower_case_hexes():
    hexes = [hex_ for pair in plots.PALETTE.values() for hex_ in pair]
    assert all(re.fullmatch("#[0-9a-f]{6}", hex_) for hex_ in hexes)
    assert len(set(hexes)) == len(hexes)
    assert {*CATEGORICAL, "ink", "muted"} == set(plots.PALETTE)
    assert plots.COLORS == {k: light for k, (light, _) in plots.PALETTE.items()}


@pytest.mark.parametrize("mode", [LIGHT, DARK])
@pytest.mark.parametrize("name", plots.PALETTE)
def test_every_colour_reads_on_its_page(name, mode):
    assert contrast(plots.PALETTE[name][mode], PAGE[mode]) >= 4.5


@pytest.mark.parametrize("mode", [LIGHT, DARK])
@pytest.mark.parametrize("vision", VISION)
def test_colours_differ_for_every_eye(vision, mode):
    """About 2 is just noticeable; 18 is plain for a thin line or small point."""
    seen = {k: lab(plots.PALETTE[k][mode], vision) for k in CATEGORICAL}
    for a, b in combinations(CATEGORICAL, 2):
        assert np.linalg.norm(seen[a] - seen[b]) >= 18, (a, b)
    for grey in ("ink", "muted"):
        other = lab(plots.PALETTE[grey][mode], vision)
        for a in CATEGORICAL:
            assert np.linalg.norm(seen[a] - other) >= 12, (a, grey)


# --- style -------------------------------------------------------------------


def test_style_uses_only_the_palette_and_is_transparent():
    rc = plt.rcParams
    assert rc["figure.facecolor"] == rc["axes.facecolor"] == "none"
    assert rc["savefig.facecolor"] == "none"
    text = resources.files("pooling").joinpath("book.mplstyle").read_text()
    used = re.findall(r'"#?([0-9a-f]{6})"', text)
    assert used and {f"#{h}" for h in used} <= set(plots.COLORS.values())
    ends = ("labelsize", "font.size", "titlesize")
    sizes = [v for k, v in rc.items() if k.endswith(ends)]
    smallest = min(s for s in sizes if not isinstance(s, str))
    # What is saved has a margin of 0.1 in around it; a phone is 390 pixels wide.
    assert smallest / 72 * 390 / (rc["figure.figsize"][0] + 0.2) >= 9


def pixels(ax):
    ax.figure.canvas.draw()
    return np.asarray(ax.figure.canvas.buffer_rgba())


def xy(line):
    return np.column_stack([line.get_xdata(orig=False), line.get_ydata(orig=False)])


def words(ax):
    return [t.get_text() for t in ax.texts if t.get_text()]


def line_of(ax, label):
    (line,) = [line for line in ax.lines if line.get_label() == label]
    return line


# --- every figure ------------------------------------------------------------

J = 4
RAW = np.array([28.0, 8.0, -3.0, 7.0])
POOLED = np.array([11.0, 7.9, 6.0, 7.5])
NAMES = ["A", "B", "C", "D"]
TAU = np.linspace(0, 10, 11)
MEAN = 8 + np.outer(TAU, [1.0, 0.01, -1.0, 0.0])


def normal(grid):
    return np.exp(-0.5 * grid**2) / np.sqrt(2 * np.pi)


GRID = np.linspace(-3, 3, 61)
DRAWS = np.random.default_rng(1).normal(size=(2, 4, 50))

FIGURES = {
    "shrinkage": (plots.shrinkage, {"raw": RAW, "pooled": POOLED}),
    "shrinkage, all": (
        plots.shrinkage,
        {"raw": RAW, "pooled": POOLED, "centre": 7.0, "labels": NAMES, "sort": True},
    ),
    "size": (plots.estimate_against_size, {"n": [1, 4, 4, 50], "estimate": RAW}),
    "size, all": (
        plots.estimate_against_size,
        {
            "n": [1, 4, 4, 50],
            "estimate": RAW,
            "se": [1, 1, 2, 1],
            "color": "partial",
            "reference": 8.0,
            "label": "county",
        },
    ),
    "forest": (
        plots.forest,
        {"estimates": {"none": (RAW, RAW - 9, RAW + 9)}, "labels": NAMES},
    ),
    "forest, all": (
        plots.forest,
        {
            "estimates": {
                "none": (RAW, RAW - 9, RAW + 9),
                "partial": (POOLED, POOLED - 5, POOLED + 6),
            },
            "labels": NAMES,
            "reference": 8,
        },
    ),
    "funnel": (plots.funnel, {"x": DRAWS[0], "log_tau": DRAWS[1]}),
    "funnel, all": (
        plots.funnel,
        {"x": DRAWS[0], "log_tau": DRAWS[1], "divergent": DRAWS[1] < -1, "most": 20},
    ),
    "ridges": (plots.ridges, {"tau": TAU, "mean": MEAN}),
    "ridges, all": (
        plots.ridges,
        {"tau": TAU, "mean": MEAN, "sd": MEAN * 0 + 1, "labels": NAMES},
    ),
    "density": (plots.density, {"grid": GRID, "pdf": normal(GRID)}),
    "density, all": (
        plots.density,
        {"grid": GRID, "pdf": normal(GRID), "label": "prior", "interval": (-1, 1)},
    ),
    "intervals": (
        plots.intervals,
        {"estimate": RAW, "low": RAW - 2, "high": RAW + 2, "truth": 7.5},
    ),
    "trace": (plots.trace, {"draws": DRAWS[0]}),
    "trace, all": (plots.trace, {"draws": DRAWS[0], "bad": [2]}),
}
figures = pytest.mark.parametrize(
    ("draw", "arguments"), FIGURES.values(), ids=FIGURES.keys()
)


@figures
def test_a_figure_returns_axes_with_something_on_it(draw, arguments):
    ax = draw(**arguments)
    assert isinstance(ax, Axes)
    assert (pixels(ax)[..., 3] > 0).mean() > 0.005
    assert ax.figure.get_figwidth() == plt.rcParams["figure.figsize"][0]


@figures
def test_a_figure_draws_on_the_axes_it_is_given_and_keeps_its_words(draw, arguments):
    figure, (left, right) = plt.subplots(1, 2)
    left.set(title="Title", xlabel="across", ylabel="up")
    before = plt.get_fignums()
    assert draw(**arguments, ax=left) is left
    assert plt.get_fignums() == before and figure.axes == [left, right]
    assert not right.has_data()
    assert left.get_title(loc="left") == "Title"


@figures
def test_a_figure_leaves_settings_and_arguments_as_they_were(draw, arguments):
    settings = plt.rcParams.copy()
    copies = {k: np.copy(v) for k, v in arguments.items() if isinstance(v, np.ndarray)}
    draw(**arguments)
    assert plt.rcParams == settings
    for name, copy in copies.items():
        np.testing.assert_array_equal(arguments[name], copy)


@figures
def test_a_figure_uses_only_the_palette(draw, arguments):
    text = plots.svg(draw(**arguments).figure)
    style = re.compile(r"<style[^>]*>.*?</style>", re.S)
    assert not re.search(r"#[0-9a-fA-F]{3,8}\b", style.sub("", text))
    assert not re.search(r"(?:fill|stroke): *(?:black|white|rgb)", text)
    assert "<image" not in text


@figures
def test_a_figure_has_a_light_and_a_dark_value_of_every_colour(draw, arguments):
    text = plots.svg(draw(**arguments).figure)
    used = set(re.findall(r"var\(--(\w+)\)", text))
    assert used and used <= set(plots.PALETTE)
    light, dark = re.search(
        r":root{([^}]*)}@media \(prefers-color-scheme:dark\){:root{([^}]*)}}", text
    ).groups()
    for place, block in enumerate((light, dark)):
        declared = dict(pair.split(":") for pair in block.split(";"))
        assert declared == {f"--{name}": plots.PALETTE[name][place] for name in used}


@pytest.mark.slow
@figures
def test_a_figure_is_the_same_every_time(draw, arguments):
    first, second = (plots.svg(draw(**arguments).figure) for _ in range(2))
    assert first == second


@figures
def test_no_words_are_too_small_or_cut_off(draw, arguments):
    ax = draw(**arguments)
    figure = ax.figure
    figure.canvas.draw()
    edge = figure.bbox.padded(1)
    for text in ax.texts + ax.get_xticklabels() + ax.get_yticklabels():
        if text.get_text() and text.get_visible():
            assert text.get_fontsize() >= 9
            if text in ax.texts:
                box = text.get_window_extent()
                assert edge.contains(box.x0, box.y0) and edge.contains(box.x1, box.y1)


def test_colours_outside_the_palette_stay_and_the_drawing_stays_well_formed():
    figure, ax = plt.subplots()
    ax.plot([0, 1], color=plots.COLORS["bad"].upper())
    ax.plot([1, 0], color="#123456")
    text = plots.svg(figure)
    assert "stroke: var(--bad)" in text and "stroke: #123456" in text
    assert "--none" not in text
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_a_figure_without_a_colour_of_the_palette_is_drawn_as_it_is():
    with plt.style.context("default"):
        figure = plt.figure()
        figure.add_artist(plt.Line2D([0, 1], [0, 1], color="#123456"))
        text = plots.svg(figure)
    assert "#123456" in text and "prefers-color-scheme" not in text


# --- one by one --------------------------------------------------------------


def test_shrinkage_arrows_lead_from_raw_to_pooled():
    ax = plots.shrinkage(RAW, POOLED, centre=7.0, labels=NAMES)
    row = np.arange(J)
    np.testing.assert_array_equal(
        xy(line_of(ax, "no pooling")), np.column_stack([RAW, row])
    )
    np.testing.assert_array_equal(
        xy(line_of(ax, "partial pooling")), np.column_stack([POOLED, row])
    )
    arrows = [(t.xyann, t.xy) for t in ax.texts if t.arrow_patch is not None]
    assert arrows == [((a, j), (b, j)) for j, (a, b) in enumerate(zip(RAW, POOLED))]
    assert [t.get_text() for t in ax.get_yticklabels()] == NAMES
    assert words(ax) == ["no pooling", "partial pooling", "complete pooling"]
    assert ax.yaxis_inverted()


def test_shrinkage_can_be_sorted_and_its_ends_renamed():
    ax = plots.shrinkage(
        RAW, POOLED, labels=NAMES, sort=True, names=("1970, first 45", "estimate")
    )
    assert [t.get_text() for t in ax.get_yticklabels()] == ["A", "B", "D", "C"]
    assert xy(line_of(ax, "estimate"))[:, 0].tolist() == POOLED[[0, 1, 3, 2]].tolist()


def test_estimate_against_size_draws_each_estimate_and_its_bar():
    n, se = np.array([1, 4, 4, 50]), np.array([1.0, 1.0, 2.0, 0.0])
    ax = plots.estimate_against_size(n, RAW, se, reference=8.0, label="county")
    points = xy(line_of(ax, "county"))
    np.testing.assert_array_equal(points[:, 1], RAW)
    np.testing.assert_allclose(points[:, 0], n, rtol=0.02)
    assert points[1, 0] < 4 < points[2, 0], "equal sizes stand side by side"
    (bars,) = [c for c in ax.collections if isinstance(c, LineCollection)]
    ends = np.array([s[:, 1] for s in bars.get_segments()])
    np.testing.assert_allclose(ends, np.column_stack([RAW - se, RAW + se]))
    assert ax.get_xscale() == "log"
    assert "complete\npooling" in words(ax)
    exact = plots.estimate_against_size(n, RAW, label="county", dodge=0)
    np.testing.assert_array_equal(xy(line_of(exact, "county"))[:, 0], n)


def test_a_colour_goes_by_its_key_or_its_value():
    for color in ("partial", plots.COLORS["partial"]):
        ax = plots.estimate_against_size([1, 2], [3, 4], color=color, label="x")
        assert line_of(ax, "x").get_color() == plots.COLORS["partial"]


def test_forest_draws_every_kind_in_every_row():
    ax = plots.forest(**FIGURES["forest, all"][1])
    lines, bars = {}, ax.collections
    for kind in ("no pooling", "partial pooling"):
        lines[kind] = xy(line_of(ax, kind))
    np.testing.assert_array_equal(lines["no pooling"][:, 0], RAW)
    np.testing.assert_array_equal(lines["partial pooling"][:, 0], POOLED)
    assert (lines["no pooling"][:, 1] < lines["partial pooling"][:, 1]).all()
    ends = np.array([s[:, 0] for s in bars[1].get_segments()])
    np.testing.assert_array_equal(ends, np.column_stack([POOLED - 5, POOLED + 6]))
    assert [t.get_text() for t in ax.get_yticklabels()] == NAMES
    assert words(ax) == ["no pooling", "partial pooling", "complete pooling"]


def test_funnel_marks_divergences_by_shape_and_colour():
    x, log_tau = DRAWS
    divergent = log_tau < -1
    ax = plots.funnel(x, log_tau, divergent=divergent)
    sound, failed = line_of(ax, "draw"), line_of(ax, "divergence")
    np.testing.assert_array_equal(
        xy(failed), np.column_stack([x[divergent], log_tau[divergent]])
    )
    assert len(xy(sound)) == (~divergent).sum()
    assert sound.get_marker() != failed.get_marker()
    assert sound.get_color() != failed.get_color()


def test_funnel_thins_the_sound_draws_only():
    x, log_tau = DRAWS
    ax = plots.funnel(x, log_tau, divergent=log_tau < -1, most=20)
    assert len(xy(line_of(ax, "draw"))) == 20
    assert len(xy(line_of(ax, "divergence"))) == (log_tau < -1).sum()


def test_ridges_draws_each_mean_and_names_it_without_overlap():
    ax = plots.ridges(TAU, MEAN, np.ones_like(MEAN), NAMES)
    for line, mean in zip(ax.lines, MEAN.T, strict=True):
        np.testing.assert_array_equal(xy(line), np.column_stack([TAU, mean]))
    assert words(ax) == NAMES
    assert len(ax.collections) == J
    ax.figure.canvas.draw()
    boxes = [t.get_window_extent() for t in ax.texts]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_density_fills_the_curve_and_the_interval():
    ax = plots.density(GRID, normal(GRID), label="prior", interval=(-1, 1))
    np.testing.assert_array_equal(
        xy(line_of(ax, "prior")), np.column_stack([GRID, normal(GRID)])
    )
    whole, part = (c.get_paths()[0].get_extents() for c in ax.collections)
    assert (whole.x0, whole.x1) == (-3, 3)
    assert (part.x0, part.x1) == (-1, 1)
    assert words(ax) == ["prior"]
    assert ax.get_ylim()[0] == 0


def test_intervals_marks_those_that_miss():
    estimate = np.array([0.0, 3.0, -1.0, -4.0])
    ax = plots.intervals(estimate, estimate - 2, estimate + 2, 0.0)
    np.testing.assert_array_equal(xy(line_of(ax, "misses")), [[3, 1], [-4, 3]])
    np.testing.assert_array_equal(xy(line_of(ax, "holds the truth")), [[0, 0], [-1, 2]])
    assert line_of(ax, "misses").get_marker() == plots.MARKERS["bad"]


def test_trace_draws_every_chain_and_names_the_bad_ones():
    ax = plots.trace(DRAWS[0], bad=[2])
    for chain in range(4):
        np.testing.assert_array_equal(
            line_of(ax, f"chain {chain + 1}").get_ydata(), DRAWS[0, chain]
        )
    assert words(ax) == ["chain 3"]
    assert line_of(ax, "chain 3").get_color() == plots.COLORS["bad"]


def test_label_line_stands_where_it_is_told():
    _, ax = plt.subplots()
    (line,) = ax.plot([0, 2], [0, 4], color=plots.COLORS["exact"], label="prior")
    assert plots.label_line(line).xy == (2, 4)
    note = plots.label_line(line, "half way", x=1, dx=-5)
    assert note.xy == (1, 2)
    assert note.get_color() == plots.COLORS["exact"]
    assert note.get_ha() == "right"
    with pytest.raises(ValueError, match="^x "):
        plots.label_line(line, x=3)


def test_spread_labels_moves_as_little_as_it_must():
    free = [3.0, 0.0, 10.0]
    np.testing.assert_array_equal(plots.spread_labels(free, 1), free)
    np.testing.assert_allclose(plots.spread_labels([1, 1, 1], 2), [-1, 1, 3])
    np.testing.assert_allclose(plots.spread_labels([5, 0, 0], 1), [5, -0.5, 0.5])
    wish = np.random.default_rng(5).normal(size=40)
    placed = plots.spread_labels(wish, 0.2)
    assert np.diff(np.sort(placed)).min() >= 0.2 - 1e-12
    np.testing.assert_array_equal(np.argsort(placed), np.argsort(wish))
    assert placed.mean() == pytest.approx(wish.mean())


@pytest.mark.parametrize(
    ("figure", "change", "name"),
    [
        ("shrinkage", {"raw": [1, np.nan, 2, 3]}, "raw"),
        ("shrinkage", {"raw": []}, "raw"),
        ("shrinkage", {"pooled": [1, 2]}, "pooled"),
        ("shrinkage", {"pooled": ["a"] * 4}, "pooled"),
        ("shrinkage", {"centre": np.inf}, "centre"),
        ("shrinkage", {"labels": ["A"]}, "labels"),
        ("shrinkage", {"labels": "ABCD"}, "labels"),
        ("shrinkage", {"names": ["one"]}, "names"),
        ("size", {"n": [0, 1, 2, 3]}, "n"),
        ("size", {"estimate": [1, 2]}, "estimate"),
        ("size", {"se": [-1, 1, 1, 1]}, "se"),
        ("size", {"se": [1, 1]}, "se"),
        ("size", {"color": "red"}, "color"),
        ("size", {"reference": np.nan}, "reference"),
        ("forest", {"estimates": {}}, "estimates"),
        ("forest", {"estimates": {"no": (RAW, RAW, RAW)}}, "color"),
        ("forest", {"estimates": {"none": (RAW, RAW)}}, "estimates"),
        ("forest", {"estimates": {"none": (RAW, RAW + 1, RAW + 2)}}, "estimates"),
        ("forest", {"estimates": {"none": (RAW[:2],) * 3}}, "estimates"),
        ("forest", {"labels": []}, "labels"),
        ("forest", {"reference": "x"}, "reference"),
        ("funnel", {"log_tau": DRAWS[1, 0]}, "log_tau"),
        ("funnel", {"log_tau": DRAWS[1] - np.inf}, "log_tau"),
        ("funnel", {"divergent": [True]}, "divergent"),
        ("funnel", {"divergent": DRAWS[1]}, "divergent"),
        ("funnel", {"most": 0}, "most"),
        ("ridges", {"tau": TAU[::-1]}, "tau"),
        ("ridges", {"mean": MEAN.T}, "mean"),
        ("ridges", {"mean": TAU}, "mean"),
        ("ridges", {"sd": TAU}, "sd"),
        ("ridges", {"sd": MEAN * 0 - 1}, "sd"),
        ("ridges", {"labels": ["A"]}, "labels"),
        ("density", {"grid": GRID[::-1]}, "grid"),
        ("density", {"pdf": -normal(GRID)}, "pdf"),
        ("density", {"pdf": [1.0]}, "pdf"),
        ("density", {"interval": (1, -1)}, "interval"),
        ("density", {"interval": (-9, 1)}, "interval"),
        ("density", {"interval": (1, 2, 3)}, "interval"),
        ("intervals", {"low": RAW + 3}, "low"),
        ("intervals", {"high": [1.0]}, "high"),
        ("intervals", {"truth": [1, 2]}, "truth"),
        ("trace", {"draws": DRAWS[0, 0]}, "draws"),
        ("trace", {"bad": [4]}, "bad"),
    ],
)
def test_bad_input_is_named_and_leaves_no_figure(figure, change, name):
    draw, good = FIGURES[figure]
    with pytest.raises(ValueError, match=rf"^{name}\b"):
        draw(**good | change)
    assert not plt.get_fignums()


@pytest.mark.parametrize(
    ("position", "gap", "name"), [([np.nan], 1, "position"), ([1], -1, "gap")]
)
def test_spread_labels_names_the_bad_argument(position, gap, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        plots.spread_labels(position, gap)


def test_label_lines_needs_a_name_for_each():
    _, ax = plt.subplots()
    lines = ax.plot([[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="^texts "):
        plots.label_lines(lines, ["one"])
    with pytest.raises(ValueError, match="^lines "):
        plots.label_lines([])
