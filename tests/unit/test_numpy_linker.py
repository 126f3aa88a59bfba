"""The linker of the live cells computes what PyTensor's own Python linker does."""

import sys
from pathlib import Path

import numpy as np
import pymc as pm
import pytensor
import pytensor.tensor as pt
import pytest
from pytensor.compile.mode import OPT_FAST_COMPILE, Mode

sys.path.append(str(Path(__file__).parents[2] / "book" / "live" / "python"))
from numpy_linker import REWRITES, NumpyLinker
from pooling import datasets

PLAIN = Mode(linker="py", optimizer=OPT_FAST_COMPILE)
NUMPY = Mode(linker=NumpyLinker(), optimizer=REWRITES)
UNTOUCHED = Mode(linker=NumpyLinker(), optimizer=None)


@pytest.fixture
def rng():
    return np.random.default_rng(20)


@pytest.fixture(autouse=True)
def _no_compiler():
    with pytensor.config.change_flags(cxx=""):
        yield


def source(function):
    return function.vm.jit_fn.source


def agree(inputs, outputs, *values, mode=UNTOUCHED):
    """Hold a graph's values, types and shapes to those of the plain linker."""
    outputs = list(outputs) if isinstance(outputs, list | tuple) else [outputs]
    plain, quick = (
        pytensor.function(inputs, outputs, mode=m, on_unused_input="ignore")
        for m in (Mode(linker="py", optimizer=None), mode)
    )
    before = [np.copy(value) for value in values]
    for _ in range(2):  # the second call meets what the first has left
        for expected, found in zip(plain(*values), quick(*values), strict=True):
            assert type(found) is type(expected)
            assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
            np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-300)
    for value, old in zip(values, before, strict=True):
        np.testing.assert_array_equal(value, old)
    return quick


# ── Models ────────────────────────────────────────────────────────────────────────────


def eight_schools(centered):
    schools = datasets.load_eight_schools()
    with pm.Model(coords={"school": schools["school"]}) as model:
        mu, tau = pm.Normal("mu", 0, 20), pm.HalfCauchy("tau", 10)
        if centered:
            theta = pm.Normal("theta", mu, tau, dims="school")
        else:
            z = pm.StudentT("z", nu=4, dims="school")
            theta = pm.Deterministic("theta", mu + tau * z, dims="school")
        pm.Normal("y", theta, schools["se"], observed=schools["effect"], dims="school")
    return model


def radon():
    data = datasets.load_radon()
    county, names = data["county"].cat.codes.to_numpy(), data["county"].cat.categories
    with pm.Model(coords={"county": names}) as model:
        mu = pm.Normal("mu", 0, 2, shape=2)
        tau = pm.Exponential("tau", 1, shape=2)
        z = pm.Normal("z", dims="county")
        slope = pm.Normal("slope", mu[1], tau[1], dims="county")
        alpha = pm.Deterministic("alpha", mu[0] + tau[0] * z, dims="county")
        sigma = pm.HalfNormal("sigma", 1)
        mean = alpha[county] + slope[county] * data["floor"].to_numpy()
        pm.Normal("y", mean, sigma, observed=data["log_radon"])
    return model


def correlated():
    """Intercepts and slopes with an LKJ prior on their correlation."""
    rng = np.random.default_rng(0)
    group, x, y = np.repeat(np.arange(6), 5), rng.normal(size=30), rng.normal(size=30)
    with pm.Model() as model:
        chol, _, _ = pm.LKJCholeskyCov(
            "chol", n=2, eta=2, sd_dist=pm.HalfNormal.dist(1, shape=2)
        )
        z = pm.Normal("z", shape=(6, 2))
        b = z @ chol.T
        pm.Laplace("y", b[group, 0] + b[group, 1] * x, 1.0, observed=y)
    return model


def tumours():
    data = datasets.load_rat_tumours()
    with pm.Model() as model:
        a, b = pm.Gamma("a", 2, 0.5), pm.Gamma("b", 2, 0.1)
        theta = pm.Beta("theta", a, b, shape=len(data))
        pm.Binomial("y", data["rats"], theta, observed=data["tumours"])
    return model


def counts():
    with pm.Model() as model:
        eta = pm.Normal("eta", 0, 1, shape=4)
        bounded = pm.Uniform("bounded", -1, 2)
        pm.Poisson("n", pm.math.exp(eta + bounded), observed=[0, 3, 1, 7])
        pm.Bernoulli("yes", logit_p=eta, observed=[0, 1, 1, 0])
        pm.Potential("soft", pt.log1pexp(eta).sum() + pm.math.logsumexp(eta))
    return model


def normal_vector():
    with pm.Model() as model:
        scale = pm.InverseGamma("scale", 3, 2)
        cov = scale * np.array([[2.0, 0.5], [0.5, 1.0]])
        pm.MvNormal("x", np.zeros(2), cov, observed=[[0.1, 0.4], [1.0, -0.3]])
    return model


MODELS = {
    "centered": lambda: eight_schools(True),
    "non-centered": lambda: eight_schools(False),
    **{f.__name__: f for f in (radon, correlated, tumours, counts, normal_vector)},
}


@pytest.mark.parametrize("name", MODELS)
def test_log_density_and_gradient(name, rng):
    model = MODELS[name]()
    plain, quick = (
        model.logp_dlogp_function(ravel_inputs=True, mode=mode)._pytensor_function
        for mode in (PLAIN, NUMPY)
    )
    size = sum(value.size for value in model.initial_point().values())
    for scale in (0, 0.1, 1, 2):
        x = rng.normal(size=size) * scale
        (logp, gradient), (found, found_gradient) = plain(x), quick(x)
        assert found.shape == () and found.dtype == "float64"
        assert isinstance(found, np.ndarray)
        np.testing.assert_allclose(found, logp, rtol=1e-12)
        tolerance = 1e-12 * np.abs(gradient).max()
        np.testing.assert_allclose(found_gradient, gradient, rtol=1e-12, atol=tolerance)


@pytest.mark.parametrize("name", ["non-centered", "radon", "tumours"])
def test_a_model_of_the_book_needs_few_fallbacks(name):
    function = MODELS[name]().compile_logp(mode=NUMPY).f
    fallbacks = [line for line in source(function).splitlines() if " [a" in line]
    assert len(fallbacks) <= 4
