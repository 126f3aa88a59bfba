"""Simulated data have the moments that their definition gives."""

import numpy as np
import pytest
from scipy import stats

from pooling import simulate

R = 4000


@pytest.fixture
def rng():
    return np.random.default_rng(20250101)


def close(value, truth, mcse):
    """Within four Monte Carlo standard errors, everywhere."""
    return (np.abs(value - truth) <= 4 * mcse).all()


def test_normal_hierarchy_has_the_moments_of_its_definition(rng):
    sigma = np.array([1.0, 3.0, 10.0])
    theta, y = simulate.normal_hierarchy(8, 5, sigma, replications=R, rng=rng)
    assert theta.shape == y.shape == (R, 3)
    assert close(theta.mean(0), 8, 5 / np.sqrt(R))
    assert close(theta.var(0, ddof=1), 25, 25 * np.sqrt(2 / R))
    assert close((y - theta).mean(0), 0, sigma / np.sqrt(R))
    assert close((y - theta).var(0, ddof=1), sigma**2, sigma**2 * np.sqrt(2 / R))
    # Errors and effects are independent, and so are groups.
    parts = np.column_stack([theta, y - theta])
    off = np.corrcoef(parts.T)[np.triu_indices(6, 1)]
    assert close(off, 0, 1 / np.sqrt(R))


def test_without_between_group_sd_all_groups_are_one(rng):
    theta, _ = simulate.normal_hierarchy(2, 0, [1, 1], replications=3, rng=rng)
    assert (theta == 2).all()


def test_the_generator_decides_the_draws():
    a, b = (
        simulate.normal_hierarchy(
            0, 1, [1, 2], replications=5, rng=np.random.default_rng(1)
        )
        for _ in range(2)
    )
    np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"mu": np.nan}, "mu"),
        ({"mu": "eight"}, "mu"),
        ({"tau": -1}, "tau"),
        ({"tau": [1, 2]}, "tau"),
        ({"sigma": [1, 0]}, "sigma"),
        ({"sigma": []}, "sigma"),
        ({"sigma": 3.0}, "sigma"),
        ({"replications": 0}, "replications"),
        ({"replications": 2.5}, "replications"),
        ({"rng": 7}, "rng"),
    ],
)
def test_normal_hierarchy_names_the_bad_argument(rng, change, name):
    good = {"mu": 0, "tau": 1, "sigma": [1, 2], "replications": 2, "rng": rng}
    with pytest.raises(ValueError, match=f"^{name} "):
        simulate.normal_hierarchy(**good | change)


SIZE = np.array([5, 40, 12, 3, 20, 8])
TREATED = np.array([True, False, True, False, False, True])


def test_clustered_has_the_moments_of_its_definition(rng):
    tau, sigma = 2.0, 6.0
    data = simulate.clustered(
        6,
        SIZE,
        intercept=10,
        effect=3,
        tau=tau,
        sigma=sigma,
        treated=TREATED,
        replications=R,
        rng=rng,
    )
    assert dict(data.sizes) == {"replication": R, "student": SIZE.sum(), "school": 6}
    sd = np.sqrt(tau**2 + sigma**2 / SIZE)
    assert close(data["mean"].mean("replication"), 10 + 3 * TREATED, sd / np.sqrt(R))
    assert close(
        data["mean"].var("replication", ddof=1), sd**2, sd**2 * np.sqrt(2 / R)
    )
    y = data["y"]
    total = tau**2 + sigma**2
    assert close(y.var("replication", ddof=1), total, total * np.sqrt(2 / R))
    # The intraclass correlation: two students of a school, and of two schools.
    icc = tau**2 / total
    together = np.corrcoef(y[:, 0], y[:, 1])[0, 1]
    apart = np.corrcoef(y[:, 0], y[:, 5])[0, 1]
    assert close(together, icc, (1 - icc**2) / np.sqrt(R))
    assert close(apart, 0, 1 / np.sqrt(R))


def test_clustered_lays_students_out_by_school(rng):
    data = simulate.clustered(
        6, SIZE, tau=1, sigma=1, treated=TREATED, replications=2, rng=rng
    )
    np.testing.assert_array_equal(data["size"], SIZE)
    np.testing.assert_array_equal(data["treated"], TREATED)
    np.testing.assert_array_equal(data["student_school"], np.repeat(range(6), SIZE))
    np.testing.assert_array_equal(data["student_treated"], np.repeat(TREATED, SIZE))
    for school in range(6):
        own = data["y"][:, data["student_school"] == school].mean("student")
        np.testing.assert_allclose(own, data["mean"][:, school], rtol=1e-12)


def test_a_fraction_of_schools_is_treated(rng):
    def count(fraction):
        data = simulate.clustered(
            10, 4, tau=1, sigma=1, treated=fraction, replications=1, rng=rng
        )
        return int(data["treated"].sum())

    assert [count(f) for f in (0.001, 0.3, 0.5, 0.999)] == [1, 3, 5, 9]


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"schools": 1}, "schools"),
        ({"schools": "ten"}, "schools"),
        ({"students_per_school": 0}, "students_per_school"),
        ({"students_per_school": 2.5}, "students_per_school"),
        ({"students_per_school": [3, 3]}, "students_per_school"),
        ({"effect": np.inf}, "effect"),
        ({"intercept": np.nan}, "intercept"),
        ({"tau": -1}, "tau"),
        ({"sigma": -1}, "sigma"),
        ({"treated": 0}, "treated"),
        ({"treated": 1.0}, "treated"),
        ({"treated": [True, False]}, "treated"),
        ({"treated": [True] * 4}, "treated"),
        ({"treated": ["a", "b", "a", "b"]}, "treated"),
        ({"replications": -1}, "replications"),
        ({"rng": None}, "rng"),
    ],
)
def test_clustered_names_the_bad_argument(rng, change, name):
    good = {
        "schools": 4,
        "students_per_school": 3,
        "tau": 1,
        "sigma": 1,
        "replications": 2,
        "rng": rng,
    }
    with pytest.raises(ValueError, match=f"^{name} "):
        simulate.clustered(**good | change)


def test_difference_is_ordinary_least_squares(rng):
    y = rng.normal(size=(3, 20))
    x = np.arange(20) % 3 == 0
    estimate, se = simulate.difference(y, x)
    for row, b, s in zip(y, estimate, se, strict=True):
        fit = stats.linregress(x.astype(float), row)
        assert b == pytest.approx(fit.slope, rel=1e-12)
        assert s == pytest.approx(fit.stderr, rel=1e-12)


@pytest.mark.parametrize(
    ("y", "treated", "name"),
    [
        ([1.0, 2.0], [0, 1], "y"),
        ([1.0, 2.0, np.nan], [0, 1, 1], "y"),
        ([1.0, 2.0, 3.0], [0, 1], "treated"),
        ([1.0, 2.0, 3.0], [0, 0, 0], "treated"),
        ([1.0, 2.0, 3.0], [0, 1, 2], "treated"),
    ],
)
def test_difference_names_the_bad_argument(y, treated, name):
    with pytest.raises(ValueError, match=f"^{name} "):
        simulate.difference(y, treated)


def test_students_cover_too_seldom_and_school_means_as_often_as_they_say(rng):
    data = simulate.clustered(
        60, 30, effect=2, tau=3, sigma=6, replications=1000, rng=rng
    )
    students = simulate.coverage(
        *simulate.difference(data["y"], data["student_treated"]), 2, df=60 * 30 - 2
    )
    schools = simulate.coverage(
        *simulate.difference(data["mean"], data["treated"]), 2, df=58
    )
    # The OLS se leaves out the design effect 1 + 29 * icc; with sd ratio k,
    # a nominal 1.96 se interval covers 2 Phi(1.96 / k) - 1.
    k = np.sqrt((3**2 + 6**2 / 30) / ((3**2 + 6**2) / 30))
    expected = 2 * stats.norm.cdf(stats.norm.ppf(0.975) / k) - 1
    assert close(students.proportion, expected, students.mcse + 0.002)
    assert close(schools.proportion, 0.95, schools.mcse)


def test_coverage_counts_the_intervals_that_hold_the_truth():
    result = simulate.coverage([0.0, 1.9, 2.1, -5.0], 1.0, 0.0)
    assert result.proportion == 0.5
    assert result.mcse == pytest.approx(0.25)
    assert type(result.proportion) is type(result.mcse) is float
    # Student's t with one degree of freedom reaches 12.7 se.
    assert simulate.coverage([0.0, 12.0], [1, 1], 0, df=1).proportion == 1


def test_coverage_works_along_the_first_axis():
    result = simulate.coverage(np.zeros((4, 2)), 1.0, [0.0, 3.0])
    np.testing.assert_array_equal(result.proportion, [1, 0])
    assert result.mcse.shape == (2,)


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"estimate": []}, "estimate"),
        ({"estimate": 1.0}, "estimate"),
        ({"estimate": [np.nan, 1]}, "estimate"),
        ({"se": [-1, 1]}, "se"),
        ({"se": [1, 1, 1]}, "se"),
        ({"se": "one"}, "se"),
        ({"truth": [1, 2, 3]}, "truth"),
        ({"level": 95}, "level"),
        ({"df": 0}, "df"),
    ],
)
def test_coverage_names_the_bad_argument(change, name):
    good = {"estimate": [0.0, 1.0], "se": [1.0, 1.0], "truth": 0.0}
    with pytest.raises(ValueError, match=f"^{name} "):
        simulate.coverage(**good | change)
