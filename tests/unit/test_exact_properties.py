"""What holds for every exact posterior, whatever the data: drawn by Hypothesis."""

from typing import NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from scipy import stats

from pooling import exact

pytestmark = [
    pytest.mark.filterwarnings("error"),
    # What other tests left open is found here by chance, and is not about this module.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


class Problem(NamedTuple):
    """Groups of rows, with a unit of the data and the prior of tau in that unit."""

    y: np.ndarray
    group: np.ndarray
    unit: float
    prior: float


class KnownErrors:
    """The groups' means, with their standard errors taken as known."""

    names = ("mu", "tau", "theta")
    level, groups = "mu", "theta"
    moves_with_the_data = ("mu", "theta")

    def fit(self, problem, **priors):
        size = np.bincount(problem.group)
        mean = np.bincount(problem.group, problem.y) / size
        priors.setdefault("tau_prior", stats.halfnorm(scale=problem.prior))
        return exact.normal_hierarchy(mean, problem.unit / np.sqrt(size), **priors)


class Rows:
    """The rows themselves, with intercepts by group."""

    names = ("beta", "a", "tau", "sigma")
    level, groups = "beta", "a"
    moves_with_the_data = ("beta",)

    def fit(self, problem, **priors):
        priors.setdefault("tau_prior", stats.halfnorm(scale=problem.prior))
        return exact.varying_intercepts(
            problem.y,
            problem.group,
            sigma_prior=stats.halfnorm(scale=2 * problem.unit),
            **priors,
        )


EVERY = pytest.mark.parametrize(
    "model", [KnownErrors(), Rows()], ids=["known errors", "rows"]
)


@st.composite
def problems(draw):
    """Two to six groups of one to five rows, the first of at least three."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=2, max_size=6))
    sizes[0] += 2
    group = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    unit = 10.0 ** draw(st.integers(-4, 4))
    effect = rng.normal(0, draw(st.sampled_from([0, 0.5, 3])), len(sizes))
    y = unit * (rng.normal(effect[group], 1) + draw(st.floats(-5, 5)))
    prior = unit * draw(st.sampled_from([0.3, 1, 4]))
    return Problem(y, group, unit, prior)


def some(count: int):
    """Try a property on that many problems."""

    def decorate(test):
        test = given(problems())(test)
        slow = list(HealthCheck)
        return settings(
            max_examples=count, deadline=None, suppress_health_check=slow
        )(test)

    return decorate


@EVERY
@some(12)
def test_a_constant_added_to_the_data_moves_the_level_alone(model, problem):
    fit = model.fit(problem)
    far = model.fit(problem._replace(y=problem.y + 100 * problem.unit))
    for name in model.names:
        shift = 100 * problem.unit * (name in model.moves_with_the_data)
        close = 1e-7 * np.asarray(fit.sd(name))
        assert np.all(np.abs(far.mean(name) - fit.mean(name) - shift) <= close), name
        assert np.allclose(far.sd(name), fit.sd(name), rtol=1e-7, atol=0), name


@EVERY
@some(12)
def test_another_unit_changes_every_result_by_its_factor(model, problem):
    fit = model.fit(problem)
    y, group, unit, prior = problem
    other = model.fit(Problem(1000 * y, group, 1000 * unit, 1000 * prior))
    for name in model.names:
        sd = np.asarray(fit.sd(name))
        assert np.allclose(np.divide(other.sd(name), 1000), sd, rtol=1e-7, atol=0)
        error = np.abs(np.divide(other.mean(name), 1000) - fit.mean(name))
        assert np.all(error <= 1e-7 * sd), name


@EVERY
@some(12)
def test_the_order_of_the_groups_does_not_matter(model, problem):
    last = problem.group.max()
    fit = model.fit(problem)
    turned = model.fit(problem._replace(group=last - problem.group))
    for name in model.names:
        mean, sd = np.asarray(turned.mean(name)), np.asarray(turned.sd(name))
        if name == model.groups:
            mean, sd = mean[::-1], sd[::-1]
        close = 1e-8 * np.asarray(fit.sd(name))
        assert np.all(np.abs(mean - fit.mean(name)) <= close), name
        assert np.allclose(sd, fit.sd(name), rtol=1e-8, atol=0), name


@EVERY
@some(8)
def test_quantiles_rise_and_have_the_mean_between_them(model, problem):
    fit = model.fit(problem)
    for name in model.names:
        low, middle, high = np.asarray(fit.quantile(name, [0.02, 0.5, 0.98]))
        assert np.all((low < middle) & (middle < high)), name
        mean = np.asarray(fit.mean(name))
        assert np.all((low < mean) & (mean < high)), name
        # Chebyshev's inequality for the median.
        assert np.all(np.abs(mean - middle) <= fit.sd(name)), name


@EVERY
@some(8)
def test_groups_without_differences_are_one(model, problem):
    tiny = stats.halfnorm(scale=1e-6 * problem.unit)
    fit = model.fit(problem, tau_prior=tiny)
    level = fit.mean(model.level) if model.groups == "theta" else 0.0
    assert np.all(np.abs(fit.mean(model.groups) - level) < 1e-4 * problem.unit)


@EVERY
@some(5)
def test_draws_have_the_moments_of_the_posterior(model, problem):
    draws, fit = 4000, model.fit(problem)
    sample = fit.sample(draws, np.random.default_rng(1))
    for name in model.names:
        error = np.abs(sample[name].mean("sample").values - fit.mean(name))
        assert np.all(error < 5 * np.asarray(fit.sd(name)) / np.sqrt(draws)), name
