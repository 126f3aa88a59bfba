"""Data with a known truth, and what replicated experiments say of an estimate.

Everything is vectorised over replications and takes a `numpy.random.Generator`,
so that a chapter's one `rng` decides every number in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats
import xarray as xr

from pooling import _check

__all__ = ["Coverage", "clustered", "coverage", "difference", "normal_hierarchy"]


class Coverage(NamedTuple):
    """How often an interval held the truth, and how surely we know it."""

    proportion: float | np.ndarray
    #: Monte Carlo standard error of the proportion, sqrt(p (1 - p) / R).
    mcse: float | np.ndarray


def normal_hierarchy(
    mu: float,
    tau: float,
    sigma: ArrayLike,
    *,
    replications: int,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    r"""Draw groups and their estimates from the normal hierarchy.

    .. math:: \theta_j \sim N(\mu, \tau), \qquad y_j \sim N(\theta_j, \sigma_j),

    where the second argument of :math:`N` is a standard deviation.

    Parameters
    ----------
    mu : float
        Mean of the groups.
    tau : float
        Between-group sd, zero or more.
    sigma : array_like, shape (J,)
        Standard error of each group's estimate, positive.
    replications : int
        How many data sets to draw.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    theta, y : numpy.ndarray, shape (replications, J)
        The true effects and their estimates, one row a data set.

    Raises
    ------
    ValueError
        If an argument is not finite, an sd is negative, or a shape is wrong.
    """
    mu = _check.number("mu", mu)
    tau = _check.non_negative_number("tau", tau)
    sigma = _check.array_of("sigma", _check.positive_array("sigma", sigma))
    replications = _check.whole_number("replications", replications)
    _check.generator("rng", rng)
    shape = (replications, sigma.size)
    theta = mu + tau * rng.standard_normal(shape)
    y = theta + sigma * rng.standard_normal(shape)
    return theta, y


def clustered(
    schools: int,
    students_per_school: ArrayLike,
    *,
    intercept: float = 0.0,
    effect: float = 0.0,
    tau: float,
    sigma: float,
    treated: ArrayLike = 0.5,
    replications: int,
    rng: np.random.Generator,
) -> xr.Dataset:
    r"""Draw students in schools, with an effect that whole schools share.

    Student `i` of school `j` scores

    .. math:: y_{ij} = \alpha + \beta x_j + a_j + e_{ij}, \qquad
              a_j \sim N(0, \tau), \quad e_{ij} \sim N(0, \sigma),

    with :math:`x_j` zero or one for the whole school. The design (sizes and
    :math:`x`) is the same in every replication; the errors are new.

    Parameters
    ----------
    schools : int
        Number of schools.
    students_per_school : int or array_like of int, shape (schools,)
        Size of every school, or of each.
    intercept, effect : float
        :math:`\alpha` and :math:`\beta`.
    tau, sigma : float
        Between-school and within-school sd, zero or more.
    treated : float or array_like of bool, shape (schools,)
        Which schools have :math:`x_j = 1`. A fraction picks that many schools
        (rounded, at least one of either kind) at random, once.
    replications : int
        How many data sets to draw.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    xarray.Dataset
        ``y`` (replication, student) and its school means ``mean`` (replication,
        school), with coordinates ``treated`` and ``size`` along ``school``, and
        ``student_school`` and ``student_treated`` along ``student``. Students of
        one school stand together. Memory: 8 bytes a student and replication.

    Raises
    ------
    ValueError
        If a size is below one, an sd is negative, an argument is not finite, or
        no school (or every one) is treated.

    See Also
    --------
    difference : the OLS estimate of the effect, from students or school means.
    coverage : how often its interval holds the truth.
    """
    schools = _check.whole_number("schools", schools)
    if schools < 2:
        raise ValueError("schools must be at least 2, one of either kind, not 1")
    size = _check.counts("students_per_school", students_per_school, least=1)
    if size.shape not in ((), (schools,)):
        raise ValueError(
            f"students_per_school must be one number or {schools}, one a school, "
            f"not of shape {size.shape}"
        )
    # A browser counts in 32 bits, and np.repeat takes no more than that there.
    size = np.broadcast_to(size, (schools,)).astype(np.intp)
    intercept = _check.number("intercept", intercept)
    effect = _check.number("effect", effect)
    tau = _check.non_negative_number("tau", tau)
    sigma = _check.non_negative_number("sigma", sigma)
    replications = _check.whole_number("replications", replications)
    _check.generator("rng", rng)
    x = _treated(treated, schools, rng)

    school = np.repeat(np.arange(schools), size)
    centre = intercept + effect * x + tau * rng.standard_normal((replications, schools))
    y = rng.standard_normal((replications, school.size))
    y *= sigma
    y += centre[:, school]
    first = np.concatenate([[0], np.cumsum(size)[:-1]])
    mean = np.add.reduceat(y, first, axis=1) / size
    return xr.Dataset(
        {
            "y": (("replication", "student"), y),
            "mean": (("replication", "school"), mean),
        },
        coords={
            "school": np.arange(schools),
            "treated": ("school", x),
            "size": ("school", size),
            "student_school": ("student", school),
            "student_treated": ("student", x[school]),
        },
    )


def difference(y: ArrayLike, treated: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Regress `y` on a yes-or-no covariate by ordinary least squares.

    The slope is the difference of the two means, and its standard error the
    textbook one, which takes the units as independent with one variance.

    Parameters
    ----------
    y : array_like, shape (..., n)
        One number a unit, in the last axis; the others are replications.
    treated : array_like of bool, shape (n,)
        Which units have a one.

    Returns
    -------
    estimate, se : numpy.ndarray, shape (...)
        The slope and its standard error, on n - 2 degrees of freedom.

    Raises
    ------
    ValueError
        If the lengths differ, there are fewer than three units, `y` is not
        finite, or the units are all of one kind.
    """
    y = _check.real_array("y", y, ndim_min=1)
    if y.shape[-1] < 3:
        raise ValueError(f"y must hold at least 3 units, not {y.shape[-1]}")
    n = y.shape[-1]
    x = _flags("treated", treated, n)
    n1 = x.sum()
    n0 = n - n1
    a, b = y[..., x], y[..., ~x]
    mean1, mean0 = a.mean(-1), b.mean(-1)
    rss = a.var(-1) * n1 + b.var(-1) * n0
    return mean1 - mean0, np.sqrt(rss / (n - 2) * (1 / n1 + 1 / n0))


def coverage(
    estimate: ArrayLike,
    se: ArrayLike,
    truth: ArrayLike,
    level: float = 0.95,
    *,
    df: float | None = None,
) -> Coverage:
    """Count how often ``estimate ± z · se`` holds the truth.

    Parameters
    ----------
    estimate, se : array_like, shape (R,) or (R, ...)
        One estimate and its standard error a replication, along the first axis.
    truth : array_like
        The true value, or values that broadcast against `estimate`.
    level : float
        Nominal coverage, between 0 and 1.
    df : float, optional
        Degrees of freedom of Student's t; the normal quantile without it.

    Returns
    -------
    Coverage
        ``proportion`` of the replications whose interval holds the truth, and
        its binomial Monte Carlo standard error ``mcse``; floats for one axis,
        otherwise arrays of the other axes' shape.

    Raises
    ------
    ValueError
        If shapes do not fit, a value is not finite, `se` is negative, or
        `level` or `df` is out of range.
    """
    estimate = _check.real_array("estimate", estimate, ndim_min=1)
    se = _like("se", _check.non_negative_array("se", se), estimate)
    truth = _like("truth", _check.real_array("truth", truth), estimate)
    level = _check.number("level", level)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    if df is None:
        z = stats.norm.ppf((1 + level) / 2)
    else:
        df = _check.number("df", _check.positive_array("df", df))
        z = stats.t.ppf((1 + level) / 2, df)
    p = (np.abs(estimate - truth) <= z * se).mean(0)
    mcse = np.sqrt(p * (1 - p) / len(estimate))
    return Coverage(float(p), float(mcse)) if p.ndim == 0 else Coverage(p, mcse)


def _like(name, array, estimate):
    """An array, broadcast to the shape of the estimates."""
    try:
        return np.broadcast_to(array, estimate.shape)
    except ValueError:
        raise ValueError(
            f"{name} must broadcast to the shape of estimate, {estimate.shape}, "
            f"not {array.shape}"
        ) from None


def _flags(name, value, n):
    flags = np.asarray(value)
    if flags.shape != (n,):
        raise ValueError(f"{name} must have length {n}, not shape {flags.shape}")
    if flags.dtype.kind not in "biuf" or not np.isin(flags, (0, 1)).all():
        raise ValueError(f"{name} must hold only true and false, not {value!r}")
    flags = flags.astype(bool)
    if flags.all() or not flags.any():
        raise ValueError(
            f"{name} must hold both true and false, but all are {flags[0]}"
        )
    return flags


def _treated(treated, schools, rng):
    if np.ndim(treated):
        return _flags("treated", treated, schools)
    fraction = _check.number("treated", treated)
    if not 0 < fraction < 1:
        raise ValueError(f"treated must lie between 0 and 1, not {fraction}")
    count = min(max(round(fraction * schools), 1), schools - 1)
    return rng.permutation(schools) < count
