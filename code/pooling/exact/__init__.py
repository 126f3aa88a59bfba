"""Exact posteriors of normal hierarchies, by quadrature.

A normal hierarchy has a posterior that needs no sampler: given the standard
deviations, everything else is normal, and at most two standard deviations are
left to integrate over numerically. The results are therefore right to many
digits, and the book holds its samplers to them.

Every posterior has the interface of `Posterior`.
"""

from pooling.exact._normal import NormalHierarchy, normal_hierarchy
from pooling.exact._varying import VaryingIntercepts, varying_intercepts
from pooling.exact.posterior import Posterior, Prediction

__all__ = [
    "NormalHierarchy",
    "Posterior",
    "Prediction",
    "VaryingIntercepts",
    "normal_hierarchy",
    "varying_intercepts",
]
