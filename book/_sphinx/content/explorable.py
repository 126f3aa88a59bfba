"""The directive ``{explorable}``: a figure that answers back.

Its argument is the name of a custom element, which is also the name of its module
in ``book/explorables``; the site has it in one script (see ``bundle.py``). The
option ``alt`` describes it to those who do not see it; the body is its caption. The
numbers that it starts from are written into the page as JSON when the book is built.
A page without an explorable loads nothing of this.
"""

from __future__ import annotations

import html
import json
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
import numpy as np
from scipy import stats
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from _sphinx.content.bundle import one_script
from pooling import datasets, exact, plots

#: Where the modules are, and where the site has them, seen from its root. (Under
#: ``_static`` they would land on every page.)
MODULES = Path(__file__).resolve().parents[2] / "explorables"
FOLDER = "explorables"


def _schools() -> dict:
    schools = datasets.load_eight_schools()
    return {
        "schools": schools["school"].tolist(),
        "observed": schools["effect"].tolist(),
        "standardErrors": schools["se"].tolist(),
    }


def eight_schools() -> dict:
    """The data of the eight schools, and what a reader may change."""
    return {
        **_schools(),
        "priors": [
            {"name": "flat", "kind": "flat", "scale": 1},
            {"name": "half-normal(10)", "kind": "half-normal", "scale": 10},
            {"name": "half-normal(5)", "kind": "half-normal", "scale": 5},
            {"name": "half-Cauchy(5)", "kind": "half-cauchy", "scale": 5},
            {"name": "half-Cauchy(25)", "kind": "half-cauchy", "scale": 25},
        ],
        "ranges": {
            "estimate": {"min": -100, "max": 150, "step": 1},
            "se": {"min": 2, "max": 40, "step": 1},
            "tau": {"min": 0, "max": 30, "step": 0.1, "start": 5},
        },
    }


def climb_the_ridge() -> dict:
    """The eight schools again, and where a climb may start."""
    return {
        **_schools(),
        "priors": [
            *({"name": f"half-normal({s})", "scale": s} for s in (5, 20, 80)),
            {"name": "flat", "scale": None},
        ],
        "usual": 1,
        "range": {"min": 0.1, "max": 100},
    }


def radon_counties() -> dict:
    """The houses of each county, the chapter's priors, and what may be added."""
    radon = datasets.load_radon()
    centred = radon[["floor", "log_radon"]].sub(
        radon.groupby("county", observed=True)[["floor", "log_radon"]].transform("mean")
    )
    x, y = centred["floor"], centred["log_radon"]
    residual = y - (x @ y) / (x @ x) * x
    spare = len(radon) - radon["county"].nunique() - 1
    return {
        "counties": [
            {
                "name": name,
                # As a word: one letter a house.
                "floor": "".join(map(str, houses["floor"])),
                "activity": houses["activity"].tolist(),
            }
            for name, houses in radon.groupby("county", observed=True)
        ],
        "start": "Lac Qui Parle",
        "prior": {"mu": 2, "beta": 2, "tau": 1, "sigma": 1},
        # Added houses differ as neighbours do.
        "spread": float((residual @ residual / spare) ** 0.5),
        "mostAdded": 60,
        "reading": {"min": 0, "max": 3.5, "step": 0.05},
    }


def influence_curve() -> dict:
    """The eight schools, and the priors of the chapter on fat tails."""
    return {
        **_schools(),
        "hierarchy": {"muSd": 20, "nu": 4, "scale": 5},
        "start": {"school": 2, "other": 0, "width": 10, "nu": 4},
        "ranges": {
            "datum": {"min": -150, "max": 150, "step": 1},
            "width": {"min": 2, "max": 60, "step": 1},
            "nu": {"min": 1, "max": 30, "step": 1},
        },
    }


def prior_width() -> dict:
    """The counties' slopes of the radon survey, as a normal hierarchy.

    The intercepts' mean and sd and the houses' sd are set to what the model with
    one slope for all expects. Each county's own estimate of its slope is then
    normal, with its intercept averaged over.
    """
    radon = datasets.load_radon()
    y, floor = (radon[name].to_numpy(float) for name in ("log_radon", "floor"))
    unit = stats.halfnorm(scale=1)
    fit = exact.varying_intercepts(
        y,
        radon["county"].cat.codes.to_numpy(),
        np.column_stack([np.ones(len(y)), floor]),
        tau_prior=unit,
        sigma_prior=unit,
    )
    radon["rest"] = y - float(fit.mean("beta")[0])
    ratio = (fit.mean("tau") / fit.mean("sigma")) ** 2
    counties = []
    for name, houses in radon.groupby("county", observed=True):
        ground = int(houses["floor"].sum())
        county = {"name": name, "houses": ground, "estimate": None, "se": None}
        if ground:
            # Houses of a county share its intercept: (I + ratio 1 1')^-1.
            kept = ratio * ground / (1 + ratio * len(houses))
            own = houses.loc[houses["floor"] == 1, "rest"].sum()
            information = ground * (1 - kept)
            county["estimate"] = (own - kept * houses["rest"].sum()) / information
            county["se"] = fit.mean("sigma") / information**0.5
        counties.append(county)
    return {
        "counties": counties,
        "shown": ["Sherburne", "Redwood", "Martin", "Blue Earth", "Marshall",
                  "Hennepin", "St Louis"],
        "hierarchy": {"muSd": 2, "tauScale": 1},
        "tails": [
            {"name": "normal", "nu": None},
            {"name": "t, 4 degrees of freedom", "nu": 4},
            {"name": "Cauchy: t, 1 degree of freedom", "nu": 1},
        ],
        "ranges": {
            "logWidth": {"min": -2, "max": 3, "step": 0.05, "start": 2},
            "centre": {"min": -2, "max": 1, "step": 0.05, "start": 0},
            "slope": [-4, 3.5],
            "score": [-60, 10],
        },
    }


def leapfrog_funnel() -> dict:
    """The prior of sigma_b, and a path that just goes through the neck."""
    return {
        "scale": 1,  # of the half-normal prior
        "neck": 0.1,  # the sd below which draws are counted
        "start": {"b": 0.5, "v": 0.0},
        "push": {"x": -0.4, "v": -2.0},
        "ranges": {
            "step": {"min": 0.02, "max": 1.2, "step": 0.02, "start": 0.06},
            "steps": {"min": 1, "max": 80, "step": 1, "start": 40},
        },
        "many": 1000,  # draws for one press
        "batch": 250,  # the same where nothing may move
    }


#: Name of the element -> what makes its data.
DATA = {
    "climb-the-ridge": climb_the_ridge,
    "eight-schools": eight_schools,
    "radon-counties": radon_counties,
    "influence-curve": influence_curve,
    "prior-width": prior_width,
    "leapfrog-funnel": leapfrog_funnel,
}


class explorable(nodes.General, nodes.Element):
    """An explorable: its ``name``, ``alt``, ``label`` and ``data``."""


class Explorable(SphinxDirective):
    """A numbered figure with an explorable in the place of an image."""

    required_arguments = 1
    has_content = True
    option_spec = {
        "alt": directives.unchanged_required,
        "label": directives.unchanged_required,
        "name": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        element = self.arguments[0]
        if element not in DATA:
            known = ", ".join(DATA)
            raise self.error(f"there is no explorable {element}, only {known}")
        for option in ("alt", "label", "name"):
            if option not in self.options:
                raise self.error(f"an explorable needs its :{option}:")
        if not self.content:
            raise self.error("an explorable needs a caption")
        caption = nodes.Element()
        self.state.nested_parse(self.content, self.content_offset, caption)
        figure = nodes.figure(classes=["explorable"])
        figure += explorable(
            element=element,
            alt=" ".join(self.options["alt"].split()),
            label=self.options["label"],
            data=DATA[element](),
        )
        figure += nodes.caption("", "", *caption[0].children)
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure]


def visit(self, node: explorable) -> None:
    element, alt = node["element"], html.escape(node["alt"])
    # Nothing in a script element ends it but its own end.
    data = json.dumps(node["data"], ensure_ascii=False).replace("<", "\\u003c")
    self.body.append(
        f'<{element} label="{html.escape(node["label"])}">'
        f'<p class="explorable-description" id="{element}-description">{alt}</p>'
        '<p class="explorable-off">This figure answers back where a browser runs '
        f"its script, and yours has not (yet). {alt} The figures of the text above "
        "and below show the same, standing still.</p>"
        f'<script type="application/json">{data}</script>'
        f"</{element}>"
    )
    raise nodes.SkipNode


def colours() -> str:
    """The palette as CSS variables, on a light page and on a dark one."""

    def block(selector: str, place: int) -> str:
        pairs = (f"--{name}:{pair[place]}" for name, pair in plots.PALETTE.items())
        return f"{selector}{{{';'.join(pairs)}}}"

    light, dark = ".explorable", 'html[data-theme="dark"] .explorable'
    # Paper is light, whatever the screen was.
    return f"{block(light, 0)}@media not print{{{block(dark, 1)}}}"


def load(app: Sphinx, pagename, templatename, context, doctree) -> None:
    """Style and scripts, in the head of the pages that have an explorable."""
    if doctree is None:
        return
    elements = sorted({node["element"] for node in doctree.findall(explorable)})
    if not elements:
        return
    # Seen from the page, which may lie in a folder.
    root = "../" * pagename.count("/")
    head = [
        f'<link rel="stylesheet" href="{root}{FOLDER}/explorables.css">',
        f"<style>{colours()}</style>",
        *(
            f'<script defer src="{root}{FOLDER}/{element}.js"></script>'
            for element in elements
        ),
    ]
    context["metatags"] = context.get("metatags", "") + "\n".join(head)


def copy(app: Sphinx, exception) -> None:
    """Style sheet, and one script for each explorable."""
    if exception is not None or app.builder.format != "html":
        return
    folder = Path(app.outdir) / FOLDER
    folder.mkdir(exist_ok=True)
    files = {f"{element}.js": one_script(MODULES / f"{element}.js") for element in DATA}
    sheets = MODULES.glob("*.css")
    files |= {sheet.name: sheet.read_text(encoding="utf-8") for sheet in sheets}
    for old in folder.iterdir():
        if old.name not in files:
            old.unlink()
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")


def setup(app: Sphinx) -> None:
    app.add_node(explorable, html=(visit, None))
    app.add_directive("explorable", Explorable)
    app.connect("html-page-context", load)
    app.connect("build-finished", copy)
