"""The interface that every exact posterior has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike
import pandas as pd
import xarray as xr

from pooling import _check


class Posterior(ABC):
    """The exact posterior of a hierarchical model.

    Every function of `pooling.exact` returns an object of this kind. A quantity
    is asked for by its name: the standard deviation between groups, for example,
    is called ``"tau"`` in every model that has one.

    Results carry the caller's labels: a quantity with dimensions is an
    ``xarray.DataArray``, and a single number is a Python float. Everything is in
    the units of the data.

    Parameters
    ----------
    dims : mapping of str to tuple of str
        The quantities of the model, and the dimensions of each.
    sizes : mapping of str to int
        The length of each dimension.
    coords : mapping of str to array
        The labels of those dimensions that have labels.

    Attributes
    ----------
    dims, sizes, coords : dict
        As given.

    Notes
    -----
    Some quantities have tails so heavy that a moment is infinite. The sd is then
    inf; the mean is inf for a positive quantity and nan for one on the whole line,
    whose mean does not exist. Where a moment is finite but rests on too long a tail
    to be integrated, asking for it raises a ``ValueError`` that names the prior.

    A class of posteriors provides `_moments`, `_quantiles`, `_cdf` and `_density`,
    which know nothing of labels, and `sample`, `predict` and `log_evidence`.
    """

    def __init__(self, dims, sizes, coords):
        self.dims = dict(dims)
        self.sizes = dict(sizes)
        self.coords = dict(coords)

    def mean(self, name: str) -> float | xr.DataArray:
        """Posterior mean of a quantity.

        Parameters
        ----------
        name : str
            One of the names in `dims`.

        Returns
        -------
        float or DataArray, with the quantity's dimensions
            inf or nan where the mean is infinite or does not exist.

        Raises
        ------
        ValueError
            If ``name`` is not the name of a quantity, or if the mean is finite but
            rests on too long a tail to be integrated.
        """
        return self._labelled(name, self._moments(self._checked(name))[0]())

    def sd(self, name: str) -> float | xr.DataArray:
        """Posterior standard deviation of a quantity.

        Parameters, results and errors are those of `mean`; the sd is inf where the
        variance is infinite.
        """
        return self._labelled(name, self._moments(self._checked(name))[1]())

    def quantile(self, name: str, q: ArrayLike) -> float | xr.DataArray:
        """Posterior quantiles of a quantity.

        Parameters
        ----------
        name : str
        q : float or array_like of floats from 0 to 1

        Returns
        -------
        float or DataArray
            An array of ``q`` adds a first dimension ``"quantile"``
            (``"quantile_0"``, ``"quantile_1"``, ... for several).

        Raises
        ------
        ValueError
            If ``name`` is not the name of a quantity, or ``q`` not from 0 to 1.
        """
        self._checked(name)

        def at(q):
            return self._quantiles(name, q)

        return quantiles(at, q, self.dims[name], self._shape(name), self.coords)

    def cdf(self, name: str, x: ArrayLike) -> float | xr.DataArray:
        """Posterior probability that a quantity is at most ``x``.

        Parameters
        ----------
        name : str
        x : float, array_like or DataArray
            A DataArray is matched with the quantity by the names of the
            dimensions. Anything else is broadcast against its shape as NumPy does,
            and what it adds in front becomes a dimension ``"x"`` without labels: for
            every point of a grid and every group, give the grid a shape of (G, 1).

        Returns
        -------
        float or DataArray

        Raises
        ------
        ValueError
            If ``name`` is not the name of a quantity, or ``x`` does not fit it.
        """
        return self._evaluate(self._cdf, name, x)

    def density(self, name: str, x: ArrayLike) -> float | xr.DataArray:
        """Posterior density of a quantity, in one over its units.

        Parameters, results and errors are those of `cdf`. The density of a
        standard deviation is zero below zero.
        """
        return self._evaluate(self._density, name, x)

    @abstractmethod
    def sample(self, draws: int, rng: np.random.Generator) -> xr.Dataset:
        """Independent draws from the joint posterior.

        Parameters
        ----------
        draws : int
        rng : numpy.random.Generator

        Returns
        -------
        xarray.Dataset
            Every quantity, with a first dimension ``"sample"``.

        Raises
        ------
        ValueError
            If ``draws`` is not a whole number above zero, or ``rng`` no generator.
        """

    @abstractmethod
    def predict(self, group: ArrayLike, *covariates: ArrayLike) -> Prediction:
        """What the posterior predicts for an observation in each of some groups.

        Parameters
        ----------
        group : label or array_like of labels, shape (M,)
            Labels as in `coords`, or numbers from 0 where there are no labels. A
            label that is not there is a new group from the same population.
        *covariates
            What the model must know of the observations to be predicted, such as
            their predictors or standard errors: each class says what.

        Returns
        -------
        Prediction

        Raises
        ------
        ValueError
            If an argument is unusable.
        """

    @property
    @abstractmethod
    def log_evidence(self) -> float | xr.DataArray:
        """Log density of the data, with every parameter integrated out: a float.

        It is an array where there are replications. Priors of standard deviations
        are normalised over positive numbers.

        Raises
        ------
        ValueError
            If a prior is improper: the evidence is then not defined.
        """

    @abstractmethod
    def _moments(self, name):
        """Two functions without arguments, for the mean and the sd as arrays."""

    @abstractmethod
    def _quantiles(self, name, q):
        """Quantiles (Q, ...) at ``q`` (Q,), in front of the quantity's shape."""

    @abstractmethod
    def _cdf(self, name, index, x):
        """Probabilities (N,) of elements ``index`` (N,), counted flat, at `x`."""

    @abstractmethod
    def _density(self, name, index, x):
        """Densities (N,) of elements ``index`` (N,), counted flat, at `x`."""

    def _checked(self, name):
        return _check.one_of("name", name, tuple(self.dims))

    def _shape(self, name):
        return tuple(self.sizes[d] for d in self.dims[name])

    def _labelled(self, name, values):
        return labelled(values, self.dims[name], self.coords)

    def _evaluate(self, function, name, x):
        self._checked(name)

        def at(index, x):
            return function(name, index, x)

        return evaluate(at, name, x, self.dims[name], self._shape(name), self.coords)


class Prediction(ABC):
    """The predictive distribution of some observations, one by one.

    It answers the same questions as a `Posterior`, for the one quantity that it
    is of. The dimension of the observations is ``"row"``; for a single label
    there is none, and results are floats.

    Parameters
    ----------
    dims : tuple of str
    shape : tuple of int
    coords : mapping
        What the results carry.
    """

    def __init__(self, dims, shape, coords):
        self.dims, self.shape, self.coords = dims, shape, coords

    def __repr__(self):
        count = int(np.prod(self.shape))
        return f"<{type(self).__name__} of {count} observation{'s'[: count != 1]}>"

    def mean(self) -> float | xr.DataArray:
        """Predictive mean; nan or inf as for `Posterior.mean`."""
        return labelled(self._moments()[0], self.dims, self.coords)

    def sd(self) -> float | xr.DataArray:
        """Predictive standard deviation; inf if it is infinite."""
        return labelled(self._moments()[1], self.dims, self.coords)

    def quantile(self, q: ArrayLike) -> float | xr.DataArray:
        """Predictive quantiles, as of `Posterior.quantile`."""

        def at(q):
            return [self._quantile(each) for each in q]

        return quantiles(at, q, self.dims, self.shape, self.coords)

    def cdf(self, x: ArrayLike) -> float | xr.DataArray:
        """Predictive probability of at most ``x``, as of `Posterior.cdf`."""
        return self._evaluate(self._cdf, x)

    def density(self, x: ArrayLike) -> float | xr.DataArray:
        """Predictive density at ``x``, which is broadcast as in `Posterior.cdf`."""
        return self._evaluate(lambda index, x: np.exp(self._log_density(index, x)), x)

    def log_density(self, x: ArrayLike) -> float | xr.DataArray:
        """Logarithm of the `density`, also where that is too small for a float."""
        return self._evaluate(self._log_density, x)

    @abstractmethod
    def _moments(self):
        """Mean and sd, of the prediction's shape."""

    @abstractmethod
    def _quantile(self, q):
        """The quantiles of all observations at one ``q``."""

    @abstractmethod
    def _cdf(self, index, x):
        """Probabilities (N,) of observations ``index`` (N,), counted flat."""

    @abstractmethod
    def _log_density(self, index, x):
        """Log densities (N,) of observations ``index`` (N,), counted flat."""

    def _evaluate(self, function, x):
        return evaluate(
            function, "the prediction", x, self.dims, self.shape, self.coords
        )


def labelled(values, dims, coords):
    """A float if there are no dimensions, else a DataArray with what coords fit."""
    values = np.asarray(values)
    if not values.ndim:
        return float(values)
    fitting = {}
    for name, coord in coords.items():
        own = coord[0] if isinstance(coord, tuple) else (name,)
        if set(own) <= set(dims):
            fitting[name] = coord
    return xr.DataArray(values, dims=dims, coords=fitting)


def numbered(name, count):
    """Names of ``count`` dimensions: the name itself if there is but one."""
    return (name,) if count == 1 else tuple(f"{name}_{i}" for i in range(count))


def quantiles(function, q, dims, shape, coords):
    """``function(q)`` at ``q`` (Q,), with the dimensions of a ``q`` of any shape."""
    q = _check.probabilities("q", q)
    values = np.reshape(function(q.ravel()), q.shape + shape)
    if q.ndim == 1:
        coords = {**coords, "quantile": q}
    return labelled(values, (*numbered("quantile", q.ndim), *dims), coords)


def evaluate(function, name, x, dims, shape, coords):
    """``function(index, x)`` at an ``x`` that is broadcast against a quantity."""
    index = np.arange(int(np.prod(shape))).reshape(shape)
    if isinstance(x, xr.DataArray):
        own = xr.DataArray(index, dims=dims, coords=_indexes(coords, dims))
        _check.real_array("x", x.values)
        try:
            points, own = xr.broadcast(*xr.align(x, own, join="exact"))
        except ValueError as error:
            raise ValueError(f"x does not fit {name}: {error}") from None
        values = function(own.values.ravel(), points.values.ravel().astype(float))
        if not points.ndim:
            return float(values[0])
        return points.copy(data=values.reshape(points.shape))
    x = _check.real_array("x", x)
    try:
        whole = np.broadcast_shapes(x.shape, shape)
    except ValueError:
        hint = " (give a grid of points a shape of (G, 1))" if len(shape) == 1 else ""
        raise ValueError(
            f"x must broadcast against {name}, of shape {shape}; "
            f"its shape is {x.shape}{hint}"
        ) from None
    index, points = (np.broadcast_to(a, whole).ravel() for a in (index, x))
    lead = numbered("x", len(whole) - len(shape))
    return labelled(function(index, points).reshape(whole), (*lead, *dims), coords)


def _indexes(coords, dims):
    return {d: coords[d] for d in dims if d in coords}


def group_dimension(name, dim, taken):
    """``dim`` as the name of the groups' dimension, or a ``ValueError``.

    ``name`` says which argument it comes from; ``taken`` are the names that the
    results use already.
    """
    taken = {*taken, "sample", "quantile", "x", "row", "tau"}
    if not isinstance(dim, str) or not dim:
        raise ValueError(f"{name} must name the groups by a string, not {dim!r}")
    if dim in taken or dim.startswith("replication"):
        raise ValueError(
            f"{name} must not call the groups {dim!r}: the results use that name for "
            "something else"
        )
    return dim


def coords_of_groups(coords, groups):
    """Dimension and labels from ``coords``, a mapping of one name to the labels."""
    if not isinstance(coords, Mapping) or len(coords) != 1:
        raise ValueError(
            f"coords must map one dimension's name to {groups} labels, not {coords!r}"
        )
    ((dim, labels),) = coords.items()
    labels = np.asarray(labels)
    if labels.shape != (groups,):
        raise ValueError(
            f"coords[{dim!r}] must have {groups} labels, one a group; "
            f"its shape is {labels.shape}"
        )
    check_labels(f"coords[{dim!r}]", labels)
    return dim, labels


def check_labels(name, labels):
    """An error unless the labels of the groups are all there, and different."""
    index = pd.Index(labels)
    if index.hasnans:
        raise ValueError(f"{name} must have no missing labels")
    if not index.is_unique:
        twice = index[index.duplicated()][0]
        raise ValueError(
            f"{name} must have different labels, but {twice!r} comes twice"
        )


def labels_of_groups(y, coords, taken):
    """Names of the dimensions, None for those of replications, and their labels.

    They come from ``coords`` or else from ``y``, whose last dimension is the groups';
    ``taken`` are the names of quantities.
    """
    if coords is not None:
        array = np.asarray(y)
        dim, labels = coords_of_groups(coords, array.shape[-1] if array.ndim else 1)
        group_dimension("coords", dim, taken)
        return (None, dim), {dim: labels}
    if isinstance(y, xr.DataArray) and y.ndim:
        for dim in y.dims:
            group_dimension("y", dim, taken)
        found = {d: y[d].values for d in y.dims if d in y.coords}
        if y.dims[-1] in found:
            check_labels(f"y[{y.dims[-1]!r}]", found[y.dims[-1]])
        return (y.dims[:-1], y.dims[-1]), found
    if isinstance(y, pd.Series) and not isinstance(
        y.index, (pd.RangeIndex, pd.MultiIndex)
    ):
        check_labels("the index of y", y.index)
        dim = "group" if y.index.name is None else y.index.name
        return (None, group_dimension("the index of y", dim, taken)), {
            dim: y.index.to_numpy()
        }
    return (None, "group"), {}


def check_same_labels(name, y, other):
    """An error where both are labelled, and differently."""
    if isinstance(y, pd.Series) and isinstance(other, pd.Series):
        same = y.index.equals(other.index)
    elif isinstance(y, xr.DataArray) and isinstance(other, xr.DataArray):
        dims = y.dims[y.ndim - other.ndim :]
        same = other.dims == dims and all(
            y.indexes[d].equals(other.indexes[d])
            for d in dims
            if d in y.indexes and d in other.indexes
        )
    else:
        same = True
    if not same:
        raise ValueError(f"{name} must have the labels of y, in the same order")
