"""Exact posteriors of hierarchical models, by quadrature.

Some hierarchies have a posterior that needs no sampler: given two hyperparameters at
most, everything else is known in closed form, and those two are left to integrate over
numerically. The results are therefore right to many digits, and the book holds its
samplers to them.

==================  ===================================================  ==============
function            data                                                 groups
==================  ===================================================  ==============
normal_hierarchy    estimates with known standard errors                 normal
varying_intercepts  rows of a linear regression                          normal
beta_binomial       numbers of successes, among numbers of trials        beta
gamma_poisson       numbers of events, with exposures                    gamma
==================  ===================================================  ==============

Every posterior has the interface of `Posterior`.
"""

from pooling.exact._beta_binomial import BetaBinomial, beta_binomial
from pooling.exact._gamma_poisson import GammaPoisson, gamma_poisson
from pooling.exact._normal import NormalHierarchy, normal_hierarchy
from pooling.exact._varying import VaryingIntercepts, varying_intercepts
from pooling.exact.posterior import Posterior, Prediction

__all__ = [
    "BetaBinomial",
    "GammaPoisson",
    "NormalHierarchy",
    "Posterior",
    "Prediction",
    "VaryingIntercepts",
    "beta_binomial",
    "gamma_poisson",
    "normal_hierarchy",
    "varying_intercepts",
]
