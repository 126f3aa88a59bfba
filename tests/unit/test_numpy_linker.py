"""The linker of the live cells computes what PyTensor's own Python linker does."""

import numpy as np
import pymc as pm
import pytensor
from pytensor.compile.mode import OPT_FAST_COMPILE, Mode
import pytensor.tensor as pt
import pytest

from live.numpy_linker import REWRITES, NumpyLinker
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


@pytest.mark.slow
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


def test_forward_sampling():
    model = radon()
    with model:
        draws = [
            pm.draw([model["alpha"], model["y"]], 3, random_seed=1, mode=mode)
            for mode in (PLAIN, NUMPY)
        ]
    for expected, found in zip(*draws, strict=True):
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(np.unique(draws[1][0])) == draws[1][0].size


# ── Single operations ─────────────────────────────────────────────────────────────────

x, y = pt.vectors("xy")
i, b = pt.lvector("i"), pt.vector("b", dtype="bool")
s, m, f4 = pt.scalar("s"), pt.matrix("m"), pt.fvector("f4")
X, Y = np.array([0.5, -1.5, 2.0]), np.array([3.0, 0.0, -2.0])
I3, M = np.array([2, 0, 2]), np.arange(6.0).reshape(2, 3)
VALUES = {
    x: X,
    y: Y,
    i: I3,
    b: np.array([True, False, True]),
    s: np.array(0.3),
    m: M,
    f4: X.astype("float32"),
}
x3 = pt.vector("x3", shape=(3,))
EXPRESSIONS = {
    "division by zero": x / y,
    "logarithms": [pt.log(y), pt.log1p(-x), pt.log(s - 0.3), pt.log(s - 1)],
    "overflow": [pt.exp(s * 1e4), pt.exp(x * 1e4), (s * 1e200) ** 3],
    "scalar functions": [pt.sqrt(s - 1), pt.sigmoid(-s * 1e4), 1 / (s - s), abs(-s)],
    "powers": [x**2, x**-1, s**0.5, x**3, i**2, s**x, x ** np.float32(2)],
    "integers": [i + i, i / 2, i // 2, i % 2, -i, i * x, i + np.int8(1)],
    "booleans": [b & (x > 0), ~b, b | b, (s > 0) & (s < 1), pt.invert(s > 0)],
    "comparisons": [x > y, x >= s, s <= 0.3, pt.eq(i, 2), pt.neq(x, y)],
    "float32": [f4 * 2, f4 + x, pt.exp(f4), f4.sum(), pt.switch(b, f4, 0.0)],
    "switches": [pt.switch(b, x, 0.0), pt.switch(s > 0, x, y), pt.switch(s > 0, s, 1)],
    "casts": [pt.cast(x, "int64"), pt.cast(b, "float64"), pt.cast(s, "float32")],
    "broadcasting": [x[:, None] * x[None], m + x, s + m, m * m[:, :1].sum()],
    "three at once": [x + y + s, x * y * s * s, i + i + i],
    "sums": [x.sum(), m.sum(0), m.sum(1), m.sum(), i.sum(), b.sum(), (x * y).sum()],
    "other reductions": [x.max(), m.min(1), b.all(), m.prod(), (x > 0).any()],
    "slices": [x[1:], x[::-1], x[-1], m[1, ::-2], m[:, 1], i[-1], x[i[0] :], b[1]],
    "indexing": [x[i], m[:, i], x[b], m[i - 1], x[np.array([2, 0])]],
    "joins": [pt.join(0, x, y), pt.stack([s, s + 1]), pt.concatenate([x[:1], [s]])],
    "shapes": [x.shape[0], m.shape, m.T, m.reshape((3, 2)), m.ravel(), m[None]],
    "fills": [pt.zeros(3), pt.full_like(x, s), pt.alloc(s, 2, 2), pt.ones_like(m)],
    "products": [m @ x, x @ y, m @ m.T, pt.outer(x, y)],
    "special": [pt.gammaln(x), pt.softplus(x), pt.log1mexp(-abs(x)), pt.clip(x, 0, 1)],
    "updates": [pt.set_subtensor(x[1:], 0.0), pt.inc_subtensor(x[i], y)],
    "counts": pt.inc_subtensor(pt.zeros(3)[np.array([0, 2, 2])], x3 * s) + x3,
    "no operation": [x, s, pt.constant(2.0), pt.constant([1, 2])],
    "a sum of terms": [(2 + 3 * x3**2 - x3 * s / np.array([1.0, 2, 0.5])).sum()],
    "a sum of a mean": [(-(x3 + 1) / 4).sum() + ((x3 + s) * (x3 - s)).sum()],
    "sorting": [pt.sort(x), pt.argsort(x), pt.cumsum(x)],
}
VALUES[x3] = X


@pytest.mark.parametrize("mode", [UNTOUCHED, NUMPY], ids=["as written", "rewritten"])
@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_operation(name, mode):
    agree(list(VALUES), EXPRESSIONS[name], *VALUES.values(), mode=mode)


def test_empty_vectors():
    agree([x], [x.sum(), x * 2, x[::-1], pt.exp(x), (x * x).sum()], np.array([]))


def test_sums_of_products_are_dot_products():
    quick = agree([x3, s], ((x3 * s) ** 2 / 2).sum(), X, np.array(0.3), mode=NUMPY)
    assert ".dot(" in source(quick) and "add_reduce" not in source(quick)


def test_what_is_known_to_be_one_number_is_a_plain_float():
    quick = agree([s], pt.exp(s)[None] * 2 + 1, np.array(0.3), mode=NUMPY)
    assert " * " in source(quick) and "array" not in source(quick)


@pytest.mark.parametrize(
    ("graph", "values", "error"),
    [
        (x + y, (X, Y[:2]), ValueError),
        (x + y, (X, Y[:1]), ValueError),  # would broadcast, but was not said to
        (x[5], (X, Y), IndexError),
        (pt.specify_shape(x, 2), (X, Y), AssertionError),
        (x.max(), (X[:0], Y), ValueError),
    ],
)
def test_errors_keep_their_type(graph, values, error):
    for mode in (Mode(linker="py", optimizer=None), UNTOUCHED):
        function = pytensor.function([x, y], graph, mode=mode, on_unused_input="ignore")
        with pytest.raises(error):
            function(*values)


def test_results_are_not_overwritten_by_the_next_call():
    function = pytensor.function([x, i], [x[i], pt.sort(x), x], mode=UNTOUCHED)
    first = function(X, I3)
    kept = [value.copy() for value in first]
    function(X + 1, I3)
    for value, copy in zip(first, kept, strict=True):
        np.testing.assert_array_equal(value, copy)


def test_shared_variables_are_read_and_updated():
    count = pytensor.shared(np.array(1.0))
    function = pytensor.function([s], s + count, updates={count: count * 2}, mode=NUMPY)
    assert [float(function(1.0)) for _ in range(3)] == [2.0, 3.0, 5.0]
