"""The beta-binomial model: proportions of groups, from counts of successes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from pooling import _check
from pooling.exact._conjugate import (
    Conjugate,
    Model,
    Plane,
    everywhere,
    from_log,
    inner_bounds,
    positive_plane,
    with_middles,
)
from pooling.exact._counts import Table, few, log_rising
from pooling.exact._kernels import Beta
from pooling.exact._priors import Prior, ProportionPrior, ScalePrior
from pooling.exact.posterior import Prediction, check_same_labels, labels_of_groups

_SCALARS = ("mu", "kappa", "alpha", "beta", "tau")


class _FlatInBoth:
    """Flat in ``kappa**-0.5``: equation 5.9 of BDA3, as a density of kappa."""

    @staticmethod
    def logpdf(kappa):
        with np.errstate(divide="ignore"):
            return -1.5 * np.log(kappa)


def beta_binomial(
    y: ArrayLike,
    n: ArrayLike,
    *,
    mu_prior: Prior | None = None,
    kappa_prior: Prior | None = None,
    coords: Mapping[str, ArrayLike] | None = None,
) -> BetaBinomial:
    """Exact posterior of the beta-binomial model.

    The model is ``y[j] ~ Binomial(n[j], theta[j])``, ``theta[j] ~ Beta(alpha, beta)``.
    The priors are those of the mean ``mu = alpha / (alpha + beta)`` and of
    ``kappa = alpha + beta``, which counts like a number of trials. Given alpha and
    beta, each theta is beta and known in closed form; alpha and beta are integrated
    over by adaptive quadrature in two dimensions.

    Parameters
    ----------
    y : array_like of whole numbers, shape (J,)
        Successes in the J groups.
    n : array_like of whole numbers, shape (J,)
        Trials in the groups, at least ``y``. A group without trials is a new group.
    mu_prior : None or object with ``logpdf``
        Prior of mu on (0, 1). None is uniform.
    kappa_prior : None or object with ``logpdf``
        Prior of kappa on kappa > 0. None is proportional to ``kappa**-1.5``, which
        is flat in ``kappa**-0.5``: with a uniform mu, that is the density
        ``(alpha + beta)**-2.5`` of (alpha, beta). It is improper.
    coords : mapping of one name to J labels, optional
        The groups' dimension and labels in the results. Without it they are those of
        ``y`` if that is a DataArray, or a Series with an index of its own; else the
        dimension is ``"group"`` and has no labels.

    Returns
    -------
    BetaBinomial

    Raises
    ------
    ValueError
        If an argument is unusable, or if the posterior is improper. For large kappa
        the likelihood is level, and as kappa goes to zero it falls as ``kappa**m``,
        with m the number of groups that have both successes and failures. So the
        default prior of kappa needs one such group, and a density that is flat in
        kappa, or in (alpha, beta), leaves an improper posterior whatever the data.

    Notes
    -----
    Gelman et al., *Bayesian Data Analysis*, 3rd ed., section 5.3; the default prior
    is their equation 5.9. It leaves the mean of kappa, and those of alpha and beta,
    infinite: the likelihood is level where kappa is large. Quantiles of all three
    are finite, and so are all moments of mu, tau and theta.

    Means and sds are accurate to at least six digits. A million groups take a few
    seconds: sums over many groups are interpolated to thirteen digits.

    Examples
    --------
    Three experiments on rats:

    >>> import numpy as np
    >>> fit = beta_binomial(
    ...     y=[0, 5, 4], n=[20, 20, 14], coords={"experiment": ["A", "B", "C"]}
    ... )
    >>> fit
    <BetaBinomial of 3 groups>
    >>> round(fit.mean("mu"), 2), round(fit.quantile("tau", 0.5), 2)
    (0.29, 0.27)
    >>> round(float(fit.mean("theta").sel(experiment="C")), 2)
    0.27
    >>> fit.mean("kappa")
    inf
    >>> round(fit.predict("an experiment to come", n=20).cdf(4), 2)
    0.59
    >>> fit.sample(1000, np.random.default_rng(1))["theta"].dims
    ('sample', 'experiment')
    """
    (_, dim), labels = labels_of_groups(y, coords, _SCALARS + ("theta",))
    check_same_labels("n", y, n)
    y, n = _check.counts("y", y, ndim_min=1), _check.counts("n", n, ndim_min=1)
    _check.one_a_group("y", y, "n", n)
    if (y > n).any():
        at = int(np.flatnonzero(y > n)[0])
        raise ValueError(
            f"y must not exceed n, but y[{at}] is {y[at]:g} and n[{at}] is {n[at]:g}"
        )
    mu_prior = ProportionPrior("mu_prior", mu_prior)
    kappa_prior = ScalePrior(
        "kappa_prior", _FlatInBoth() if kappa_prior is None else kappa_prior
    )
    return BetaBinomial(_model(y, n, mu_prior, kappa_prior), dim, labels)


class BetaBinomial(Conjugate):
    """The posterior that `beta_binomial` found.

    The quantities are ``"mu"``, the mean of theta in the population of groups,
    ``"kappa"``, ``"alpha"``, ``"beta"``, ``"tau"``, the standard deviation of theta
    between groups, ``sqrt(mu * (1 - mu) / (kappa + 1))``, and ``"theta"``, which has
    the groups' dimension.
    """

    _size_name = "n"

    def predict(self, group: ArrayLike, n: ArrayLike | None = None) -> Prediction:
        """What the posterior predicts for new trials in each of some groups.

        Parameters
        ----------
        group : label or array_like of labels, shape (M,)
            Labels as in `coords`, or numbers from 0 where there are no labels. A
            label that is not there is a new group from the same population.
        n : None, int or array_like of int, shape (M,)
            Numbers of new trials, whose successes are predicted. None, the default,
            predicts the group's proportion ``theta``.

        Returns
        -------
        Prediction
            Of successes, the density is the probability of a number of them; it is
            zero between whole numbers. Probabilities are right to 1e-9, not to a
            share of themselves.

        Raises
        ------
        ValueError
            If an argument is unusable.

        Examples
        --------
        >>> fit = beta_binomial([0, 5, 4], [20, 20, 14])
        >>> fit.predict([0, "new"], n=20).quantile(0.95).values.tolist()
        [3.0, 20.0]
        """
        return self._predict(group, n)


def _model(y, n, mu_prior, kappa_prior):
    log_likelihood = _log_likelihood(y, n)

    def log_posterior(logit_mu, log_kappa):
        log_mu, log_rest = special.log_expit(logit_mu), special.log_expit(-logit_mu)
        kappa = from_log(log_kappa)
        log_prior = mu_prior.log_density_of_logit(logit_mu)
        log_prior = log_prior + kappa_prior.logpdf(kappa) + log_kappa
        return log_likelihood(log_mu, log_rest, log_kappa) + log_prior

    def quantities(logit_mu, log_kappa):
        mu, rest = special.expit(logit_mu), special.expit(-logit_mu)
        kappa = np.exp(log_kappa)
        return {
            "mu": mu,
            "kappa": kappa,
            "alpha": mu * kappa,
            "beta": rest * kappa,
            "tau": np.sqrt(mu * rest / (kappa + 1)),
        }

    return Model(
        y=y,
        size=n,
        kernel=Beta,
        log_posterior=log_posterior,
        quantities=quantities,
        planes=_planes(mu_prior, kappa_prior),
        first="kappa",
        priors=(mu_prior, kappa_prior),
        corners=(
            special.logit(inner_bounds(mu_prior, 1.0))[:, None],
            np.log(inner_bounds(kappa_prior)),
        ),
        size_of_terms=n.sum() / 16,
        bounded=("mu", "tau"),
    )


def _log_likelihood(y, n):
    """Log probability of the data, a function of log(mu), log(1 - mu), log(kappa).

    Each group has ``B(alpha + y, beta + n - y) / B(alpha, beta)`` times the number of
    ways to have y successes. In terms of `log_rising` nothing large cancels where
    kappa is large.
    """
    rest = n - y
    tables = []
    for counts in (y, rest, n):
        matter = counts[counts > 1]
        numbers, (weights,) = few(matter, np.ones_like(matter))
        tables.append(Table(log_rising, numbers, weights))
    of_y, of_rest, of_n = tables
    successes, failures = y.sum(), rest.sum()
    ways = special.gammaln(n + 1) - special.gammaln(y + 1) - special.gammaln(rest + 1)
    constant = ways.sum()

    def log_likelihood(log_mu, log_rest, log_kappa):
        pooled = constant + successes * log_mu + failures * log_rest
        apart = of_y(log_mu + log_kappa) + of_rest(log_rest + log_kappa)
        return pooled + apart - of_n(log_kappa)

    return log_likelihood


def _planes(mu_prior, kappa_prior):
    """Planes of all scalars; the model's own coordinates are logit(mu), log(kappa)."""
    kappa_marks = np.log(with_middles(kappa_prior.landmarks()))
    mu_marks = special.logit(with_middles(mu_prior.landmarks()))
    none = np.empty(0)

    def alpha_marks(u):
        """Where kappa and mu have their marks on a line of one alpha."""
        share = _log_odds(u[:, None] - kappa_marks)
        return np.concatenate([share, everywhere(mu_marks)(u)], axis=1)

    def beta_marks(u):
        return np.concatenate(
            [-_log_odds(u[:, None] - kappa_marks), everywhere(mu_marks)(u)], axis=1
        )

    def tau_marks(u):
        log_s, log_tau = _sides(u[:, None])
        # kappa is (s / tau / cosh(v))**2, and mu is 1/2 + s tanh(v).
        cosh = np.exp(np.clip(log_s - log_tau - kappa_marks / 2, 0, 300))
        v = np.arccosh(cosh)
        tanh = (special.expit(mu_marks) - 0.5) * np.exp(np.minimum(-log_s, 300))
        inside = np.arctanh(np.clip(tanh, -1 + 1e-15, 1 - 1e-15))
        return np.concatenate([-v, v, inside], axis=1)

    return {
        "mu": Plane(
            core=lambda u, v: (u, v, 0.0),
            value=special.expit,
            coordinate=special.logit,
            log_slope=lambda u: special.log_expit(u) + special.log_expit(-u),
            ends=mu_prior.bounds(),
            marks=mu_marks,
            inner_marks=everywhere(kappa_marks),
        ),
        "kappa": positive_plane(
            lambda u, v: (v, u, 0.0),
            kappa_marks,
            everywhere(mu_marks),
            kappa_prior.bounds(),
        ),
        "alpha": positive_plane(
            lambda u, v: (v, u - special.log_expit(v), 0.0), none, alpha_marks
        ),
        "beta": positive_plane(
            lambda u, v: (v, u - special.log_expit(-v), 0.0), none, beta_marks
        ),
        "tau": Plane(
            core=_from_tau,
            value=lambda u: special.expit(u) / 2,
            coordinate=lambda tau: special.logit(2 * tau),
            log_slope=lambda u: (
                special.log_expit(u) + special.log_expit(-u) - np.log(2)
            ),
            ends=(0.0, 0.5),
            marks=none,
            inner_marks=tau_marks,
        ),
    }


def _from_tau(u, v):
    """logit(mu) and log(kappa) from logit(2 tau) and v, and the log Jacobian.

    With ``s**2 = 1/4 - tau**2``, mu is ``1/2 + s * tanh(v)`` and kappa is
    ``(s / (tau * cosh(v)))**2``, so that ``tau**2 = mu * (1 - mu) / (kappa + 1)``.
    """
    log_s, log_tau = _sides(u)
    s, tau = np.exp(log_s), np.exp(log_tau)
    log_sech = np.log(2) - np.abs(v) - np.log1p(np.exp(-2 * np.abs(v)))
    # The distance of mu from the nearer end is that of 1/2 - s and what is left.
    near = tau**2 / (0.5 + s) + 2 * s * special.expit(-2 * np.abs(v))
    logit_mu = np.sign(v) * (np.log1p(-near) - np.log(near))
    log_kappa = 2 * (log_s - log_tau + log_sech)
    # The derivatives of (mu, kappa), over mu (1 - mu) kappa, times that of tau by u.
    tanh = np.tanh(v)
    sum_of_two = np.exp(2 * log_sech) + (2 * tau * tanh) ** 2
    log_det = log_s + 2 * log_sech - np.log(2) - 3 * log_tau + np.log(sum_of_two)
    log_scale = np.log(near) + np.log1p(-near) + log_kappa
    log_slope = special.log_expit(u) + special.log_expit(-u) - np.log(2)
    return logit_mu, log_kappa, log_det - log_scale + log_slope


def _sides(u):
    """Logs of s and tau from logit(2 tau)."""
    log_tau = special.log_expit(u) - np.log(2)
    log_s = (special.log_expit(-u) - np.log(2) + np.log(0.5 + np.exp(log_tau))) / 2
    return log_s, log_tau


def _log_odds(log_p):
    """The logit of a probability from its logarithm; large where that is above 0."""
    log_p = np.minimum(log_p, -1e-15)
    return log_p - np.log(-np.expm1(log_p))
