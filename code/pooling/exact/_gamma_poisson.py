"""The gamma-Poisson model: rates of groups, from counts of events."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from pooling import _check
from pooling.exact._conjugate import (
    Conjugate,
    Model,
    from_log,
    inner_bounds,
    positive_plane,
    with_middles,
)
from pooling.exact._counts import Table, few, log_rising
from pooling.exact._kernels import Gamma
from pooling.exact._priors import Prior, ScalePrior
from pooling.exact.posterior import Prediction, check_same_labels, labels_of_groups

_RATES = 1e-15, 1e15
_SCALARS = ("mu", "alpha", "beta", "tau")


def gamma_poisson(
    y: ArrayLike,
    exposure: ArrayLike,
    *,
    alpha_prior: Prior | None,
    beta_prior: Prior | None,
    coords: Mapping[str, ArrayLike] | None = None,
) -> GammaPoisson:
    """Exact posterior of the gamma-Poisson model.

    The model is ``y[j] ~ Poisson(exposure[j] * theta[j])``, with theta[j] from a gamma
    distribution of shape alpha and rate beta, whose mean is ``mu = alpha / beta``.
    Given alpha and beta, each theta is gamma and known in closed form; alpha and beta
    are integrated over by adaptive quadrature in two dimensions.

    Parameters
    ----------
    y : array_like of whole numbers, shape (J,)
        Events in the J groups.
    exposure : array_like, shape (J,)
        What the groups were exposed to, such as their times of operation, in any
        unit; rates are in one over it, and beta is in it. A group without exposure
        is a new group.
    alpha_prior, beta_prior : None or object with ``logpdf``
        Priors of alpha > 0 and beta > 0; None is flat. They may be improper where
        the posterior is proper. A distribution on the whole line is cut off at zero.
    coords : mapping of one name to J labels, optional
        The groups' dimension and labels in the results. Without it they are those of
        ``y`` if that is a DataArray, or a Series with an index of its own; else the
        dimension is ``"group"`` and has no labels.

    Returns
    -------
    GammaPoisson

    Raises
    ------
    ValueError
        If an argument is unusable, or if the posterior is improper, as it is under
        priors that are flat in both alpha and beta: where both are large and mu is
        known the likelihood is level, that of groups with one rate.

    Notes
    -----
    There is no default prior. The likelihood is level where the groups do not differ,
    so that a prior must be proper in that direction, and beta has the unit of the
    exposure, so that no scale of a prior would suit all data.

    Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 2.6 for the model given
    alpha and beta. Means and sds are accurate to at least six digits. A million groups
    take a few seconds: sums over many groups are interpolated to thirteen digits.

    Examples
    --------
    Failures of ten pumps, and thousands of hours of operation, with the priors of
    George, Makov and Smith (1993):

    >>> import numpy as np
    >>> from scipy import stats
    >>> failures = [5, 1, 5, 14, 3, 19, 1, 1, 4, 22]
    >>> hours = [94.3, 15.7, 62.9, 126, 5.24, 31.4, 1.05, 1.05, 2.1, 10.5]
    >>> fit = gamma_poisson(
    ...     failures,
    ...     hours,
    ...     alpha_prior=stats.expon(),
    ...     beta_prior=stats.gamma(0.1),
    ... )
    >>> fit
    <GammaPoisson of 10 groups>
    >>> round(fit.mean("alpha"), 3), round(fit.mean("beta"), 3)
    (0.697, 0.927)
    >>> fit.mean("theta").round(3).values[:4].tolist()
    [0.06, 0.102, 0.089, 0.116]
    >>> fit.predict([0, "a new pump"], exposure=10).quantile(0.95).values.tolist()
    [2.0, 35.0]
    >>> fit.sample(1000, np.random.default_rng(1))["theta"].dims
    ('sample', 'group')
    """
    (_, dim), labels = labels_of_groups(y, coords, _SCALARS + ("theta",))
    check_same_labels("exposure", y, exposure)
    y = _check.counts("y", y, ndim_min=1)
    exposure = _check.non_negative_array("exposure", exposure)
    _check.one_a_group("y", y, "exposure", exposure)
    _check.ordinary_size("exposure", exposure[exposure > 0])
    if (y[exposure == 0] > 0).any():
        at = int(np.flatnonzero((exposure == 0) & (y > 0))[0])
        raise ValueError(
            f"exposure must be above zero where there are events, but exposure[{at}] "
            f"is 0 and y[{at}] is {y[at]:g}"
        )
    if exposure.any():
        rate = max(y.sum(), 1) / exposure.sum()
        if not _RATES[0] <= rate <= _RATES[1]:
            raise ValueError(
                f"exposure must be in a unit in which the rate of events is between "
                f"{_RATES[0]:g} and {_RATES[1]:g}; it is about {rate:.0e}"
            )
    priors = (
        ScalePrior("alpha_prior", alpha_prior),
        ScalePrior("beta_prior", beta_prior),
    )
    return GammaPoisson(_model(y, exposure, *priors), dim, labels)


class GammaPoisson(Conjugate):
    """The posterior that `gamma_poisson` found.

    The quantities are ``"mu"``, the mean of theta in the population of groups,
    ``"alpha"``, ``"beta"``, ``"tau"``, the standard deviation of theta between
    groups, ``sqrt(alpha) / beta``, and ``"theta"``, which has the groups' dimension.
    """

    _size_name = "exposure"

    def predict(
        self, group: ArrayLike, exposure: ArrayLike | None = None
    ) -> Prediction:
        """What the posterior predicts for new events in each of some groups.

        Parameters
        ----------
        group : label or array_like of labels, shape (M,)
            Labels as in `coords`, or numbers from 0 where there are no labels. A
            label that is not there is a new group from the same population.
        exposure : None, float or array_like, shape (M,)
            Exposures of which the events are predicted. None, the default, predicts
            the group's rate ``theta``.

        Returns
        -------
        Prediction
            Of events, the density is the probability of a number of them; it is zero
            between whole numbers. Probabilities are right to 1e-9, not to a share of
            themselves.

        Raises
        ------
        ValueError
            If an argument is unusable.

        Examples
        --------
        >>> from scipy import stats
        >>> fit = gamma_poisson(
        ...     [5, 1, 14],
        ...     [94.3, 15.7, 126],
        ...     alpha_prior=stats.expon(),
        ...     beta_prior=stats.expon(scale=10),
        ... )
        >>> round(fit.predict(1, exposure=10).cdf(1), 2)
        0.81
        """
        return self._predict(group, exposure)


def _model(y, exposure, alpha_prior, beta_prior):
    log_likelihood = _log_likelihood(y, exposure)

    def log_posterior(log_mu, log_alpha):
        log_beta = log_alpha - log_mu
        alpha, beta = from_log(log_alpha), from_log(log_beta)
        log_prior = alpha_prior.logpdf(alpha) + log_alpha
        log_prior = log_prior + beta_prior.logpdf(beta) + log_beta
        return log_likelihood(log_mu, log_alpha, log_beta) + log_prior

    def quantities(log_mu, log_alpha):
        return {
            "mu": np.exp(log_mu),
            "alpha": np.exp(log_alpha),
            "beta": np.exp(log_alpha - log_mu),
            "tau": np.exp(log_mu - log_alpha / 2),
        }

    log_alpha = np.log(inner_bounds(alpha_prior))[:, None]
    log_beta = np.log(inner_bounds(beta_prior))
    return Model(
        y=y,
        size=exposure,
        kernel=Gamma,
        log_posterior=log_posterior,
        quantities=quantities,
        planes=_planes(alpha_prior, beta_prior),
        first="alpha",
        priors=(alpha_prior, beta_prior),
        corners=(log_alpha - log_beta, log_alpha),
        size_of_terms=y.sum() / 16,
    )


def _log_likelihood(y, exposure):
    """Log probability of the data, a function of log(mu), log(alpha) and log(beta).

    Each count is negative binomial. In terms of `log_rising` and of mu nothing large
    cancels where alpha and beta are large, and the counts are Poisson.
    """
    numbers, (weights,) = few(y[y > 1], np.ones(np.count_nonzero(y > 1)))
    of_y = Table(log_rising, numbers, weights)
    known = exposure > 0
    y, exposure = y[known], exposure[known]
    numbers, (groups, events) = few(exposure, np.ones_like(y), y)

    def log_sum(beta, exposure):
        return np.log1p(exposure / beta)

    of_groups = Table(log_sum, numbers, groups)
    of_events = Table(log_sum, numbers, events)
    constant = np.sum(special.xlogy(y, exposure) - special.gammaln(y + 1))
    total = y.sum()

    def log_likelihood(log_mu, log_alpha, log_beta):
        alpha = from_log(log_alpha)
        apart = of_y(log_alpha) - alpha * of_groups(log_beta) - of_events(log_beta)
        return constant + total * log_mu + apart

    return log_likelihood


def _planes(alpha_prior, beta_prior):
    """Planes of all scalars; the model's own coordinates are log(mu), log(alpha)."""
    alphas, betas = (
        np.log(with_middles(prior.landmarks())) for prior in (alpha_prior, beta_prior)
    )
    none = np.empty(0)

    def marks(of_alpha, of_beta):
        """Where alpha and beta have their marks on a line of one u."""
        return lambda u: np.concatenate(
            [
                np.broadcast_to(of_alpha(u[:, None]), (len(u), len(alphas))),
                np.broadcast_to(of_beta(u[:, None]), (len(u), len(betas))),
            ],
            axis=1,
        )

    return {
        "mu": positive_plane(
            lambda u, v: (u, v, 0.0), none, marks(lambda u: alphas, lambda u: u + betas)
        ),
        "alpha": positive_plane(
            lambda u, v: (v, u, 0.0),
            alphas,
            lambda u: u[:, None] - betas,
            alpha_prior.bounds(),
        ),
        "beta": positive_plane(
            lambda u, v: (v, u + v, 0.0),
            betas,
            lambda u: alphas - u[:, None],
            beta_prior.bounds(),
        ),
        "tau": positive_plane(
            lambda u, v: (u + v / 2, v, 0.0),
            none,
            marks(lambda u: alphas, lambda u: 2 * (betas + u)),
        ),
    }
