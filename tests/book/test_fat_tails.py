"""The chapter on fat tails: each of its answers, computed another way."""

import numpy as np
import pytest
from scipy import integrate, stats

from pooling import datasets, exact

CHAPTER = "open-questions/fat-tails"
NU, SCALE, MU_SD = 4, 5, 20


class RootOfInvChi2:
    """tau = sqrt(V), V ~ Inv-chi2(4, 5²)."""

    @staticmethod
    def logpdf(tau):
        return stats.invgamma(NU / 2, scale=NU * SCALE**2 / 2).logpdf(tau**2) + np.log(
            2 * tau
        )


@pytest.fixture(scope="module")
def numbers(glued):
    return glued(CHAPTER)


@pytest.fixture(scope="module")
def data():
    schools = datasets.load_eight_schools()
    return schools["effect"].to_numpy(), schools["se"].to_numpy()


@pytest.fixture(scope="module")
def hierarchy(data):
    return exact.normal_hierarchy(
        *data, mu_prior=stats.norm(0, MU_SD), tau_prior=RootOfInvChi2()
    )


def test_mixture_is_a_t(numbers):
    assert numbers["ft-worst"]["value"] < 1e-10


def test_draws_of_the_mixture(numbers, close):
    close(numbers["ft-beyond"], 5)


def test_shared_variance_makes_effects_dependent(numbers):
    edge = stats.t.ppf(0.975, NU)

    def given(g, power):  # g = 4 / V ~ chi2(4)
        outside = 2 * stats.norm.sf(edge * np.sqrt(g / NU))
        return outside**power * stats.chi2.pdf(g, NU)

    both = integrate.quad(given, 0, np.inf, args=(2,))[0]
    one = integrate.quad(given, 0, np.inf, args=(1,))[0]
    assert one == pytest.approx(0.05, abs=1e-6)
    assert numbers["ft-p-given"]["value"] == pytest.approx(100 * both / one, abs=1e-4)
    assert numbers["ft-tail-4"]["value"] == pytest.approx(100 * both / one, abs=1e-4)


INDEPENDENT = [
    ("ft-t-A", "ft-t-mcmc-A"), ("ft-t-B", "ft-t-mcmc-B"), ("ft-t-C", "ft-t-mcmc-C"),
    ("ft-t-D", "ft-t-mcmc-D"), ("ft-t-E", "ft-t-mcmc-E"), ("ft-t-F", "ft-t-mcmc-F"),
    ("ft-t-G", "ft-t-mcmc-G"), ("ft-t-H", "ft-t-mcmc-H"),
]  # fmt: skip
SHARED = [
    "ft-v-mcmc-A", "ft-v-mcmc-B", "ft-v-mcmc-C", "ft-v-mcmc-D",
    "ft-v-mcmc-E", "ft-v-mcmc-F", "ft-v-mcmc-G", "ft-v-mcmc-H",
]  # fmt: skip


@pytest.mark.parametrize("keys", INDEPENDENT)
def test_independent_t_priors(numbers, close, data, keys):
    by_grid, by_draws = keys
    j = "ABCDEFGH".index(by_grid[-1])
    y, sigma = data

    def joint(theta, power):
        likelihood = stats.norm.pdf(y[j], theta, sigma[j])
        return theta**power * likelihood * stats.t.pdf(theta, NU, 0, 10)

    ends = (y[j] - 12 * sigma[j], y[j] + 12 * sigma[j])
    moments = [
        integrate.quad(joint, *ends, args=(k,), points=[0, y[j]], epsabs=0)[0]
        for k in (1, 0)
    ]
    mean = moments[0] / moments[1]
    assert numbers[by_grid]["value"] == pytest.approx(mean, abs=1e-4)
    close(numbers[by_draws], mean)


@pytest.mark.parametrize("key", SHARED)
def test_shared_variance_by_sampling(numbers, close, hierarchy, key):
    mean = hierarchy.mean("theta").values
    close(numbers[key], mean["ABCDEFGH".index(key[-1])])


def test_fits_are_sound(fits):
    records = fits(CHAPTER)
    assert len(records) == 2
    assert not any(fit["failures"] for fit in records)


def test_everything_shared_is_the_hierarchy(numbers, hierarchy):
    assert numbers["ft-grid-gap"]["value"] < 1e-6
    mean = hierarchy.mean("theta").values
    assert numbers["ft-both-C"]["value"] == pytest.approx(mean[2])
    assert numbers["ft-logev-both"]["value"] == pytest.approx(hierarchy.log_evidence)
    assert numbers["ft-p-c-both"]["value"] == pytest.approx(
        100 * (1 - hierarchy.cdf("theta", 0.0).values[2])
    )


def test_nothing_shared_is_eight_models_of_one_school(numbers, data):
    alone = [
        exact.normal_hierarchy(
            [y], [sigma], mu_prior=stats.norm(0, MU_SD), tau_prior=RootOfInvChi2()
        )
        for y, sigma in zip(*data, strict=True)
    ]
    assert numbers["ft-logev-nothing"]["value"] == pytest.approx(
        sum(fit.log_evidence for fit in alone), abs=1e-6
    )
    assert numbers["ft-nothing-C"]["value"] == pytest.approx(
        alone[2].mean("theta").item(), abs=1e-6
    )
    assert numbers["ft-p-c-nothing"]["value"] == pytest.approx(
        100 * (1 - alone[2].cdf("theta", 0.0).item()), abs=1e-4
    )


def test_a_low_school_crosses_zero_only_with_a_shared_mean(numbers, data):
    shared = ("nothing", "variance", "mean", "both")
    value = {k: numbers[f"ft-{k}-C"]["value"] for k in shared}
    assert data[0][2] < value["nothing"] < 0
    assert data[0][2] < value["variance"] < 0
    assert min(value["mean"], value["both"]) > 0


def test_worlds(numbers, close, data):
    # No pooling errs by the mean squared standard error, whatever the world.
    plain = np.sqrt(np.mean(data[1] ** 2))
    close(numbers["ft-rmse-shared-no-pooling"], plain)
    close(numbers["ft-rmse-separate-no-pooling"], plain)
    copies = numbers["ft-rmse-shared-copies"]
    for key in ("ft-rmse-separate-copies", "ft-third-copies"):
        close(numbers[key], copies["value"], mcse_ref=copies["mcse"])
    shared = numbers["ft-rmse-shared-hierarchy"]["value"]
    separate = numbers["ft-rmse-separate-hierarchy"]["value"]
    assert shared < copies["value"] < separate


def test_flat_above_is_harmless_and_flat_below_is_not(numbers, data):
    y, sigma = data
    flat = exact.normal_hierarchy(y, sigma, tau_prior=RootOfInvChi2())
    assert numbers["ft-flat-hierarchy-c"]["value"] == pytest.approx(
        flat.mean("theta").values[2], abs=0.01
    )
    assert numbers["ft-flat-copies-c"]["value"] == pytest.approx(y[2], abs=0.01)


def test_flexibility_is_measured_by_posterior_variances(numbers, data, hierarchy):
    y, sigma = data
    alone = [
        exact.normal_hierarchy(
            [y_j], [s_j], mu_prior=stats.norm(0, MU_SD), tau_prior=RootOfInvChi2()
        ).sd("theta").item()
        for y_j, s_j in zip(y, sigma, strict=True)
    ]
    copies = np.sum(np.square(alone) / sigma**2)
    together = np.sum(hierarchy.sd("theta").values ** 2 / sigma**2)
    assert numbers["ft-free-copies"]["value"] == pytest.approx(copies, abs=1e-4)
    assert numbers["ft-free-hierarchy"]["value"] == pytest.approx(together)
    assert together < copies < 8
