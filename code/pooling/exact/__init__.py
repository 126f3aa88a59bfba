"""Exact posteriors of normal hierarchies, by quadrature.

A normal hierarchy has a posterior that needs no sampler: given the standard
deviations, everything else is normal, and at most two standard deviations are
left to integrate over numerically. What stands here is therefore right to many
digits, and the book holds its samplers to it.
"""

from pooling.exact._normal import GivenTau, NormalHierarchy, normal_hierarchy
from pooling.exact._varying import VaryingIntercepts, varying_intercepts

__all__ = [
    "GivenTau",
    "NormalHierarchy",
    "VaryingIntercepts",
    "normal_hierarchy",
    "varying_intercepts",
]
