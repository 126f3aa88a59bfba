"""The chapter on crossed and nested groups against lme4 and other integrals."""

from functools import cache

import numpy as np
import pytest
from scipy import linalg, sparse, stats

from pooling import datasets

CHAPTER = "pooling/crossed-and-nested"


def strata(mean, N, squares, ratios_of, centre, tops):
    """Posterior means and sds of tau_a, tau_b, sigma and mu for a balanced design.

    A balanced design has a sum of squares for each stratum, chi-squared with a variance
    that is a sum of the components: `ratios_of` gives these variances, the first that
    of the mean. Integrated by the rule of Gauss and Legendre, half-normal priors of
    scale 5 and mu ~ N(centre, 10).
    """
    x, w = np.polynomial.legendre.leggauss(70)
    (a, wa), (b, wb), (s, ws) = (
        ((x + 1) / 2 * (high - low) + low, w * (high - low)) for low, high in tops
    )
    a, b, s = a[:, None, None], b[:, None], s
    of_mean, *rest = ratios_of(a**2, b**2, s**2)
    log_p = -(a**2 + b**2 + s**2) / 50
    for (ss, df), v in zip(squares, rest):
        log_p = log_p - df / 2 * np.log(v) - ss / (2 * v)
    v = of_mean / N
    log_p = log_p - np.log(v + 100) / 2 - (mean - centre) ** 2 / 2 / (v + 100)
    mass = np.exp(log_p - log_p.max()) * wa[:, None, None] * wb[:, None] * ws
    mass /= mass.sum()
    precision = 1 / v + 1 / 100
    m = (mean / v + centre / 100) / precision

    def moments(x, extra=0.0):
        first = np.sum(mass * x)
        return first, np.sqrt(np.sum(mass * ((x - first) ** 2 + extra)))

    total = a**2 + b**2 + s**2
    return {
        "tau-a": moments(a),
        "tau-b": moments(b),
        "sigma": moments(s),
        "mu": moments(m, 1 / precision),
        "share-a": moments(a**2 / total),
        "share-b": moments(b**2 / total),
    }


@cache
def penicillin():
    table = datasets.load_penicillin()
    y = table.pivot(index="plate", columns="sample", values="diameter").to_numpy()
    rows, columns, mean = y.mean(axis=1), y.mean(axis=0), y.mean()
    rest = y - rows[:, None] - columns + mean
    squares = [
        (6 * np.sum((rows - mean) ** 2), 23),
        (24 * np.sum((columns - mean) ** 2), 5),
        (np.sum(rest**2), 115),
    ]
    return strata(
        mean,
        144,
        squares,
        lambda a, b, s: (s + 6 * a + 24 * b, s + 6 * a, s + 24 * b, s),
        20,
        [(0.3, 2.2), (0.4, 18), (0.4, 0.8)],
    )


@cache
def pastes(three=False):
    table = datasets.load_pastes()
    by = table.groupby(["batch", "cask"], observed=True)["strength"]
    y = np.array([group.to_numpy() for _, group in by]).reshape(10, 3, 2)
    mean, batches = y.mean(), y.mean(axis=(1, 2))
    if three:
        letters = y.mean(axis=(0, 2))
        rest = y - batches[:, None, None] - letters[None, :, None] + mean
        squares = [
            (6 * np.sum((batches - mean) ** 2), 9),
            (20 * np.sum((letters - mean) ** 2), 2),
            (np.sum(rest**2), 48),
        ]
        of = lambda a, b, s: (s + 6 * a + 20 * b, s + 6 * a, s + 20 * b, s)  # noqa: E731
        tops = [(0, 8), (0, 22), (1.8, 4.2)]
    else:
        casks = y.mean(axis=2)
        squares = [
            (6 * np.sum((batches - mean) ** 2), 9),
            (2 * np.sum((casks - batches[:, None]) ** 2), 20),
            (np.sum((y - casks[..., None]) ** 2), 30),
        ]
        of = lambda a, b, s: (s + 2 * b + 6 * a, s + 2 * b + 6 * a, s + 2 * b, s)  # noqa: E731
        tops = [(0, 10), (1.2, 7), (0.45, 1.6)]
    return strata(mean, 60, squares, of, 60, tops)


def test_fits_are_what_they_say(fits):
    records = {record["name"]: record for record in fits(CHAPTER)}
    assert list(records) == ["crossed", "zero_sum", "thirty", "three", "rated"]
    assert "ess" in records["crossed"]["failures"]
    assert not any(
        record["failures"] for name, record in records.items() if name != "crossed"
    )
    assert records["zero_sum"]["ess_bulk"] > 5 * records["crossed"]["ess_bulk"]


@pytest.mark.parametrize(
    "key,exact",
    [
        ("pen", penicillin),
        ("thirty", pastes),
        ("three", lambda: pastes(True)),
    ],
)
def test_grid_and_draws_agree_with_the_sums_of_squares(numbers, close, key, exact):
    found = {k: v for k, v in exact().items() if f"crs-{key}-{k}" in numbers}
    assert len(found) >= 3
    for name, (mean, sd) in found.items():
        got = numbers[f"crs-{key}-{name}-exact"]["value"]
        assert got == pytest.approx(mean, abs=0.01 * sd), name
        assert numbers[f"crs-{key}-{name}-sd"]["value"] == pytest.approx(sd, rel=0.02)
        close(numbers[f"crs-{key}-{name}"], mean, rounding=0.01 * sd)
    assert numbers[f"crs-{key}-gap"]["value"] < 4.5


def test_reml_of_lme4(value):
    """lme4 1.1-31, lmer, REML.

    diameter ~ 1 + (1 | plate) + (1 | sample);
    strength ~ 1 + (1 | batch / cask), and with casks a, b and c alone
    strength ~ 1 + (1 | batch) + (1 | cask);
    rating ~ 1 + service + (1 | student) + (1 | lecturer) + (1 | department).
    """
    for key, right in {
        "pen-tau-a": 0.8467,
        "pen-tau-b": 1.9316,
        "pen-sigma": 0.5499,
        "thirty-tau-a": 1.2874,
        "thirty-tau-b": 2.9041,
        "thirty-sigma": 0.8234,
        "three-tau-a": 1.8341,
        "three-tau-b": 0.3856,
        "three-sigma": 2.7030,
        "eth-tau-student": 0.3255672,
        "eth-tau-lecturer": 0.5150005,
        "eth-tau-department": 0.0831215,
        "eth-sigma": 1.1774980,
    }.items():
        # The grid of the three casks is coarse for a maximum near zero.
        near = 6e-3 if key.startswith("three") else 3e-4
        assert value[f"crs-{key}-reml"] == pytest.approx(right, abs=near), key


def test_ratings_are_near_reml(value, numbers, close):
    """lme4 as above: service -0.09264 (0.01339), intercept 3.28259 (0.02934).

    With (1 | department:service) in the place of the department, service is -0.0535
    with a standard error of 0.0445.
    """
    assert value["crs-eth-beta-exact"] == pytest.approx(-0.09264, abs=2e-4)
    assert value["crs-eth-beta-sd"] == pytest.approx(0.01339, rel=0.01)
    assert value["crs-eth-mu-exact"] == pytest.approx(3.28259, abs=1e-3)
    assert value["crs-eth-mu-sd"] == pytest.approx(0.02934, rel=0.15)
    for name in ("student", "lecturer", "department"):
        mean, sd, reml = (
            value[f"crs-eth-tau-{name}-{k}"] for k in ("exact", "sd", "reml")
        )
        assert abs(mean - reml) < 0.5 * sd
    for name in ("mu", "beta", "tau-student", "tau-lecturer", "tau-department"):
        close(numbers[f"crs-eth-{name}"], value[f"crs-eth-{name}-exact"])
    assert value["crs-eth-gap"] < 4.5
    assert value["crs-ex3-mean"] == pytest.approx(-0.0535, abs=0.01)
    assert value["crs-ex3-sd"] == pytest.approx(0.0445, rel=0.1)


def test_shares_and_correlations(value):
    for exact, names in [
        (penicillin(), {"plate": "a", "sample": "b"}),
        (pastes(), {"batch": "a", "cask": "b"}),
    ]:
        for name, letter in names.items():
            right = 100 * exact[f"share-{letter}"][0]
            assert value[f"crs-share-{name}"] == pytest.approx(right, abs=0.3)
            low, high = (value[f"crs-share-{name}-{end}"] for end in ("low", "high"))
            assert low < right < high
    student, lecturer, department = 0.10599, 0.26523, 0.00691
    total = student + lecturer + department + 1.38650
    for key, part in [
        ("lecturer", lecturer + department),
        ("department", department),
        ("both", student + department),
        ("student", student),
    ]:
        assert value[f"crs-icc-{key}"] == pytest.approx(part / total, abs=2e-3)


@cache
def lecturers():
    """Draws of the levels of lecturers, given the REML variances, without MCMC."""
    table = datasets.load_insteval()
    codes = [table[k].cat.codes.to_numpy() for k in ("student", "lecturer")]
    N, row = len(table), np.arange(len(table))
    s, lecturer = (sparse.csr_array((np.ones(N), (row, c))) for c in codes)
    service = sparse.csr_array(table["service"].to_numpy(dtype=float)[:, None])
    W = sparse.hstack([lecturer, service]).tocsr()
    y = table["rating"].to_numpy(dtype=float)
    sigma2, student2, lecturer2, department2 = 1.386501, 0.105994, 0.265226, 0.006909
    weight = 1 / (np.bincount(codes[0]) + sigma2 / student2)
    C = (s.T @ W).tocsr()
    P = (W.T @ W - C.T @ sparse.diags_array(weight) @ C).toarray() / sigma2
    h = (W.T @ y - C.T @ (weight * (s.T @ y))) / sigma2
    department = table.groupby("lecturer", observed=True)["department"].first()
    same = department.cat.codes.to_numpy()
    prior = lecturer2 * np.eye(1128) + department2 * (same[:, None] == same) + 1.0
    P[:1128, :1128] += np.linalg.inv(prior)  # mu ~ N(3, 1)
    h[:1128] += 3 * np.linalg.inv(prior).sum(axis=1)
    L = linalg.cholesky(P, lower=True)
    mean = linalg.cho_solve((L, True), h)
    z = np.random.default_rng(1).normal(size=(1129, 4000))
    draws = mean[:, None] + linalg.solve_triangular(L, z, lower=True, trans=1)
    return draws[:1128].T, np.bincount(codes[1], y) / np.bincount(codes[1])


@pytest.mark.slow
def test_ranks_of_lecturers(value):
    theta, raw = lecturers()
    place = 1 + (-theta).argsort(axis=1).argsort(axis=1)
    top = (place <= 113).mean(axis=0)
    assert value["crs-tenth"] == 113
    assert value["crs-sure"] == pytest.approx((top > 0.9).sum(), abs=4)
    assert value["crs-open"] == pytest.approx(((top > 0.1) & (top < 0.9)).sum(), abs=12)
    above = (theta > theta.mean(axis=1, keepdims=True)).mean(axis=0)
    assert value["crs-above"] == pytest.approx((above > 0.975).sum(), abs=12)
    assert value["crs-below"] == pytest.approx((above < 0.025).sum(), abs=12)
    assert value["crs-hits-raw"] == pytest.approx(
        top[np.argsort(-raw, kind="stable")[:113]].sum(), abs=2
    )
    assert value["crs-hits-level"] == pytest.approx(
        top[np.argsort(-theta.mean(axis=0))[:113]].sum(), abs=2
    )
    low, high = np.quantile(place, [0.05, 0.95], axis=0)
    assert value["crs-rank-width"] == pytest.approx(np.median(high - low), rel=0.03)


def test_lectures_of_a_lecturer_differ(value):
    """By an analysis of variance within lecturers; lme4's REML has 0.312."""
    table = datasets.load_insteval()
    lecturer, student = (table[k].cat.codes.to_numpy() for k in ("lecturer", "student"))
    lecture = table.groupby(
        ["lecturer", "semesters_ago", "service"], observed=True
    ).ngroup().to_numpy()
    y = table["rating"].to_numpy() + 0.093 * table["service"].to_numpy()
    theta, effect = np.full(lecturer.max() + 1, y.mean()), np.zeros(student.max() + 1)
    for _ in range(50):  # the modes, at lme4's sds
        left = np.bincount(lecturer, y - y.mean() - effect[student])
        theta = y.mean() + left / (np.bincount(lecturer) + (1.1775 / 0.5150) ** 2)
        left = np.bincount(student, y - theta[lecturer])
        effect = left / (np.bincount(student) + (1.1775 / 0.3256) ** 2)
    left = y - effect[student]
    n, of = np.bincount(lecture), np.zeros(lecture.max() + 1, int)
    of[lecture] = lecturer
    mean = np.bincount(lecture, left) / n
    within = np.sum(np.bincount(lecture, left**2) - n * mean**2) / np.sum(n - 1)
    size = np.bincount(lecturer)
    centre = np.bincount(lecturer, left) / size
    freedom = np.sum(np.bincount(of) - 1)
    between = np.sum(n * (mean - centre[of]) ** 2) / freedom
    typical = np.sum(size - np.bincount(of, n**2) / size) / freedom
    sd = np.sqrt((between - within) / typical)
    assert value["crs-lecture-sd"] == pytest.approx(sd, abs=4 * value["crs-lecture-se"])
    assert 0.25 < value["crs-lecture-sd"] < 0.32
    assert value["crs-lecture-wider"] > 1.1


def test_new_groups_and_ranks_of_matrices(value):
    for J in (3, 6, 30):
        t = 1.96 / np.sqrt(1 + 1 / J)
        share = stats.norm.cdf(t) - stats.norm.cdf(-t)
        assert value[f"crs-new-{J}"] == pytest.approx(100 * share)
    # Two factors that are connected: all levels, less one.
    assert value["crs-columns"] == 31 and value["crs-rank"] == 29
    mean, sd = penicillin()["mu"]
    assert value["crs-m-factor"] == pytest.approx(sd / value["crs-m-sd"], rel=0.1)
    assert value["crs-m-sd"] == pytest.approx(
        value["crs-pen-sigma-exact"] / 12, rel=0.1
    )


def test_exercises(value):
    table = datasets.load_penicillin()
    by = table.groupby("sample", observed=True)["diameter"]
    pooled = np.sqrt(by.var().mean())
    assert value["crs-ex1-sigma"] == pytest.approx(pooled, abs=0.02)
    assert value["crs-ex1-tau"] == pytest.approx(penicillin()["tau-b"][0], rel=0.05)
    assert value["crs-ex2-known"] != value["crs-ex2-new"]
    assert value["crs-ex2-forgot"] < value["crs-ex2-new"]
