"""Run before a chapter's first cell: no progress bars on a printed page.

PyMC announces its sampler on stderr and animates its progress, which a page
cannot. Warnings stay: one of them is a finding, and fails the build.
"""

import functools
import logging

import pymc

logging.getLogger("pymc").setLevel(logging.WARNING)
for _name in ("sample", "sample_prior_predictive", "sample_posterior_predictive"):
    _silent = functools.partial(getattr(pymc, _name), progressbar=False)
    setattr(pymc, _name, functools.update_wrapper(_silent, getattr(pymc, _name)))
_find_map = functools.partial(pymc.find_MAP, progressbar=False)
pymc.find_MAP = functools.update_wrapper(_find_map, pymc.find_MAP)
del functools, logging, pymc, _name, _silent, _find_map
