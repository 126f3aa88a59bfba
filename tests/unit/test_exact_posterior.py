"""What holds for every exact posterior: interface, properties, bad input, speed."""

import doctest
from functools import cache
import subprocess
import sys
from typing import NamedTuple

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
import numpy as np
import pandas as pd
import pytest
from scipy import stats
import xarray as xr

from pooling import exact
from pooling.exact import _beta_binomial, _gamma_poisson, _normal, _varying, posterior

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # What other tests left open is found here by chance, and is not about this module.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

LABELS = np.array(list("ABCDEFGHIJ"))
TURNED = LABELS[::-1]


class Rows:
    """Data of groups as rows, for `exact.varying_intercepts`."""

    of, groups = exact.VaryingIntercepts, "a"

    @staticmethod
    def fit(y, sizes, scale=1.0, prior=1.0, order=None, names=LABELS):
        code = np.repeat(np.arange(len(sizes)), sizes)
        order = np.arange(len(code)) if order is None else order
        return exact.varying_intercepts(
            np.asarray(y)[order],
            pd.Series(names[code[order]], name="school"),
            tau_prior=stats.halfnorm(scale=prior * scale),
            sigma_prior=stats.halfnorm(scale=2 * scale),
        )

    @staticmethod
    def count(sizes):
        return sum(sizes)

    @staticmethod
    def observed(y, sizes):
        return np.array([v.mean() for v in np.split(y, np.cumsum(sizes)[:-1])])

    @staticmethod
    def levels(fit):
        return fit.mean("a").values + fit.mean("beta").values

    #: How a quantity moves when a constant is added to the data.
    shifted = {"beta": 1, "a": 0, "tau": 0, "sigma": 0}


class Estimates:
    """Estimates with known standard errors, for `exact.normal_hierarchy`."""

    of, groups = exact.NormalHierarchy, "theta"

    @staticmethod
    def fit(y, sizes, scale=1.0, prior=1.0, order=None, names=LABELS):
        order = np.arange(len(sizes)) if order is None else order
        return exact.normal_hierarchy(
            np.asarray(y)[order],
            (scale / np.sqrt(sizes))[order],
            tau_prior=stats.halfnorm(scale=prior * scale),
            coords={"school": names[order]},
        )

    @staticmethod
    def count(sizes):
        return len(sizes)

    @staticmethod
    def observed(y, sizes):
        return y

    @staticmethod
    def levels(fit):
        return fit.mean("theta").values

    shifted = {"mu": 1, "theta": 1, "tau": 0}


class Successes:
    """Successes among trials, for `exact.beta_binomial`."""

    of, groups = exact.BetaBinomial, "theta"

    @staticmethod
    def data(problem):
        sizes, rng = 6 * np.array(problem.sizes), np.random.default_rng(problem.seed)
        kappa = 1 / (0.02 + problem.apart**2 / 9)
        theta = rng.beta(0.3 * kappa, 0.7 * kappa, len(sizes))
        return rng.binomial(sizes, theta), sizes

    @staticmethod
    def fit(y, sizes, prior=1.0, order=None, names=LABELS):
        order = np.arange(len(sizes)) if order is None else order
        return exact.beta_binomial(
            np.asarray(y)[order],
            np.asarray(sizes)[order],
            kappa_prior=stats.gamma(3, scale=5 * prior),
            coords={"school": names[order]},
        )


class Events:
    """Events with exposures, for `exact.gamma_poisson`."""

    of, groups = exact.GammaPoisson, "theta"

    @staticmethod
    def data(problem):
        sizes, rng = np.array(problem.sizes) / 2, np.random.default_rng(problem.seed)
        alpha = 1 / (0.02 + problem.apart**2 / 4)
        theta = rng.gamma(alpha, 3 / alpha, len(sizes))
        return rng.poisson(sizes * theta), sizes

    @staticmethod
    def fit(y, sizes, prior=1.0, order=None, names=LABELS):
        order = np.arange(len(sizes)) if order is None else order
        return exact.gamma_poisson(
            np.asarray(y)[order],
            np.asarray(sizes)[order],
            alpha_prior=stats.gamma(3, scale=prior),
            beta_prior=stats.gamma(6, scale=prior / 3),
            coords={"school": names[order]},
        )


KINDS = [Estimates, Rows]
COUNTS = [Successes, Events]
every_kind = pytest.mark.parametrize("kind", KINDS)
every_posterior = pytest.mark.parametrize("kind", KINDS + COUNTS)
quick = settings(
    max_examples=15, deadline=None, suppress_health_check=list(HealthCheck)
)


class Problem(NamedTuple):
    """What random data are drawn from, in units of the standard deviation of a row."""

    sizes: list
    seed: int
    apart: float  # the sd between groups
    prior: float  # scale of the prior of tau


problems = st.builds(
    Problem,
    st.lists(st.integers(1, 5), min_size=2, max_size=6).filter(lambda n: max(n) > 1),
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 3.0),
    st.sampled_from([0.3, 1.0, 4.0]),
)


def data(kind, problem):
    """Estimates or rows, the sizes of the groups, and arguments of `kind.fit`."""
    sizes, seed, apart, prior = problem
    if kind in COUNTS:
        y, sizes = kind.data(problem)
        return y, {"sizes": sizes, "prior": prior}
    rng = np.random.default_rng(seed)
    count = kind.count(sizes)
    each = np.repeat(np.arange(len(sizes)), sizes if count > len(sizes) else 1)
    level = apart * rng.normal(size=len(sizes))
    y = level[each] + rng.normal(size=count)
    return y, {"sizes": np.array(sizes), "prior": prior}


def same(
    fit, other, moved=lambda name, mean: mean, scale=1.0, rtol=1e-8, label=lambda x: x
):
    """Means and sds agree, where the groups are matched by name.

    ``label(name)`` is what `fit` calls the group that `other` calls ``name``.
    """
    for name in fit.dims:
        mean, sd = moved(name, fit.mean(name)), fit.sd(name)
        if "school" in fit.dims[name]:
            order = {"school": [*map(label, other.mean(name)["school"].values)]}
            mean, sd = mean.sel(order), sd.sel(order)
        sd = np.asarray(sd) * scale
        np.testing.assert_allclose(other.sd(name), sd, rtol=rtol, err_msg=name)
        gap = np.abs(np.asarray(other.mean(name)) - np.asarray(mean))
        assert np.all(gap <= rtol * sd), name


def test_every_posterior_is_held_to_what_follows():
    exported = {getattr(exact, name) for name in exact.__all__}
    posteriors = {
        each
        for each in exported
        if isinstance(each, type) and issubclass(each, exact.Posterior)
    }
    assert posteriors - {exact.Posterior} == {kind.of for kind in KINDS + COUNTS}


@pytest.mark.slow
@every_kind
@quick
@given(problem=problems, power=st.integers(-5, 5))
def test_unit_of_the_data(kind, problem, power):
    y, given_data = data(kind, problem)
    unit = 10.0**power
    fit = kind.fit(y, **given_data)
    scaled = kind.fit(unit * y, scale=unit, **given_data)
    same(fit, scaled, lambda name, mean: unit * mean, unit)


@pytest.mark.slow
@every_kind
@quick
@given(problem=problems, constant=st.floats(-1e4, 1e4))
def test_constant_in_the_data(kind, problem, constant):
    y, given_data = data(kind, problem)
    fit, far = kind.fit(y, **given_data), kind.fit(y + constant, **given_data)
    same(fit, far, lambda name, mean: mean + kind.shifted[name] * constant)


@pytest.mark.slow
@every_posterior
@quick
@given(problem=problems, seed=st.integers(0, 1000))
def test_order_and_names_of_the_groups_do_not_matter(kind, problem, seed):
    """Other names sort the groups of rows in another order, and so do other rows."""
    y, given_data = data(kind, problem)
    order = np.random.default_rng(seed).permutation(len(y))
    fit = kind.fit(y, **given_data)
    turned = kind.fit(y, **given_data, order=order, names=TURNED)
    same(fit, turned, label=dict(zip(TURNED, LABELS, strict=True)).get)


@pytest.mark.slow
@every_kind
@quick
@given(problem=problems)
def test_groups_are_shrunk_towards_each_other(kind, problem):
    """A group's mean lies between what it shows and the common mean it would have."""
    y, given_data = data(kind, problem)
    own, level = (
        kind.observed(y, given_data["sizes"]),
        kind.levels(kind.fit(y, **given_data)),
    )
    slack = 1e-9 * np.ptp(own)
    assert own.min() - slack <= level.min() and level.max() <= own.max() + slack
    assert np.ptp(level) < np.ptp(own)


@pytest.mark.slow
@every_kind
@quick
@given(problem=problems)
def test_groups_without_differences_are_one(kind, problem):
    y, given_data = data(kind, problem)
    level = kind.levels(kind.fit(y, given_data["sizes"], prior=1e-6))
    assert np.ptp(level) < 1e-4


@pytest.mark.slow
@every_posterior
@quick
@given(problem=problems, q=st.floats(1e-6, 1 - 1e-6))
@example(problem=Problem([2, 1], 1, 0.0, 0.3), q=1e-6)
def test_quantiles_probabilities_means_and_draws_agree(kind, problem, q):
    y, given_data = data(kind, problem)
    draws, fit = 4000, kind.fit(y, **given_data)
    sample = fit.sample(draws, np.random.default_rng(1))
    for name in fit.dims:
        # A proportion's quantile may be 0 or 1 once rounded: its probability jumps.
        x = fit.quantile(name, q)
        assert np.all(fit.cdf(name, np.nextafter(x, -np.inf)) < q + 1e-8), name
        assert np.all(fit.cdf(name, np.nextafter(x, np.inf)) > q - 1e-8), name
        low, middle, high = np.asarray(fit.quantile(name, [0.02, 0.5, 0.98]))
        assert np.all((low < middle) & (middle < high)), name
        mean, sd = np.asarray(fit.mean(name)), np.asarray(fit.sd(name))
        assert np.all((low < mean) & (mean < high)), name
        # The median is at most an sd from the mean.
        assert np.all(np.abs(mean - middle) <= sd), name
        error = np.abs(sample[name].mean("sample").values - mean)
        assert np.all(error < 5 * sd / np.sqrt(draws)), name


@pytest.mark.slow
@every_kind
@quick
@given(problem=problems)
def test_prediction_of_a_known_group_is_wider_and_of_a_new_one_too(kind, problem):
    y, given_data = data(kind, problem)
    fit = kind.fit(y, **given_data)
    groups = LABELS[: len(problem.sizes)]
    known = fit.predict(groups, *([1.0] if kind is Estimates else []))
    assert np.allclose(known.mean(), kind.levels(fit), rtol=0, atol=1e-9)
    new = fit.predict("another", *([1.0] if kind is Estimates else []))
    assert new.sd() > fit.mean("tau")
    for prediction in (known, new):
        p = prediction.cdf(prediction.quantile(0.8))
        assert np.allclose(p, 0.8, rtol=0, atol=1e-9)


PROBLEM = Problem([3, 1, 4, 2], seed=8, apart=1.5, prior=1.0)


@cache
def fit_of_problem(kind):
    y, given_data = data(kind, PROBLEM)
    return kind.fit(y, **given_data)


@every_posterior
class TestInterface:
    def test_is_a_posterior(self, kind):
        assert isinstance(fit_of_problem(kind), posterior.Posterior)

    def test_labels(self, kind):
        fit = fit_of_problem(kind)
        (name,) = (n for n, dims in fit.dims.items() if dims == ("school",))
        results = [
            fit.mean(name),
            fit.sd(name),
            fit.cdf(name, 0.3),
            fit.density(name, 0.3),
            fit.quantile(name, 0.5),
            fit.sample(2, np.random.default_rng(1))[name],
        ]
        if kind not in COUNTS:
            results.append(fit.given_tau(1.0)[f"{name}_mean"])
        for found in results:
            assert isinstance(found, xr.DataArray)
            assert found["school"].values.tolist() == list("ABCD")
        assert fit.quantile(name, [0.1, 0.9])["quantile"].values.tolist() == [0.1, 0.9]

    def test_a_number_is_a_float(self, kind):
        fit = fit_of_problem(kind)
        prediction = fit.predict("A")
        for found in (
            fit.mean("tau"),
            fit.sd("tau"),
            fit.quantile("tau", 0.5),
            fit.cdf("tau", 1),
            fit.density("tau", 1),
            prediction.mean(),
            prediction.sd(),
            prediction.quantile(0.5),
            prediction.cdf(0),
            prediction.log_density(0),
        ):
            assert type(found) is float

    def test_names(self, kind):
        fit = fit_of_problem(kind)
        with pytest.raises(ValueError, match="name must be one of"):
            fit.mean("nothing")
        for method in ("quantile", "cdf", "density"):
            with pytest.raises(ValueError, match="name must be one of"):
                getattr(fit, method)("nothing", 0.5)

    def test_density_is_the_slope_of_the_distribution_function(self, kind):
        fit = fit_of_problem(kind)
        for name in fit.dims:
            x = fit.quantile(name, [0.05, 0.3, 0.6, 0.95])
            step = 1e-4 * np.asarray(fit.sd(name))
            points = np.asarray(x)
            slope = (fit.cdf(name, points + step) - fit.cdf(name, points - step)) / (
                2 * step
            )
            density = np.asarray(fit.density(name, points))
            assert np.asarray(slope) == pytest.approx(density, rel=1e-5), name

    @pytest.mark.slow
    def test_draws_agree(self, kind):
        fit, count = fit_of_problem(kind), 20_000
        draws = fit.sample(count, np.random.default_rng(4))
        for name in fit.dims:
            mean, sd = fit.mean(name), np.asarray(fit.sd(name))
            gap = np.abs(draws[name].mean("sample").values - np.asarray(mean))
            assert np.all(gap < 4.5 * sd / np.sqrt(count)), name
            for q in (0.05, 0.5, 0.95):
                share = (draws[name] <= fit.quantile(name, q)).mean("sample").values
                error = np.sqrt(q * (1 - q) / count)
                assert share == pytest.approx(q, abs=4.5 * error), name

    def test_x_by_names_of_dimensions(self, kind):
        fit = fit_of_problem(kind)
        name = kind.groups
        grid = xr.DataArray([-1.0, 0.0, 2.0], dims="grid")
        by_name, by_place = fit.cdf(name, grid), fit.cdf(name, grid.values[:, None])
        assert by_name.dims == ("grid", "school")
        assert np.array_equal(by_name, by_place)
        at_mean = fit.cdf(name, fit.mean(name))
        assert at_mean.dims == ("school",)
        with pytest.raises(ValueError, match="x does not fit"):
            fit.cdf(name, fit.mean(name).isel(school=[1, 0, 2, 3][:3]))


@every_kind
class TestGivenTau:
    def test_given_tau_averages_to_the_posterior(self, kind):
        fit = fit_of_problem(kind)
        q = (np.arange(400) + 0.5) / 400
        given = fit.given_tau(fit.quantile("tau", q).values)
        for name in set(fit.dims) - {"tau"}:
            mean = given[f"{name}_mean"]
            variance = given[f"{name}_sd"] ** 2 + (mean - mean.mean("tau")) ** 2
            assert mean.mean("tau").values == pytest.approx(
                np.asarray(fit.mean(name)), abs=2e-3
            )
            assert np.sqrt(variance.mean("tau")).values == pytest.approx(
                np.asarray(fit.sd(name)), rel=0.01
            )

    def test_without_differences_the_groups_are_one(self, kind):
        fit = fit_of_problem(kind)
        name = "theta" if kind is Estimates else "a"
        assert np.ptp(fit.given_tau(0.0)[f"{name}_mean"].values) < 1e-12

    @pytest.mark.slow
    def test_a_new_group_is_a_mixture_over_tau(self, kind):
        """Its cdf is the average of normal ones over draws of mu and tau."""
        fit = fit_of_problem(kind)
        draws = fit.sample(100_000, np.random.default_rng(5))
        centre = draws["mu" if kind is Estimates else "beta"].values.reshape(-1)
        variance = draws["tau"].values ** 2
        variance = variance + (0 if kind is Estimates else draws["sigma"].values ** 2)
        for x in (-1.0, 0.5, 2.0):
            p = stats.norm.cdf(x, centre, np.sqrt(variance))
            assert fit.predict("new").cdf(x) == pytest.approx(
                p.mean(), abs=4.5 * p.std() / np.sqrt(len(p))
            )


@pytest.mark.parametrize("module", [_normal, _varying, _beta_binomial, _gamma_poisson])
def test_examples(module):
    found = doctest.testmod(module)
    assert found.attempted > 5
    assert not found.failed


def test_labels_come_from_the_data():
    y = pd.Series([1.0, 2, 4], index=pd.Index(list("abc"), name="school"))
    for given_y in (y, xr.DataArray(y)):
        fit = exact.normal_hierarchy(
            given_y, [1, 1, 2], tau_prior=stats.halfnorm(scale=1)
        )
        assert fit.mean("theta").sel(school="b").ndim == 0
    frame = pd.DataFrame({"one": 1.0, "x": [1.0, 2, 3, 4, 6]})
    prior = stats.halfnorm(scale=1)
    fit = exact.varying_intercepts(
        [1, 2, 3, 5, 5], list("aabbc"), frame, tau_prior=prior, sigma_prior=prior
    )
    assert fit.mean("beta").sel(coefficient="x").ndim == 0
    with pytest.raises(ValueError, match="X must have the columns of the fit"):
        fit.predict(["a"], frame[["x", "one"]][:1])


def test_as_many_groups_as_are_interpolated():
    """Against sums over all groups on a grid of log(tau), to nine digits."""
    rng = np.random.default_rng(6)
    sigma = np.exp(rng.normal(0, 1.5, 3000))
    y, prior = rng.normal(0, np.hypot(0.7, sigma)), stats.halfnorm(scale=2)
    fit = exact.normal_hierarchy(y, sigma, tau_prior=prior)

    log_tau = np.linspace(np.log(0.4), np.log(1.2), 300)
    weight = 1 / (sigma[:, None] ** 2 + np.exp(2 * log_tau))
    total = weight.sum(axis=0)
    mu = (weight.T @ y) / total
    distance = y[:, None] - mu
    log_p = np.log(weight).sum(axis=0) - np.log(total)
    log_p = log_p - (weight * distance**2).sum(axis=0)
    log_p = log_p / 2 + prior.logpdf(np.exp(log_tau)) + log_tau
    p = np.exp(log_p - log_p.max())
    assert p[0] < 1e-15 and p[-1] < 1e-15
    p /= p.sum()
    back = sigma[:, None] ** 2 * weight  # how far each estimate moves to mu
    mean = y[:, None] - back * distance
    variance = sigma[:, None] ** 2 * (1 - back) + back**2 / total
    centre = mean @ p
    sd = np.sqrt((variance * p).sum(axis=1) + ((mean - centre[:, None]) ** 2) @ p)
    np.testing.assert_allclose(fit.mean("tau"), np.exp(log_tau) @ p, rtol=1e-9)
    np.testing.assert_allclose(fit.mean("mu"), mu @ p, rtol=1e-9)
    np.testing.assert_allclose(fit.mean("theta"), centre, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(fit.sd("theta"), sd, rtol=1e-9)


def test_a_saturated_design_leaves_the_priors():
    """With as many flat coefficients as rows the data say nothing of tau and sigma."""
    rng = np.random.default_rng(1)
    prior = stats.halfnorm(scale=1)
    fit = exact.varying_intercepts(
        rng.normal(size=6),
        list("aabbcc"),
        rng.normal(size=(6, 6)),
        tau_prior=prior,
        sigma_prior=stats.expon(scale=2),
    )
    assert fit.mean("tau") == pytest.approx(prior.mean(), rel=1e-8)
    assert fit.sd("sigma") == pytest.approx(2, rel=1e-8)


def test_dependent_columns_under_a_normal_prior():
    """Twice the same column is one, whose coefficient is the sum of two."""
    rng = np.random.default_rng(2)
    group, x = list("aaabbccc"), rng.normal(size=8)
    y, prior = x + rng.normal(size=8), stats.halfnorm(scale=1)
    priors = {"tau_prior": prior, "sigma_prior": prior}
    twice = exact.varying_intercepts(
        y, group, np.column_stack([x, x]), beta_prior=stats.norm(0, 1), **priors
    )
    once = exact.varying_intercepts(
        y, group, x, beta_prior=stats.norm(0, np.sqrt(2)), **priors
    )
    assert twice.log_evidence == pytest.approx(once.log_evidence, abs=1e-9)
    assert twice.mean("tau") == pytest.approx(once.mean("tau"), rel=1e-9)
    total = float(twice.mean("beta").sum())
    assert total == pytest.approx(float(once.mean("beta")[0]), rel=1e-9)


#: A million groups in a process of its own, whose memory is then known.
MILLION = """
import numpy as np
from scipy import stats
from pooling import exact
rng = np.random.default_rng(1)
J = 1_000_000
prior = stats.halfnorm(scale=2)
if {rows}:
    group = rng.permutation(np.repeat(np.arange(J), 5))
    y = rng.normal(0, 0.5, J)[group] + rng.normal(8, 1, len(group))
    X = None
    if {predictors}:
        X = np.ones((len(group), 1 + {predictors}))
        X[:, 1:] = rng.normal(size=(len(group), {predictors}))
    fit = exact.varying_intercepts(y, group, X, tau_prior=prior, sigma_prior=prior)
    mean, sd = fit.mean("a"), fit.sd("a")
else:
    sigma = np.exp(rng.normal(0, 0.5, J))
    y = rng.normal(0, 0.5, J) + sigma * rng.normal(size=J)
    fit = exact.normal_hierarchy(y, sigma, tau_prior=prior)
    mean, sd = fit.mean("theta"), fit.sd("theta")
assert mean.shape == sd.shape == (J,) and (sd > 0).all()
assert abs(fit.mean("tau") - 0.5) < 5 * fit.sd("tau")
# Not getrusage: its maximum includes what the process that started this one held.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(int(status["VmHWM"].split()[0]) / 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in kB on Linux")
@pytest.mark.parametrize(
    ("rows", "predictors"), [(False, 0), (True, 0), (True, 1), (True, 3)]
)
def test_a_million_groups_fit_into_a_gigabyte(rows, predictors):
    """All means and sds. `make bench` says how long they take."""
    done = subprocess.run(
        [sys.executable, "-c", MILLION.format(rows=rows, predictors=predictors)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < 1000


class Prior:
    """A prior with the methods that it is given."""

    def __init__(self, **methods):
        self.__dict__.update(methods)


def failing(*_):
    raise KeyError("no density here")


#: In place of the numbers of four groups.
NOT_NUMBERS = {
    "missing": [1, np.nan, 3, 4],
    "infinite": [1, np.inf, 3, 4],
    "None": [1, None, 3, 4],
    "NA": pd.array([1, None, 3, 4], dtype="Int64"),
    "masked": np.ma.array([1.0, 2, 3, 4], mask=[0, 1, 0, 0]),
    "text": pd.Series(["1", "2", "3", "four"]),
    "bytes": [b"1", b"2", b"3", b"4"],
    "complex": [1, 2j, 3, 4],
    "complex objects": np.array([1, 2 + 0j, 3, 4], object),
    "truth values": [True, False, True, True],
    "dates": pd.date_range("2020-01-01", periods=4),
    "durations": pd.to_timedelta([1, 2, 3, 4], "D"),
    "categories": pd.Categorical(["1", "2", "1", "2"]),
    "a table with text": pd.DataFrame({"a": [1, 2], "b": ["3", "4"]}),
    "fields": np.zeros(4, dtype=[("a", float)]),
    "ragged": [[1, 2], [3]],
    "empty": [],
    "no columns": np.zeros((4, 0)),
    "a mapping": {"a": 1},
    "a set": {1, 2, 3, 4},
    "a string": "1234",
    "a function": len,
    "too large": [10**400, 1, 2, 3],
    "too large for squares": [1e308, -1e308, 1e308, 1.0],
}

#: In place of a prior of a standard deviation.
NOT_PRIORS = {
    "a number": 3,
    "a name": "halfnorm",
    "no logpdf": Prior(),
    "logpdf is no function": Prior(logpdf=3),
    "not frozen": stats.halfnorm,
    "not frozen, with a shape": stats.gamma,
    "discrete": stats.poisson(3),
    "many": stats.halfnorm(scale=[1, 2, 3]),
    "many variables": stats.multivariate_normal([0, 0]),
    "negative scale": stats.halfnorm(scale=-1),
    "missing scale": stats.halfnorm(scale=np.nan),
    "negative support": stats.uniform(-5, 2),
    "a point": stats.uniform(3, 0),
    "far too narrow": stats.halfnorm(scale=1e-300),
    "far too wide": stats.halfnorm(scale=1e300),
    "missing": Prior(logpdf=lambda t: t * np.nan),
    "missing somewhere": Prior(logpdf=lambda t: np.where(t > 1, np.nan, -t)),
    "infinite": Prior(logpdf=lambda t: np.where(t > 2, np.inf, -t)),
    "nowhere": Prior(logpdf=lambda t: np.full(np.shape(t), -np.inf)),
    "None": Prior(logpdf=lambda t: None),
    "text": Prior(logpdf=lambda t: "a"),
    "complex": Prior(logpdf=lambda t: -t + 0j),
    "truth values": Prior(logpdf=lambda t: t > 1),
    "empty": Prior(logpdf=lambda t: np.array([])),
    "another shape": Prior(logpdf=lambda t: np.zeros(3)),
    "for one number only": Prior(logpdf=lambda t: -1.0 if t > 1 else 0.0),
    "failing": Prior(logpdf=failing),
    "failing support": Prior(logpdf=lambda t: -t, support=failing),
    "failing quantiles": Prior(logpdf=lambda t: -t, ppf=failing),
    "improper, growing": Prior(logpdf=lambda t: t),
    "improper, growing slowly": Prior(logpdf=lambda t: 12 * np.log(t)),
    "improper at zero": Prior(logpdf=lambda t: -1.01 * np.log(t)),
}


def known(y=(1.0, 2, 3, 5), sigma=(1.0, 1, 2, 2), **priors):
    given_priors = {"tau_prior": stats.halfnorm(scale=1)} | priors
    return exact.normal_hierarchy(y, sigma, **given_priors)


def rows(y=(1.0, 2, 3, 5), group=tuple("aabb"), X=None, **priors):
    unit = stats.halfnorm(scale=1)
    given_priors = {"tau_prior": unit, "sigma_prior": unit} | priors
    return exact.varying_intercepts(y, group, X, **given_priors)


class TestBadInput:
    """An error that names the argument, whatever is wrong: no warning and no number."""

    @pytest.mark.parametrize("what", NOT_NUMBERS)
    @pytest.mark.parametrize(
        ("function", "argument"),
        [(known, "y"), (known, "sigma"), (rows, "y"), (rows, "X")],
    )
    def test_numbers(self, function, argument, what):
        if argument == "X" and what == "truth values":
            assert rows(X=NOT_NUMBERS[what]).mean("beta").size == 1  # a dummy variable
            return
        with pytest.raises(ValueError, match=argument):
            function(**{argument: NOT_NUMBERS[what]})

    @pytest.mark.parametrize("what", NOT_PRIORS)
    @pytest.mark.parametrize(
        ("function", "argument"),
        [
            (known, "tau_prior"),
            (rows, "tau_prior"),
            (rows, "sigma_prior"),
            (known, "mu_prior"),
            (rows, "beta_prior"),
        ],
    )
    def test_priors(self, function, argument, what):
        if argument == "sigma_prior" and what == "improper at zero":
            pytest.skip("two rows a group: the likelihood vanishes at zero")
        with pytest.raises(ValueError, match=argument):
            function(**{argument: NOT_PRIORS[what]})

    @pytest.mark.parametrize(
        "prior",
        [
            stats.norm(0, np.inf),
            stats.norm(np.nan, 1),
            stats.norm(0, 1e-200),
            stats.norm(0, 1e200),
            stats.norm(1e200, 1),
            stats.norm("a", 1),
            stats.norm(1j, 1),
            stats.norm([0, 0, 0], 1),
        ],
    )
    def test_normal_priors(self, prior):
        with pytest.raises(ValueError, match="mu_prior"):
            known(mu_prior=prior)
        with pytest.raises(ValueError, match="beta_prior"):
            rows(beta_prior=prior)

    @pytest.mark.parametrize(
        "sigma", [[1, 0, 1, 1], [1, -1, 1, 1], [1e-120, 1, 1, 1], [5e-324] * 4]
    )
    def test_standard_errors(self, sigma):
        with pytest.raises(ValueError, match="sigma"):
            known(sigma=sigma)

    @pytest.mark.parametrize(
        "group",
        [
            list("abc"),
            ["a", None, "b", "b"],
            [1, np.nan, 2, 2],
            [1, np.inf, 2, 2],
            pd.array(["a", pd.NA, "b", "b"]),
            pd.to_datetime(["2020", None, "2021", "2021"]),
            pd.Categorical(list("aabb"), list("abc")),
            pd.Categorical([None, "a", "b", "b"]),
            np.ma.array([1, 1, 2, 2], mask=[1, 0, 0, 0]),
            np.array(["a", 1, "b", "b"], object),
            np.zeros((4, 2), int),
            np.array([1j] * 4),
            np.array([{}, {}, {}, {}], object),
            [[1], [1, 2], [2], [2]],
            "aabb",
            3,
            pd.Series(list("aabb"), name="tau"),
            pd.Series(list("aabb"), name="sample"),
        ],
    )
    def test_groups(self, group):
        with pytest.raises(ValueError, match="group"):
            rows(group=group)

    @pytest.mark.parametrize(
        "X",
        [
            np.ones((3, 1)),
            np.ones((4, 1, 1)),
            np.ones((4, 2)),
            np.zeros((4, 1)),
            np.arange(24.0).reshape(4, 6) ** 2,
            np.column_stack([np.ones(4), 1e200 * np.arange(4)]),
            pd.DataFrame({"one": 1.0, "text": list("abcd")}),
            pd.DataFrame({"one": 1.0, "day": pd.date_range("2020", periods=4)}),
            pd.DataFrame({"one": 1.0, "x": [1, None, 2, 3]}),
            pd.DataFrame(np.eye(4)[:, :2], columns=["x", "x"]),
            pd.DataFrame(index=range(4)),
        ],
    )
    def test_predictors(self, X):
        with pytest.raises(ValueError, match="X"):
            rows(X=X)

    def test_labels_in_another_order(self):
        y, other = (pd.Series([1.0, 2, 3, 5], index=list(i)) for i in ("abcd", "abdc"))
        with pytest.raises(ValueError, match="sigma must have the labels of y"):
            known(y, other)
        with pytest.raises(ValueError, match="group must have the index of y"):
            rows(y, pd.Series(list("aabb"), index=list("abdc")))

    @pytest.mark.parametrize(
        "coords",
        [
            3,
            {"s": list("abc")},
            {"s": list("aabc")},
            {"s": ["a", None, "b", "c"]},
            {"tau": list("abcd")},
            {"sample": list("abcd")},
            {"replication": list("abcd")},
            {3: list("abcd")},
        ],
    )
    def test_coords(self, coords):
        with pytest.raises(ValueError, match="coords"):
            known(coords=coords)

    @pytest.mark.parametrize(
        "priors",
        [
            {"y": (1.0, 2, 3, 5), "tau_prior": None},
            {"y": (1.0, 2, 3, 5), "group": tuple("aaaa"), "tau_prior": None},
            {"y": (1.0, 1, 3, 3), "sigma_prior": Prior(logpdf=lambda s: -np.log(s))},
            {"y": (1.0,) * 4, "sigma_prior": Prior(logpdf=lambda s: -np.log(s))},
            {"group": tuple("abcd"), "sigma_prior": Prior(logpdf=lambda s: -np.log(s))},
        ],
    )
    def test_improper_posteriors(self, priors):
        with pytest.raises(ValueError, match="_prior makes the posterior improper"):
            rows(**priors)

    @pytest.mark.parametrize("fit", [known(), rows()], ids=["known", "rows"])
    @pytest.mark.parametrize(
        ("method", "arguments", "named"),
        [
            *[("quantile", ("tau", q), "q must") for q in (-0.1, 2, np.nan, "a", 1j)],
            *[("quantile", ("tau", q), "q must") for q in (None, [], True)],
            *[("cdf", ("tau", x), "x must") for x in (np.nan, "a", None, 1j, [], True)],
            *[("density", ("tau", x), "x must") for x in (np.inf, "a", None, [])],
            *[
                ("sample", (n, np.random.default_rng(1)), "draws")
                for n in (0, 1.5, "a")
            ],
            *[("sample", (2, rng), "rng") for rng in (1, None, np.random)],
            *[
                ("given_tau", (t,), "tau must")
                for t in (-1, np.nan, "a", [], [[1]], 1j)
            ],
            *[("predict", (g,), "group") for g in (None, [], [None], np.nan, [[1, 2]])],
            *[("predict", (g,), "group") for g in ({}, 1j)],
            *[("mean", (name,), "name must") for name in (None, 3, ["tau"], "x")],
        ],
    )
    def test_questions(self, fit, method, arguments, named):
        with pytest.raises(ValueError, match=named):
            getattr(fit, method)(*arguments)

    @pytest.mark.parametrize("sigma", [-1, np.nan, "a", [], [1, 2, 3], None, np.inf])
    def test_standard_errors_of_a_prediction(self, sigma):
        with pytest.raises(ValueError, match="sigma"):
            known().predict([0, 1], sigma)
