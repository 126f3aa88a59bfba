"""Posteriors of groups that are conjugate given two hyperparameters.

Given the hyperparameters, each group's theta has a posterior in closed form, and the
data a marginal likelihood. The hyperparameters are integrated over numerically, in
coordinates that suit the question: the distribution of a scalar quantity comes from a
`Plane` that has this quantity as its outer coordinate, and theta from a Gauss rule of
few points of the plane.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import numpy as np
import xarray as xr

from pooling import _check
from pooling.exact import _groups, _nested, _quadrature
from pooling.exact._interpolation import Interpolation, nodes_needed
from pooling.exact._priors import Tail, scale_moments
from pooling.exact._theta import CountPrediction, Lines, Mixture, Theta, ThetaPrediction
from pooling.exact.posterior import Posterior

_OUTER_GRID = _nested.far_grid(30, 1.0, 200)
_INNER_GRID = _nested.far_grid(40, 0.5, 400)
# Tails that fall more slowly are not negligible at the grids' ends.
_SLOWEST, _SLOWEST_INSIDE = 28 / 200, 28 / 400
_OUTER_POINTS, _INNER_POINTS = 40, 32
# The rule's inner points suffice where theta's kernel is this wide, in sds of mu.
_WIDE = 0.75
# From this alpha or kappa on theta is so close to mu that windows are short.
_STRONG = 2000.0
_SIZES_A_NODE = 4
# Logarithms of numbers that are numbers; what lies beyond has no mass to speak of.
_NUMBERS = -690.0, 690.0
_SHARES = 0.01, 0.25, 0.5, 0.75, 0.99
_BLOCK = 2**20


class Plane(NamedTuple):
    """The hyperparameters as one scalar quantity and a coordinate beside it.

    Both coordinates, u of the quantity and v, run over the whole line.
    """

    core: Callable  # (u, v) to the model's own two coordinates and a log Jacobian
    value: Callable  # u to the quantity
    coordinate: Callable  # the quantity to u
    log_slope: Callable  # u to the log of the derivative of the quantity
    ends: tuple  # the smallest and the largest value
    marks: np.ndarray  # u where a prior may change abruptly
    inner_marks: Callable  # u (S,) to v (S, M) where a prior may change abruptly


def positive_plane(core, marks, inner_marks, ends=(0.0, np.inf)):
    """The plane of a quantity whose logarithm is the outer coordinate."""

    def log(x):
        with np.errstate(divide="ignore"):
            return np.log(x)

    return Plane(core, np.exp, log, lambda u: u, ends, marks, inner_marks)


def everywhere(marks):
    """The same inner marks for every u."""
    return lambda u: np.broadcast_to(marks, (len(u), len(marks)))


def with_middles(points):
    """Points, and those halfway between them on a logarithmic scale."""
    points = np.sort(points)
    return np.concatenate([points, np.sqrt(points[1:] * points[:-1])])


def inner_bounds(prior, last=np.inf):
    """Ends of a prior's support that are not those of all that is possible."""
    return np.array([x for x in prior.bounds() if 0 < x < last])


def from_log(log_x):
    """Exponentials, at the nearest number where they are none."""
    return np.exp(np.clip(log_x, *_NUMBERS))


class Model(NamedTuple):
    """Data, priors and coordinates of a model of groups with conjugate priors."""

    y: np.ndarray  # (J,) counts
    size: np.ndarray  # (J,) trials or exposures
    kernel: object  # what theta is like, given the hyperparameters: see `_kernels`
    log_posterior: Callable  # of the two coordinates, up to the priors' constants
    quantities: Callable  # of the two coordinates: a dict of alpha, beta and others
    planes: dict  # the name of each scalar quantity, and its Plane
    first: str  # the one whose plane theta rests on
    priors: tuple  # of the objects in `_priors`
    corners: tuple  # coordinates where the bounds of both priors meet
    size_of_terms: float  # that the log likelihood is a sum of
    bounded: tuple = ()  # names of the scalars that have all moments

    @property
    def width(self):
        """Width of the first panels."""
        return 1.5 / np.sqrt(2 * len(self.y))

    @property
    def prior_names(self):
        return " or ".join(prior.name for prior in self.priors)


class Conjugate(Posterior):
    """What the posteriors of the beta-binomial and the gamma-Poisson model share."""

    _size_name = "size"

    def __init__(self, model, dim, labels):
        groups = len(model.y)
        names = dict.fromkeys(model.planes, ())
        super().__init__(
            dims=names | {"theta": (dim,)}, sizes={dim: groups}, coords=labels
        )
        self._model = model
        self._plane = model.planes[model.first]
        self._kept = {}
        for prior in model.priors:
            prior.require_density(1.0)
        with _quadrature.naming(model.prior_names):
            self._outer, _ = self._marginal(model.first)
            _require_proper_inside(model, self._plane, self._outer)

    def __repr__(self):
        groups = len(self._model.y)
        return f"<{type(self).__name__} of {groups} group{'s'[: groups != 1]}>"

    @property
    def log_evidence(self) -> float:
        masses = sum(prior.log_mass(1.0) for prior in self._model.priors)
        return float(self._outer.log_totals[0, 0] - masses)

    def sample(self, draws: int, rng: np.random.Generator) -> xr.Dataset:
        draws, rng = _check.whole_number("draws", draws), _check.generator("rng", rng)
        model, q = self._model, rng.random((2, draws))
        u, v = _nested.pairs(self._outer, self._inner, *q)
        found = model.quantities(*self._plane.core(u, v)[:2])
        alpha, beta = found["alpha"][:, None], found["beta"][:, None]
        given = model.kernel.given(alpha, beta, model.y, model.size)
        found["theta"] = model.kernel.draw(rng, *given)
        return xr.Dataset(
            {name: (("sample", *self.dims[name]), found[name]) for name in self.dims},
            self.coords,
        )

    def _predict(self, group, size):
        """The prediction of theta, or of counts of some size, for some groups."""
        label, (dim,) = np.asarray(group), self.dims["theta"]
        labels = self.coords.get(dim, np.arange(self.sizes[dim]))
        position = _groups.match("group", group, labels)
        model, known = self._model, position >= 0
        kinds = [np.where(known, a[position], 0.0) for a in (model.y, model.size)]
        coords = {dim: ("row", label)} if label.ndim else {}
        carried = ("row",) * label.ndim, label.shape, coords

        def moments():
            found = np.array([f()[position] for f in self._moments("theta")])
            if not known.all():
                found[:, ~known] = np.array(self._new_group())[:, None]
            return found

        if size is None:
            return ThetaPrediction(carried, self._theta, kinds, moments)
        size = model.kernel.checked_size(self._size_name, size)
        kinds.append(_check.one_a_label(self._size_name, size, label))
        return CountPrediction(carried, self._theta, kinds, moments)

    def _marginal(self, name):
        """Nodes of a scalar quantity, and which of its moments are finite."""
        if name not in self._kept:
            marks = self._model.planes[name].marks
            if self._kept:
                marks = np.concatenate([marks, *self._whereabouts(name)])
            self._kept[name] = _integrate(self._model, name, marks)
        return self._kept[name]

    def _whereabouts(self, name):
        """Outer coordinates of a quantity where there is mass, and at kinks."""
        model, (u, weight, _, v, inner_weight) = self._model, self._rule
        coordinate = model.planes[name].coordinate
        found = model.quantities(*self._plane.core(u[:, None], v)[:2])[name]
        weight = (weight[:, None] * inner_weight).ravel()
        found = np.broadcast_to(found, v.shape).ravel()
        order = np.argsort(found)
        place = np.searchsorted(np.cumsum(weight[order]), _SHARES)
        kinks = model.quantities(*np.broadcast_arrays(*model.corners))[name].ravel()
        return coordinate(found[order][place]), coordinate(kinks)

    def _moments(self, name):
        if name == "theta":
            return self._moments_of_theta
        with _quadrature.naming(self._model.prior_names):
            nodes, tail = self._marginal(name)
        value = self._model.planes[name].value(nodes.x[0])
        return scale_moments(
            value, nodes.weight[0], tail, name, self._model.prior_names
        )

    def _quantiles(self, name, q):
        if name == "theta":
            kinds = [np.tile(a, len(q)) for a in (self._model.y, self._model.size)]
            found = self._theta.quantile(kinds, np.repeat(q, len(self._model.y)))
            return found.reshape(len(q), -1)
        plane, (nodes, _) = self._model.planes[name], self._marginal(name)
        u = _quadrature.quantile(nodes, np.zeros(len(q), int), q)
        return np.select([q == 0, q == 1], plane.ends, plane.value(u))

    def _cdf(self, name, index, x):
        if name == "theta":
            return self._theta.cdf(self._kinds(index), x)
        plane, (nodes, _) = self._model.planes[name], self._marginal(name)
        low, high = plane.ends
        inside = (x > low) & (x < high)
        p = np.where(x >= high, 1.0, 0.0)
        u = plane.coordinate(x[inside])
        p[inside] = _quadrature.cdf(nodes, np.zeros(len(u), int), u)
        return p

    def _density(self, name, index, x):
        if name == "theta":
            return np.exp(self._theta.log_density_at(self._kinds(index), x))
        plane, (nodes, _) = self._model.planes[name], self._marginal(name)
        low, high = plane.ends
        found, inside = np.zeros(x.shape), (x >= low) & (x <= high)
        if inside.any():
            with np.errstate(divide="ignore"):
                u = np.clip(plane.coordinate(x[inside]), *_OUTER_GRID[[0, -1]])
            log_p = _log_totals(self._model, plane, u) - nodes.log_totals[0, 0]
            found[inside] = np.exp(log_p - plane.log_slope(u))
        return found

    def _kinds(self, index):
        return [self._model.y[index], self._model.size[index]]

    @cached_property
    def _inner(self):
        """Nodes along the line of each node of the first plane's outer coordinate."""
        return _integrate_inside(self._model, self._plane, self._outer.x[0])

    @cached_property
    def _rule(self):
        """A Gauss rule of the first plane.

        Its outer points and weights, and the inner nodes, points and weights at each.
        """
        u, weight = _few_points(self._outer, _OUTER_POINTS)
        u, weight = u[0][weight[0] > 1e-13], weight[0][weight[0] > 1e-13]
        with _quadrature.naming(self._model.prior_names):
            inner = _integrate_inside(self._model, self._plane, u)
        return u, weight / weight.sum(), inner, *_few_points(inner, _INNER_POINTS)

    def _fine_mixture(self, lines):
        """The hyperparameters at nodes between which theta's kernel has few sds."""
        model, plane, (u, weight, inner, *_) = self._model, self._plane, self._rule
        u, ends = u[lines], [inner.left[lines, 0], inner.right[lines, -1]]
        fine = model.kernel.steps(*ends, plane.value(u))
        with _quadrature.naming(model.prior_names):
            nodes = _integrate_inside(model, plane, u, fine)
        weight = weight[lines, None] * nodes.weight
        return self._weighted(weight, u[:, None], nodes.x)

    def _mixture(self, lines):
        """The rule's hyperparameters on some of its lines."""
        u, weight, _, v, inner_weight = self._rule
        weight = (weight[:, None] * inner_weight)[lines]
        return self._weighted(weight, u[lines, None], v[lines])

    def _weighted(self, weight, u, v):
        """A mixture over those points of the first plane that matter."""
        found = self._model.quantities(*self._plane.core(u, v)[:2])
        keep = weight > 1e-17
        alpha, beta = (
            np.broadcast_to(found[name], weight.shape)[keep]
            for name in ("alpha", "beta")
        )
        return Mixture(weight[keep], alpha, beta)

    @cached_property
    def _theta(self):
        model, kernel, plane = self._model, self._model.kernel, self._plane
        u, weight, inner, v, inner_weight = self._rule
        centre = np.einsum("un,un->u", v, inner_weight)
        sd = np.sqrt(np.einsum("un,un->u", (v - centre[:, None]) ** 2, inner_weight))
        strength = plane.value(u)
        sharp = sd * kernel.sharpness(strength, centre) > 1 / _WIDE
        narrow = sharp & (strength > _STRONG)
        parts = [self._mixture(~sharp)]
        if (sharp & ~narrow).any():
            parts.append(self._fine_mixture(sharp & ~narrow))
        mixture = Mixture(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        own, log_totals = u[narrow, None], inner.log_totals[narrow]

        def log_density(v):
            return _joint(model, plane, own, v) - log_totals

        lines = Lines(
            weight=weight[narrow],
            strength=kernel.capped(strength[narrow], model.y, model.size),
            low=inner.left[narrow, 0],
            high=inner.right[narrow, -1],
            log_density=log_density,
        )
        return Theta(kernel, mixture, lines, model.prior_names)

    @cached_property
    def _moments_of_theta(self):
        """Two functions for the means and sds of all groups' theta."""
        model, known = self._model, self._model.size > 0
        y, size = model.y[known], model.size[known]
        mean, variance = np.zeros((2, len(known)))
        if known.any():
            found = _by_size(self._polynomials, size)
            slope, intercept, v0, v1, v2, own, rest, mine, both = found.T
            mean[known] = intercept + slope * y
            spread = v0 + 2 * v1 * y + v2 * y**2
            left = size - y
            own = own + rest * y + mine * left + both * y * left
            variance[known] = np.maximum(spread, 0) + own

        def with_new(values, which):
            values = values.copy()
            if not known.all():
                values[~known] = self._new_group()[which]
            return values

        return (lambda: with_new(mean, 0)), (lambda: with_new(np.sqrt(variance), 1))

    def _polynomials(self, size):
        """Coefficients (S, 9) of the mean and variance of theta, as functions of y."""
        weight, alpha, beta = self._mixture(slice(None))
        slope, *own = self._model.kernel.polynomials(alpha, beta, size[:, None])
        intercept = alpha * slope
        mean_slope, mean_intercept = slope @ weight, intercept @ weight
        slope, intercept = (
            slope - mean_slope[:, None],
            intercept - mean_intercept[:, None],
        )
        squares = intercept**2, intercept * slope, slope**2
        each = [a @ weight for a in (*squares, *own)]
        return np.stack([mean_slope, mean_intercept, *each], axis=1)

    def _new_group(self):
        """Mean and sd of the theta of a group without data."""
        mean, spread = (f() for f in self._moments("mu"))
        within = np.hypot(*(f() for f in self._moments("tau")))
        return float(mean), float(np.hypot(spread, within))


def _few_points(nodes, count):
    """Gauss rules of few points for nodes, as polynomials of a bounded coordinate."""
    centre = np.einsum("rn,rn->r", nodes.weight, nodes.x)[:, None]
    spread = np.einsum("rn,rn->r", nodes.weight, (nodes.x - centre) ** 2)
    scale = 3 * np.sqrt(spread)[:, None]
    z, weight = _quadrature.gauss(
        np.tanh((nodes.x - centre) / scale), nodes.weight, count
    )
    near_one = 1 - 1e-15
    return centre + scale * np.arctanh(np.clip(z, -near_one, near_one)), weight


def _by_size(function, size):
    """``function`` (S,) to (S, C) of all sizes (J,), by as few calls as possible."""
    numbers, which = np.unique(size, return_inverse=True)
    if len(numbers) <= _SIZES_A_NODE * nodes_needed(numbers):
        return _in_blocks(function, numbers)[which]
    interpolation = Interpolation(size, numbers[0], numbers[-1])
    at_nodes = _in_blocks(function, interpolation.nodes.ravel())
    return interpolation(at_nodes.reshape(*interpolation.nodes.shape, -1))


def _in_blocks(function, size):
    step = max(1, _BLOCK // (_OUTER_POINTS * _INNER_POINTS))
    blocks = [function(size[i : i + step]) for i in range(0, len(size), step)]
    return np.concatenate(blocks)


def _joint(model, plane, u, v):
    """Log posterior density of the coordinates of a plane."""
    *core, log_jacobian = plane.core(u, v)
    return model.log_posterior(*core) + log_jacobian


def _look_inside(model, plane, u, more=None):
    def log_f(row, v):
        return _joint(model, plane, u[row, None], v)

    marks = plane.inner_marks(u)
    found = _nested.scan(log_f, _INNER_GRID, len(u), marks, moments=(0,))
    edges = _nested.edges(found, model.width, marks)
    if more is not None:
        edges = np.sort(np.concatenate([edges, more], axis=1), axis=1)
    return log_f, found, edges


def _integrate_inside(model, plane, u, more=None):
    """Nodes along the line of each u (S,), with ``more`` edges (S, M) of panels."""
    log_f, _, edges = _look_inside(model, plane, u, more)
    log_f = _quadrature.powers(log_f, (0,))
    return _quadrature.integrate(log_f, edges, len(u), size=model.size_of_terms)


def _log_totals(model, plane, u):
    """Log marginal density (S,) of the coordinate u (S,), before it is normalised."""
    log_f, found, edges = _look_inside(model, plane, u)
    some = np.flatnonzero(found.peak > -np.inf)
    totals = np.full(len(u), -np.inf)
    if some.size:
        totals[some] = _quadrature.log_integrals(
            lambda row, v: log_f(some[row], v), edges[some], model.size_of_terms
        )
    return totals


def _integrate(model, name, marks):
    """Nodes of a scalar quantity, and which of its moments are finite."""
    plane = model.planes[name]

    def log_f(row, u):
        return _log_totals(model, plane, u.ravel()).reshape(u.shape)

    bounded = name in model.bounded
    found = _nested.scan(
        log_f,
        _OUTER_GRID,
        1,
        marks,
        moments=(0,) if bounded else (0, 1, 2),
        slowest=_SLOWEST,
    )
    if name == model.first:
        _require_proper(model, found)
    if bounded:
        tail = Tail((0, 1, 2), ())
    else:
        tail = Tail(
            found=(0, *(m for m in (1, 2) if found.fall - m > _SLOWEST)),
            infinite=tuple(m for m in (1, 2) if found.fall - m <= 1e-6),
        )
    powers = (0,) if bounded else tail.found
    nodes = _quadrature.integrate(
        _quadrature.powers(log_f, powers),
        _nested.edges(found, model.width, marks),
        1,
        size=model.size_of_terms,
    )
    return nodes, tail


def _require_proper(model, found):
    """An error if the first plane's outer coordinate has no finite integral."""
    for slope, where in ((found.rise, "zero"), (found.fall, "infinity")):
        if slope <= 1e-6:
            raise ValueError(
                f"{model.prior_names} makes the posterior improper: the density does "
                f"not vanish fast enough as {model.first} goes to {where}, and the "
                "data do not rule that out; give proper priors"
            )
        if slope < _SLOWEST:
            raise ValueError(
                f"{model.prior_names} leaves a posterior too close to improper to "
                "integrate"
            )


def _require_proper_inside(model, plane, nodes):
    """An error if there is no finite integral along the lines that matter."""
    u = nodes.x[0][nodes.weight[0] > 1e-12]
    found = _look_inside(model, plane, np.linspace(u.min(), u.max(), 9))[1]
    slope = min(found.rise, found.fall)
    if slope <= 1e-6:
        raise ValueError(
            f"{model.prior_names} makes the posterior improper: where {model.first} "
            "is known the mean of the groups has no finite integral; give proper priors"
        )
    if slope < _SLOWEST_INSIDE:
        raise ValueError(
            f"{model.prior_names} leaves a posterior too close to improper to integrate"
        )
