"""Run before a chapter's first cell, so that its output fits a printed page.

PyMC announces its sampler on stderr and animates its progress, which a page cannot
show. Warnings stay: one of them is a finding, and fails the build. Figures are drawn
in the colours of light and of dark pages.
"""

import functools
import logging

from matplotlib.figure import Figure
import pymc

from pooling import plots

logging.getLogger("pymc").setLevel(logging.WARNING)
for _name in ("sample", "sample_prior_predictive", "sample_posterior_predictive"):
    _silent = functools.partial(getattr(pymc, _name), progressbar=False)
    setattr(pymc, _name, functools.update_wrapper(_silent, getattr(pymc, _name)))
_find_map = functools.partial(pymc.find_MAP, progressbar=False)
pymc.find_MAP = functools.update_wrapper(_find_map, pymc.find_MAP)


def _drawing(figure: Figure, *, draw=plots.svg) -> str:
    """The figure as SVG; an error, which fails the build, if it is in other colours."""
    svg = draw(figure)
    if "var(--" not in svg:
        raise ValueError("a figure uses no colour of pooling.plots.PALETTE")
    return svg


_shell = get_ipython()  # noqa: F821 (IPython provides it)
_shell.run_line_magic("matplotlib", "inline")
_shell.display_formatter.formatters["image/svg+xml"].for_type(Figure, _drawing)
del functools, logging, pymc, plots, Figure, _name, _silent, _find_map
del _drawing, _shell
