"""Run before a chapter's first cell: no progress bars, and figures for a page.

PyMC announces its sampler on stderr and animates its progress, which a page
cannot. Warnings stay: each of them fails the build. Figures are written by
`pooling.plots.svg`, so that they are dark on a dark page.
"""

import functools
import logging

from IPython import get_ipython
from matplotlib.figure import Figure
import pymc

from pooling import plots

logging.getLogger("pymc").setLevel(logging.WARNING)
for _name in ("sample", "sample_prior_predictive", "sample_posterior_predictive"):
    _silent = functools.partial(getattr(pymc, _name), progressbar=False)
    setattr(pymc, _name, functools.update_wrapper(_silent, getattr(pymc, _name)))
_find_map = functools.partial(pymc.find_MAP, progressbar=False)
pymc.find_MAP = functools.update_wrapper(_find_map, pymc.find_MAP)

# First IPython's own formatters, which would replace ours when pyplot is imported.
get_ipython().run_line_magic("matplotlib", "inline")
_formatters = get_ipython().display_formatter.formatters
_formatters["image/svg+xml"].for_type(Figure, plots.svg)
del functools, logging, pymc, get_ipython, Figure, plots
del _name, _silent, _find_map, _formatters
