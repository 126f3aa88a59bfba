"""Data with a known truth, and what replicated experiments say of an estimate.

Everything is vectorised over replications and takes a `numpy.random.Generator`,
so that a chapter's one `rng` decides every number in it.
"""

from numbers import Integral
from typing import NamedTuple

import numpy as np
from scipy import stats
import xarray as xr

__all__ = ["Coverage", "clustered", "coverage", "difference", "normal_hierarchy"]


class Coverage(NamedTuple):
    """How often an interval held the truth, and how surely we know it."""

    proportion: float | np.ndarray
    #: Monte Carlo standard error of the proportion, sqrt(p (1 - p) / R).
    mcse: float | np.ndarray


def normal_hierarchy(mu, tau, sigma, *, replications, rng):
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
    mu = _number("mu", mu)
    tau = _number("tau", tau, at_least=0)
    sigma = _vector("sigma", sigma)
    if not (sigma > 0).all():
        raise ValueError(f"sigma must be positive, but its least is {sigma.min()}")
    replications = _count("replications", replications)
    _generator(rng)
    shape = (replications, sigma.size)
    theta = mu + tau * rng.standard_normal(shape)
    y = theta + sigma * rng.standard_normal(shape)
    return theta, y


def clustered(
    schools,
    students_per_school,
    *,
    intercept=0.0,
    effect=0.0,
    tau,
    sigma,
    treated=0.5,
    replications,
    rng,
):
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
    schools = _count("schools", schools)
    if schools < 2:
        raise ValueError("schools must be at least 2, one of either kind, but is 1")
    size = np.asarray(students_per_school)
    if size.ndim == 0:
        size = np.full(schools, size)
    if size.shape != (schools,):
        raise ValueError(
            f"students_per_school must be one number or {schools} (one a school), "
            f"but has shape {size.shape}"
        )
    if size.dtype.kind not in "iu" or (size < 1).any():
        raise ValueError(
            "students_per_school must be whole numbers of at least 1, "
            f"but is {students_per_school!r}"
        )
    intercept = _number("intercept", intercept)
    effect = _number("effect", effect)
    tau = _number("tau", tau, at_least=0)
    sigma = _number("sigma", sigma, at_least=0)
    replications = _count("replications", replications)
    _generator(rng)
    x = _treated(treated, schools, rng)

    # A browser counts in 32 bits, and repeat takes no more than that there.
    school = np.repeat(np.arange(schools), size.astype(np.intp))
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


def difference(y, treated):
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
    y = _floats("y", y)
    if y.ndim == 0 or y.shape[-1] < 3:
        raise ValueError(f"y must hold at least 3 units, but has shape {y.shape}")
    n = y.shape[-1]
    x = _flags("treated", treated, n)
    n1 = x.sum()
    n0 = n - n1
    a, b = y[..., x], y[..., ~x]
    mean1, mean0 = a.mean(-1), b.mean(-1)
    rss = a.var(-1) * n1 + b.var(-1) * n0
    return mean1 - mean0, np.sqrt(rss / (n - 2) * (1 / n1 + 1 / n0))


def coverage(estimate, se, truth, level=0.95, *, df=None):
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
    estimate = _floats("estimate", estimate)
    if estimate.ndim == 0 or estimate.size == 0:
        raise ValueError(
            f"estimate must hold replications, but has shape {estimate.shape}"
        )
    se = _like("se", se, "estimate", estimate)
    truth = _like("truth", truth, "estimate", estimate)
    if (se < 0).any():
        raise ValueError(f"se must be zero or more, but its least is {se.min()}")
    level = _number("level", level)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, but is {level}")
    if df is None:
        z = stats.norm.ppf((1 + level) / 2)
    else:
        df = _number("df", df)
        if df <= 0:
            raise ValueError(f"df must be positive, but is {df}")
        z = stats.t.ppf((1 + level) / 2, df)
    p = (np.abs(estimate - truth) <= z * se).mean(0)
    mcse = np.sqrt(p * (1 - p) / len(estimate))
    return Coverage(float(p), float(mcse)) if p.ndim == 0 else Coverage(p, mcse)


def _floats(name, value):
    try:
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be numbers, but is {value!r}") from None
    if not np.isfinite(array).all():
        bad = array[~np.isfinite(array)].flat[0]
        raise ValueError(f"{name} must be finite, but holds {bad}")
    return array


def _vector(name, value):
    array = _floats(name, value)
    if array.ndim != 1 or array.size == 0:
        raise ValueError(
            f"{name} must be a list of at least one number, but has shape {array.shape}"
        )
    return array


def _number(name, value, *, at_least=None):
    array = _floats(name, value)
    if array.ndim != 0:
        raise ValueError(f"{name} must be one number, but has shape {array.shape}")
    number = float(array)
    if at_least is not None and number < at_least:
        raise ValueError(f"{name} must be at least {at_least}, but is {number}")
    return number


def _count(name, value):
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(
            f"{name} must be a whole number of at least 1, but is {value!r}"
        )
    return int(value)


def _generator(rng):
    if not isinstance(rng, np.random.Generator):
        raise ValueError(
            "rng must be a numpy.random.Generator, such as "
            f"np.random.default_rng(1), but is {rng!r}"
        )


def _like(name, value, other, array):
    try:
        return np.broadcast_to(_floats(name, value), array.shape)
    except ValueError as error:
        if "must be" in str(error):
            raise
        raise ValueError(
            f"{name} has shape {np.shape(value)}, which does not fit "
            f"{other}'s {array.shape}"
        ) from None


def _flags(name, value, n):
    flags = np.asarray(value)
    if flags.shape != (n,):
        raise ValueError(f"{name} must have length {n}, but has shape {flags.shape}")
    if flags.dtype.kind not in "biuf" or not np.isin(flags, (0, 1)).all():
        raise ValueError(f"{name} must hold only true and false, but is {value!r}")
    flags = flags.astype(bool)
    if flags.all() or not flags.any():
        raise ValueError(
            f"{name} must hold both true and false, but all are {flags[0]}"
        )
    return flags


def _treated(treated, schools, rng):
    if np.ndim(treated):
        return _flags("treated", treated, schools)
    fraction = _number("treated", treated)
    if not 0 < fraction < 1:
        raise ValueError(f"treated must lie between 0 and 1, but is {fraction}")
    count = min(max(round(fraction * schools), 1), schools - 1)
    return rng.permutation(schools) < count
