"""Functions of very many standard errors, from a few hundred of them.

A standard error enters a normal hierarchy through functions such as
``log(v + tau**2)`` and ``v / (v + tau**2)`` of its square v. As functions of log(v)
these are analytic up to a distance of pi from the real line, for every tau. On an
interval of length one, a polynomial through 16 Chebyshev points therefore agrees with
them to rounding: its error falls like 12**-16 (Trefethen, *Approximation Theory and
Approximation Practice*, theorem 8.2). A sum over a million groups becomes a weighted
sum over these points, and a million posterior means are evaluated from the values at
the points.
"""

from typing import NamedTuple

import numpy as np
from numpy.polynomial import chebyshev

ORDER = 16
NODES = chebyshev.chebpts1(ORDER)
#: Values at the nodes -> coefficients of the Chebyshev series.
ANALYSIS = np.linalg.inv(chebyshev.chebvander(NODES, ORDER - 1))
#: How many groups a point must stand for to be worth its overhead.
WORTH = 8
_BLOCK = 2**15


class Interpolation(NamedTuple):
    """Points from which functions of J variances can be evaluated and summed."""

    points: np.ndarray  # (M,) variances, M a multiple of ORDER
    order: np.ndarray  # (J,) the groups, sorted by the panel that they are in
    ends: np.ndarray  # (P + 1,) where each panel's groups begin and end
    place: np.ndarray  # (J,) from -1 to 1 within the panel, in that order

    def sums(self, factors):
        """Weights of the points in sums over the groups, (M, C) for ``factors`` (J, C).

        For a function f, ``sum_j factors[j, c] * f(v[j])`` is
        ``sum_m weights[m, c] * f(points[m])``.
        """
        weights = np.zeros((len(self.ends) - 1, ORDER, factors.shape[1]))
        for panel, part in self._blocks():
            series = chebyshev.chebvander(self.place[part], ORDER - 1)
            weights[panel] += series.T @ factors[self.order[part]]
        weights = np.einsum("nm,pnc->pmc", ANALYSIS, weights)
        return weights.reshape(-1, factors.shape[1])

    def evaluate(self, values):
        """Functions at the groups' variances, (J, C), from their values (M, C)."""
        values = values.reshape(len(self.ends) - 1, ORDER, -1)
        series = np.einsum("nm,pmc->pnc", ANALYSIS, values)
        found = np.empty((len(self.order), values.shape[-1]))
        for panel, part in self._blocks():
            here = chebyshev.chebvander(self.place[part], ORDER - 1) @ series[panel]
            found[self.order[part]] = here
        return found

    def _blocks(self):
        for panel, (start, stop) in enumerate(
            zip(self.ends[:-1], self.ends[1:], strict=True)
        ):
            for first in range(start, stop, _BLOCK):
                yield panel, slice(first, min(first + _BLOCK, stop))


def of_variances(variance):
    """An `Interpolation` for the variances (J,), or None where it saves no work."""
    low, high = np.log([variance.min(), variance.max()])
    panels = max(1, int(np.ceil(high - low)))
    if len(variance) < WORTH * panels * ORDER:
        return None
    edges = np.linspace(low, high, panels + 1)
    width = (high - low) / panels or 1.0
    x = (np.log(variance) - low) / width
    panel = np.minimum(x.astype(int), panels - 1)
    order = np.argsort(panel.astype(np.uint16), kind="stable")
    middle = low + width * (np.arange(panels)[:, None] + 0.5)
    return Interpolation(
        points=np.exp(middle + width / 2 * NODES).ravel(),
        order=order,
        ends=np.searchsorted(panel[order], np.arange(len(edges))),
        place=np.clip(2 * (x[order] - panel[order]) - 1, -1, 1),
    )
