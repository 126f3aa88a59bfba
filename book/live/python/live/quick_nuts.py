"""Make PyMC's NUTS faster for models whose log density is cheap, with the same draws.

The sampler, its tuning and its statistics are PyMC's own. Once the log density takes
microseconds (see ``numpy_linker``), most of a draw is spent on other things:

- each call of a density checks its input and wraps its output, though the sampler made
  the input and unwraps the output, and tells NumPy anew not to warn of overflows;
- each leapfrog step looks up BLAS's ``axpy`` again, to add vectors of a few numbers;
- the tree adds up its weights, which are single numbers, with NumPy's functions of
  arrays;
- every variable of a graph keeps the lines of code that made it.

``install`` raises ``RuntimeError`` if PyMC's functions differ from those patched here.
"""

import inspect
import math

import numpy as np
from pymc.step_methods.hmc import base_hmc, integration, nuts
import pytensor

from .numpy_linker import NumpyLinker, exp_, log_

State, RaveledVars = integration.State, integration.RaveledVars
Integrator = integration.CpuLeapfrogIntegrator
BaseHMC = base_hmc.BaseHMC


def logaddexp(x, y):
    """Return log(exp(x) + exp(y)) of two floats, as NumPy does of arrays."""
    if x == y:  # infinities too, whose difference is not a number
        return x + math.log(2)
    return max(x, y) + math.log1p(math.exp(-abs(x - y)))


class Numbers:
    """NumPy, but for the functions that the tree calls on single numbers."""

    abs, exp, isnan = staticmethod(abs), staticmethod(exp_), staticmethod(math.isnan)
    log, logaddexp = staticmethod(log_), staticmethod(logaddexp)

    def __getattr__(self, name):
        return getattr(np, name)


def density_of(function):
    """Return the function behind a compiled density, or None if it is not ours."""
    graph = getattr(function.vm, "jit_fn", None)
    if not isinstance(function.maker.linker, NumpyLinker) or function._has_updates:
        return None
    _, *shared = function.vm.inputs

    def density(q, _):
        return graph(q, *[cell[0] for cell in shared])

    return density


def quick_init(self, potential, logp_dlogp_func, *, init=Integrator.__init__):
    init(self, potential, logp_dlogp_func)
    if logp_dlogp_func._raveled_inputs and self._dtype == "float64":
        density = density_of(logp_dlogp_func._pytensor_function)
        self._logp_dlogp_func = density or self._logp_dlogp_func


def quiet_astep(self, q0, *, astep=BaseHMC.astep):
    """Take one draw. A density that overflows is a divergence, and no warning."""
    with np.errstate(all="ignore"):
        return astep(self, q0)


def quick_step(self, epsilon, state):
    """Take one leapfrog step: half of a momentum, a position, half of a momentum."""
    epsilon = float(epsilon)
    q, p, info = state.q.data, state.p, state.q.point_map_info
    p = p + 0.5 * epsilon * state.q_grad
    v = self._potential.velocity(p)
    q = q + epsilon * v
    logp, gradient = self._logp_dlogp_func(q, info)
    p += 0.5 * epsilon * gradient
    energy = float(self._potential.velocity_energy(p, v)) - float(logp)
    ahead = state.index_in_trajectory + (1 if epsilon > 0 else -1)
    return State(RaveledVars(q, info), p, v, gradient, energy, logp, ahead)


def install():
    """Patch PyMC's sampler, once."""
    if nuts.np is not np:
        return
    expected = {
        State: ["q", "p", "v", "q_grad", "energy", "model_logp", "index_in_trajectory"],
        Integrator.__init__: ["self", "potential", "logp_dlogp_func"],
        Integrator._step: ["self", "epsilon", "state"],
        BaseHMC.astep: ["self", "q0"],
        nuts._Tree._single_step: ["self", "left", "epsilon"],
    }
    for owner, names in expected.items():
        if list(inspect.signature(owner).parameters) != names:
            raise RuntimeError(
                f"PyMC's {owner.__qualname__} has changed: adapt this patch"
            )
    Integrator.__init__ = quick_init
    Integrator._step = quick_step
    BaseHMC.astep = quiet_astep
    nuts.np = Numbers()
    pytensor.config.traceback__limit = 0
