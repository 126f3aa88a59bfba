"""What the chapter on students in schools claims, against other computations."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from pooling import datasets

CHAPTER = "why-hierarchy/students-in-schools"


class Posterior(NamedTuple):
    """Posterior means and sds, by parameter; that of beta has one entry a column."""

    mean: dict
    sd: dict


def on_a_grid(y, group, X, prior_mean, prior_sd, points=61):
    """Posterior of ``y ~ N(X beta + a[group], sigma), a ~ N(0, tau)`` on a grid.

    Given the two sds the coefficients are normal and are integrated out. The
    priors are the chapter's: tau half-normal with scale 5, sigma with scale 10.
    It shares no code with `pooling.exact`. The grid spans six posterior sds
    either way, where the trapezoidal rule is accurate to far more digits than
    the comparison needs.
    """
    n = np.bincount(group).astype(float)
    XX, Xy, yy = X.T @ X, X.T @ y, y @ y
    sums = np.stack([np.bincount(group, column) for column in X.T])
    total = np.bincount(group, y)
    prior_precision = np.diag(1 / np.square(prior_sd))

    def given(tau, sigma):
        # The inverse of sigma² I + tau² 11' in a group, by Woodbury.
        shared = tau**2 / (sigma**2 + n * tau**2)
        A = (XX - (sums * shared) @ sums.T) / sigma**2
        b = (Xy - (sums * shared) @ total) / sigma**2
        c = (yy - (shared * total) @ total) / sigma**2
        log_det = (n - 1).sum() * 2 * np.log(sigma) + np.log(
            sigma**2 + n * tau**2
        ).sum()
        precision = A + prior_precision
        h = b + prior_precision @ prior_mean
        L = np.linalg.cholesky(precision)
        mean = np.linalg.solve(precision, h)
        log_p = (
            -0.5 * (c + log_det)
            - 0.5 * prior_mean @ prior_precision @ prior_mean
            + 0.5 * h @ mean
            - np.log(np.diag(L)).sum()
            + stats.halfnorm.logpdf(tau, scale=5)
            + stats.halfnorm.logpdf(sigma, scale=10)
        )
        return log_p, mean, np.linalg.inv(precision)

    J, N = len(n), len(y)
    sigma_0 = np.sqrt((yy - (total**2 / n).sum()) / (N - J))
    centre_s, width_s = sigma_0, sigma_0 / np.sqrt(2 * (N - J))
    # The between-group sd: find its mode at sigma_0, and its curvature there.
    taus = np.geomspace(0.05, 20, 400)
    scan = np.array([given(tau, sigma_0)[0] for tau in taus])
    weight = np.exp(scan - scan.max()) * np.gradient(taus)
    weight /= weight.sum()
    centre_t = weight @ taus
    width_t = np.sqrt(weight @ (taus - centre_t) ** 2)

    offsets = np.linspace(-6, 6, points)
    grid = [
        (tau, sigma)
        for tau in centre_t + width_t * offsets
        for sigma in centre_s + width_s * offsets
        if tau > 0 and sigma > 0
    ]
    cells = [given(tau, sigma) for tau, sigma in grid]
    log_p = np.array([cell[0] for cell in cells])
    weight = np.exp(log_p - log_p.max())
    weight /= weight.sum()
    means = np.array([cell[1] for cell in cells])
    variances = np.array([np.diag(cell[2]) for cell in cells])
    scales = np.array(grid)
    mean = weight @ means
    scale_mean = weight @ scales
    scale_sd = np.sqrt(weight @ (scales - scale_mean) ** 2)
    return Posterior(
        {"beta": mean, "tau": scale_mean[0], "sigma": scale_mean[1]},
        {
            "beta": np.sqrt(weight @ (variances + (means - mean) ** 2)),
            "tau": scale_sd[0],
            "sigma": scale_sd[1],
        },
    )


@pytest.fixture(scope="module")
def students():
    return datasets.load_high_school_and_beyond()


@pytest.fixture(scope="module")
def data(students):
    """Score, school, size of the schools, and the columns that the models use."""
    score = students["math"].to_numpy()
    school = students["school"].cat.codes.to_numpy()
    catholic = (students["sector"] == "Catholic").to_numpy().astype(float)
    n = np.bincount(school)
    ses = students["ses"].to_numpy()
    of_school = (np.bincount(school, ses) / n)[school]
    return {
        "score": score,
        "school": school,
        "n": n,
        "x": np.bincount(school, catholic) > 0,
        "null": np.ones((len(score), 1)),
        "sector": np.column_stack([np.ones(len(score)), catholic]),
        "ses": np.column_stack([np.ones(len(score)), ses - of_school, of_school]),
        "ses and sector": np.column_stack(
            [np.ones(len(score)), ses - of_school, of_school, catholic]
        ),
    }


@pytest.fixture(scope="module")
def reference(data):
    """Call with the name of a model: its posterior on a grid."""
    found = {}

    def posterior(name):
        if name not in found:
            X = data[name]
            loc = np.zeros(X.shape[1])
            loc[0] = 12
            scale = np.full(X.shape[1], 10.0)
            found[name] = on_a_grid(data["score"], data["school"], X, loc, scale)
        return found[name]

    return posterior


def value(numbers, key):
    return numbers[f"students-{key}"]["value"]


# --------------------------------------------------- published, printed values


def test_the_data_are_those_of_the_book(numbers):
    assert value(numbers, "n") == 7185
    assert value(numbers, "schools") == 160


def test_least_squares_gives_the_published_sector_difference(numbers):
    assert numbers["students-ols"]["text"] == "2.806"
    assert numbers["students-ols-se"]["text"] == "0.159"


@pytest.mark.parametrize(
    ("key", "reml", "tolerance"),
    [
        # A posterior mean is not a REML estimate: the posterior of a scale is
        # skewed, and sds average over it. The gaps are a few hundredths of the
        # posterior sds, which are 0.24, 0.19 and 0.05.
        ("null-mu-mean", 12.637, 0.01),
        ("null-tau-mean", 2.935, 0.03),
        ("null-sigma-mean", 6.257, 0.005),
        ("exact-beta", 2.805, 0.01),
        ("exact-beta-sd", 0.439, 0.005),
        ("within", 2.191, 0.001),
        ("within-sd", 0.109, 0.001),
        ("between", 5.866, 0.01),
        ("between-sd", 0.362, 0.004),
    ],
)
def test_posteriors_come_close_to_reml(numbers, key, reml, tolerance):
    record = numbers[f"students-{key}"]
    assert record["value"] == pytest.approx(
        reml, abs=tolerance + 4 * (record["mcse"] or 0)
    )


def test_the_naive_standard_error_is_nearly_three_times_too_small(numbers):
    assert numbers["students-ratio"]["text"] == "2.8"
    assert numbers["students-deff-root"]["text"] == "2.8"


# ------------------------------------------------- exact answers, by other code


def test_the_draws_of_the_null_model_agree_with_the_grid(numbers, reference, close):
    exact = reference("null")
    pairs = [("null-mu", "beta"), ("null-tau", "tau"), ("null-sigma", "sigma")]
    for key, name in pairs:
        mean, sd = np.ravel(exact.mean[name])[0], np.ravel(exact.sd[name])[0]
        close(numbers[f"students-{key}-mean"], mean)
        close(numbers[f"students-{key}-sd"], sd)


def test_the_draws_of_the_sector_model_agree_with_the_grid(numbers, reference, close):
    exact = reference("sector")
    close(numbers["students-beta-mean"], exact.mean["beta"][1])
    close(numbers["students-beta-sd"], exact.sd["beta"][1])
    for name in ("tau", "sigma"):
        close(numbers[f"students-{name}-mean"], exact.mean[name])
        close(numbers[f"students-{name}-sd"], exact.sd[name])


@pytest.mark.parametrize(
    ("model", "column", "key"),
    [
        ("sector", 1, "exact-beta"),
        ("ses", 1, "within"),
        ("ses", 2, "between"),
        ("ses and sector", 3, "sector-given-ses"),
    ],
)
def test_exact_answers_agree_with_the_grid(numbers, reference, model, column, key):
    exact = reference(model)
    assert value(numbers, key) == pytest.approx(exact.mean["beta"][column], abs=2e-5)
    assert value(numbers, f"{key}-sd") == pytest.approx(
        exact.sd["beta"][column], abs=2e-5
    )


def test_wider_priors_change_nothing_that_is_printed_as_a_result(numbers):
    assert value(numbers, "wider-beta") == pytest.approx(
        value(numbers, "exact-beta"), abs=0.01
    )
    assert value(numbers, "wider-beta-sd") == pytest.approx(
        value(numbers, "exact-beta-sd"), abs=0.002
    )
    assert abs(value(numbers, "wider-tau")) < 0.01


def test_both_ways_to_write_the_likelihood_agree(ran):
    """The two values that the chapter prints below each other, digit by digit."""
    printed = [
        output.text
        for cell in ran(CHAPTER).cells
        for output in cell.get("outputs", [])
        if output.get("name") == "stdout" and "product, then average" in output.text
    ]
    one, other = (line.split()[-1] for line in printed[0].splitlines())
    assert one == other


def test_the_intraclass_correlation_is_that_of_its_parts(numbers, reference, close):
    exact = reference("null")
    # The ratio at the posterior means; its own mean differs by less than 0.001.
    between, within = exact.mean["tau"] ** 2, exact.mean["sigma"] ** 2
    close(numbers["students-rho-mean"], between / (between + within), rounding=0.001)


# --------------------------------------------------------------- the simulations


def design(numbers, data):
    """Sizes, and the sds that the simulation uses as true ones."""
    return data["n"], value(numbers, "tau-mean"), value(numbers, "sigma-mean")


def test_the_design_effect_is_the_ratio_of_two_variances(numbers, data):
    n, tau, sigma = design(numbers, data)
    N = n.sum()
    true = (n**2 * (tau**2 + sigma**2 / n)).sum() / N**2
    independent = (tau**2 + sigma**2) / N
    assert value(numbers, "deff") == pytest.approx(true / independent, rel=1e-9)


def test_coverage_of_students_as_rows_is_what_theory_says(numbers, data, close):
    n, tau, sigma = design(numbers, data)
    x = data["x"]
    sd = np.sqrt(
        sum(
            (n[g] ** 2 * (tau**2 + sigma**2 / n[g])).sum() / n[g].sum() ** 2
            for g in (x, ~x)
        )
    )
    se = np.sqrt((tau**2 + sigma**2) * sum(1 / n[g].sum() for g in (x, ~x)))
    expected = 100 * (2 * stats.norm.cdf(1.96 * se / sd) - 1)
    # The naive variance is itself random, by a few per cent: half a point.
    close(numbers["students-cover-ols"], expected, rounding=0.5)


def test_coverage_of_schools_as_rows_is_nominal(numbers, close):
    close(numbers["students-cover-means"], 95.0, rounding=0.5)


def test_coverage_of_the_model_is_nominal(numbers, close):
    # Its prior is not where the truth came from, and tau is one value.
    close(numbers["students-cover-model"], 95.0, rounding=0.5)


def test_the_variance_of_a_mean_hardly_depends_on_the_school(numbers, data):
    n, tau, sigma = design(numbers, data)
    ratio = (tau**2 + sigma**2 / n.min()) / (tau**2 + sigma**2 / n.max())
    assert value(numbers, "variance-ratio") == pytest.approx(ratio)


# ----------------------------------------------- random, fixed and mixed effects


def test_correlated_residuals_and_random_effects_are_one_model(numbers):
    assert value(numbers, "words-gap") < 1e-9


def test_generalised_least_squares_by_another_way(numbers, data):
    """Least squares on scores less a share of their school's mean."""
    ses = data["ses"][:, 1] + data["ses"][:, 2]
    X = np.column_stack([np.ones(len(ses)), ses, data["sector"][:, 1]])
    exact_means = on_a_grid(
        data["score"], data["school"], X, np.array([12.0, 0, 0]), np.full(3, 10.0)
    )
    tau, sigma = exact_means.mean["tau"], exact_means.mean["sigma"]
    n, school = data["n"], data["school"]
    share = (1 - sigma / np.sqrt(sigma**2 + n * tau**2))[school]

    def lessened(column):
        return column - share * (np.bincount(school, column) / n)[school]

    Z = np.stack([lessened(column) for column in X.T], axis=1)
    found = np.linalg.lstsq(Z, lessened(data["score"]))[0]
    assert value(numbers, "words-gls") == pytest.approx(found[1], abs=1e-4)
    assert value(numbers, "varying") == pytest.approx(
        exact_means.mean["beta"][1], abs=1e-4
    )
    assert value(numbers, "varying-sector") == pytest.approx(
        exact_means.mean["beta"][2], abs=1e-4
    )


def test_free_intercepts_compare_students_within_schools(numbers, data):
    deviation, score, school = data["ses"][:, 1], data["score"], data["school"]
    slope = deviation @ score / (deviation @ deviation)
    left = score - (np.bincount(school, score) / data["n"])[school] - slope * deviation
    se = np.sqrt(left @ left / (len(score) - 161) / (deviation @ deviation))
    assert value(numbers, "fe") == pytest.approx(slope)
    assert value(numbers, "fe-se") == pytest.approx(se)
    # The same slope as that of the model with the schools' mean status.
    assert value(numbers, "within") == pytest.approx(slope, abs=0.002)
    assert value(numbers, "varying") > slope + 0.1


def test_the_sector_and_some_schools_are_not_determined(numbers, data):
    columns = np.column_stack([np.eye(160), data["x"]])
    assert (value(numbers, "columns"), value(numbers, "rank")) == (161, 160)
    _, _, directions = np.linalg.svd(columns)
    assert np.abs(columns @ directions[-1]).max() < 1e-9
    free = np.abs(directions[-1]) > 1e-9
    assert (free[:160] == data["x"]).all() and free[160]


def test_slope_of_means_and_robust_error_of_status(numbers, data):
    n, school, score = data["n"], data["school"], data["score"]
    between = np.bincount(school, data["ses"][:, 2]) / n
    found = stats.linregress(between, np.bincount(school, score) / n)
    assert value(numbers, "means-ses") == pytest.approx(found.slope)
    assert value(numbers, "means-ses-se") == pytest.approx(found.stderr)
    ses = data["ses"][:, 1] + data["ses"][:, 2]
    d = ses - ses.mean()
    left = score - score.mean() - value(numbers, "ses-ols") * d
    robust = np.sqrt((np.bincount(school, d * left) ** 2).sum()) / (d @ d)
    assert value(numbers, "ses-robust-se") == pytest.approx(robust, rel=1e-6)


def test_naive_errors_of_the_pilot_and_of_ten_times_the_students(numbers):
    tau, sigma = value(numbers, "tau-mean"), value(numbers, "sigma-mean")
    for key, N in [("pilot", 800), ("students", 8000)]:
        se = np.sqrt(4 * (tau**2 + sigma**2) / N)
        assert value(numbers, f"money-{key}-se") == pytest.approx(se, rel=0.03)


def test_the_schools_that_reach_their_sector_are_counted_right(numbers, data):
    sizes, school, score = data["n"], data["school"], data["score"]
    means = np.bincount(school, score) / sizes
    sector = np.where(
        data["x"], score[data["x"][school]].mean(), score[~data["x"][school]].mean()
    )
    residual = score - sector[school]
    se = np.sqrt((residual**2).sum() / (len(score) - 2) / sizes)
    assert value(numbers, "reach") == np.sum(np.abs(means - sector) <= 1.96 * se)


def test_effective_parameters_are_the_trace_of_the_smoother(numbers, data):
    n = data["n"]
    tau, sigma = value(numbers, "null-tau-mean"), value(numbers, "null-sigma-mean")
    J = len(n)
    for key, size in [("peff", n), ("peff-five", np.full(J, 5))]:
        # theta given the school means: flat prior of mu, N(mu, tau) of theta.
        precision = np.diag(size / sigma**2) + (np.eye(J) - 1 / J) / tau**2
        smoother = np.linalg.solve(precision, np.diag(size / sigma**2))
        assert value(numbers, key) == pytest.approx(np.trace(smoother), rel=1e-9)


def test_a_covariate_within_schools_has_too_large_a_naive_error(numbers, close):
    close(
        numbers["students-textbook-ratio"],
        value(numbers, "textbook-predicted"),
    )
    z = 1.96 * value(numbers, "textbook-predicted")
    close(numbers["students-textbook-cover"], 100 * (2 * stats.norm.cdf(z) - 1))


@pytest.mark.parametrize("key", ["pilot", "students", "schools"])
def test_simulated_designs_follow_the_formula(numbers, key, close):
    close(
        numbers[f"students-money-{key}-simulated"],
        value(numbers, f"money-{key}-sd"),
    )


def test_a_meaningless_label_is_found_half_of_the_time(numbers, data, close):
    """Once more with other labels, by student and one regression at a time."""
    rng = np.random.default_rng(4)
    school, score, J = data["school"], data["score"], len(data["n"])
    found, R = 0, 600
    for _ in range(R):
        blue = rng.permutation(data["x"])[school]
        a, b = score[blue], score[~blue]
        variance = (((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / (
            len(score) - 2
        )
        se = np.sqrt(variance * (1 / len(a) + 1 / len(b)))
        found += abs(a.mean() - b.mean()) > 1.96 * se
    share = found / R
    close(
        numbers["students-blue-naive"],
        100 * share,
        mcse_ref=100 * np.sqrt(share * (1 - share) / R),
    )
    # The robust error is a large-sample one: with 160 schools a little too small.
    close(numbers["students-blue-robust"], 5.0, rounding=1.0)
    assert J == 160


def test_the_design_effect_predicts_how_often_labels_matter(numbers, data, reference):
    exact, n = reference("null"), data["n"]
    between, within = exact.mean["tau"] ** 2, exact.mean["sigma"] ** 2
    n_tilde = (n**2).sum() / n.sum()
    effect = 1 + (n_tilde - 1) * between / (between + within)
    predicted = 200 * stats.norm.sf(1.96 / np.sqrt(effect))
    assert value(numbers, "blue-predicted") == pytest.approx(predicted, abs=0.3)
    # "To within a few percentage points", with and without the sectors.
    for key in ("predicted", "given-sector"):
        assert abs(value(numbers, f"blue-{key}") - value(numbers, "blue-naive")) < 6


def test_the_robust_error_of_the_sector_is_the_sandwich(numbers, data):
    X, score, school = data["sector"], data["score"], data["school"]
    bread = np.linalg.inv(X.T @ X)
    residual = score - X @ (bread @ X.T @ score)
    scores = np.stack([np.bincount(school, X[:, k] * residual) for k in (0, 1)])
    sandwich = bread @ (scores @ scores.T) @ bread
    expected = np.sqrt(sandwich[1, 1])
    assert value(numbers, "robust-se") == pytest.approx(expected, rel=1e-9)


def test_every_fit_is_sound(fits):
    records = fits(CHAPTER)
    assert [record["name"] for record in records] == ["null", "by_sector"]
    assert all(not record["failures"] and not record["expect"] for record in records)


def test_a_coin_for_each_student_leaves_the_naive_error_right(numbers, close):
    # The halves of a school are then unequal by about the square root of its size,
    # which lets in as much of tau² as the formula counts.
    close(numbers["students-coin-ratio"], 1.0)


def test_the_smallest_school_is_shrunk_by_its_factor(numbers, data, close):
    n, score, school = data["n"], data["score"], data["school"]
    tau, sigma = value(numbers, "null-tau-mean"), value(numbers, "null-sigma-mean")
    j = n.argmin()
    share = sigma**2 / (sigma**2 + n[j] * tau**2)
    mean = score[school == j].mean()
    assert value(numbers, "small-b") == pytest.approx(share, abs=1e-9)
    assert value(numbers, "small-mean") == pytest.approx(mean)
    mu = value(numbers, "null-mu-mean")
    # B varies over the posterior, which moves the mean by less than a tenth.
    close(numbers["students-small-post"], mean + share * (mu - mean), rounding=0.1)
