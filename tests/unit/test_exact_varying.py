"""The exact posterior of varying intercepts, against brute force and lme4."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import dense_integrals
from pooling import datasets, exact

pytestmark = pytest.mark.filterwarnings("error")

NAMES = ("beta", "a", "tau", "sigma")


class LogDensity:
    """A prior that is nothing but a function."""

    def __init__(self, logpdf):
        self.logpdf = logpdf


def make(seed, sizes, *, slope=True, tau=1.0, sigma=0.7):
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(len(sizes)), sizes)
    x = np.column_stack([np.ones(len(group)), rng.normal(size=len(group))])
    x = x if slope else x[:, :1]
    a = rng.normal(0, tau, len(sizes))
    y = x @ [2.0, -1.0][: x.shape[1]] + a[group] + rng.normal(0, sigma, len(group))
    order = rng.permutation(len(group))
    return y[order], group[order], x[order]


CASES = {
    "weak priors": (
        make(1, [1, 2, 5, 3]),
        stats.halfnorm(scale=2),
        stats.halfnorm(scale=2),
        stats.norm(0, 5),
    ),
    "a prior for each coefficient": (
        make(2, [4, 4, 1, 6, 2]),
        stats.halfcauchy(scale=1),
        stats.expon(scale=1),
        stats.norm([1, 0], [10, 0.5]),
    ),
    "flat coefficients": (
        make(3, [3, 1, 7, 2, 2, 4]),
        stats.halfnorm(scale=1),
        stats.halfnorm(scale=3),
        None,
    ),
    "groups of one row": (
        make(4, [1] * 7, slope=False),
        stats.halfnorm(scale=1),
        stats.gamma(2, scale=1),
        stats.norm(0, 10),
    ),
    "as many groups and predictors as rows": (
        make(20, [2, 1, 1, 1, 1]),
        stats.halfnorm(scale=1),
        stats.gamma(2, scale=1),
        stats.norm(0, 3),
    ),
    "no variation between groups": (
        make(5, [4, 5, 3], tau=0.0),
        stats.halfnorm(scale=1),
        stats.halfnorm(scale=1),
        None,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_agrees_with_brute_force(case):
    (y, group, x), tau_prior, sigma_prior, beta_prior = CASES[case]
    new = y[:4] + 0.3, [*group[:2], 99, 99], x[:4] + 0.1
    problem = dense_integrals.rows(y, group, x, tau_prior, sigma_prior, beta_prior)
    moments, evidence = dense_integrals.integrals(problem)
    more = [dense_integrals.with_row(problem, *row) for row in zip(*new, strict=True)]
    predictive = [dense_integrals.integrals(each)[1] - evidence for each in more]
    fit = exact.varying_intercepts(
        y, group, x, tau_prior=tau_prior, sigma_prior=sigma_prior, beta_prior=beta_prior
    )
    for name, (mean, sd) in moments.items():
        assert np.asarray(fit.sd(name)) == pytest.approx(sd, rel=1e-6), name
        assert np.all(np.abs(fit.mean(name) - mean) <= 1e-6 * sd), name
    log_p = fit.predict(new[1], new[2]).log_density(new[0])
    assert np.asarray(log_p) == pytest.approx(predictive, abs=1e-7)
    if beta_prior is not None:
        assert fit.log_evidence == pytest.approx(evidence, abs=1e-7)


class TestRadon:
    """Weak priors against lme4's REML, whose estimates are near the mode."""

    radon = datasets.load_radon()
    x = np.column_stack([np.ones(len(radon)), radon.floor])
    prior = {"tau_prior": None, "sigma_prior": None}

    def fit(self, x, **priors):
        return exact.varying_intercepts(
            self.radon.log_radon, self.radon.county, x, **(self.prior | priors)
        )

    def test_intercept_alone(self):
        fit = self.fit(None)
        assert np.asarray(fit.mean("beta")) == pytest.approx([1.350], abs=0.003)
        assert np.asarray(fit.sd("beta")) == pytest.approx([0.047], abs=0.002)
        assert np.asarray(fit.quantile("sigma", 0.5)) == pytest.approx(0.766, abs=0.002)
        assert np.asarray(fit.quantile("tau", 0.5)) == pytest.approx(0.298, abs=0.01)

    def test_floor(self):
        fit = self.fit(self.x)
        assert np.asarray(fit.mean("beta")) == pytest.approx([1.492, -0.663], abs=0.002)
        assert np.asarray(fit.sd("beta")) == pytest.approx([0.050, 0.068], abs=0.001)
        assert np.asarray(fit.quantile("sigma", 0.5)) == pytest.approx(0.726, abs=0.002)
        assert np.asarray(fit.quantile("tau", 0.5)) == pytest.approx(0.315, abs=0.01)

    def test_uranium(self):
        fit = self.fit(np.column_stack([self.x, self.radon.log_uranium]))
        assert fit.mean("beta")[2] == pytest.approx(0.698, abs=0.01)
        assert fit.sd("beta")[2] == pytest.approx(0.088, abs=0.005)
        assert np.asarray(fit.quantile("tau", 0.5)) == pytest.approx(0.148, abs=0.012)

    def test_labels(self):
        fit = self.fit(self.x)
        assert fit.groups.tolist() == self.radon.county.cat.categories.tolist()
        draws = fit.sample(3, np.random.default_rng(1))
        assert draws.a.dims == ("sample", "county")


def test_a_fit_keeps_sums_over_groups_and_no_rows():
    """Ten thousand rows a group, or ten: the fit is as large."""
    prior = stats.halfnorm(scale=2)

    def kept(data) -> int:
        tracemalloc.start()
        fit = exact.varying_intercepts(*data, tau_prior=prior, sigma_prior=prior)
        fit.mean("a"), fit.sd("a")
        size, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return size

    few, many = make(6, [10] * 20), make(6, [10_000] * 20)
    kept(few)  # what is kept from a first call on is not the fit's
    assert kept(many) < kept(few) + many[0].nbytes / 4


class TestInvariances:
    data = make(7, [3, 5, 2, 8, 4])
    prior = stats.halfnorm(scale=2)
    fit = exact.varying_intercepts(*data, tau_prior=prior, sigma_prior=prior)

    def test_unit_of_y(self):
        y, group, x = self.data
        prior = stats.halfnorm(scale=2e6)
        far = exact.varying_intercepts(
            y * 1e6, group, x, tau_prior=prior, sigma_prior=prior
        )
        for name in NAMES:
            assert np.asarray(far.mean(name)) == pytest.approx(
                1e6 * self.fit.mean(name), rel=1e-8
            )
            assert np.asarray(far.sd(name)) == pytest.approx(
                1e6 * self.fit.sd(name), rel=1e-8
            )

    def test_constant_in_y(self):
        y, group, x = self.data
        far = exact.varying_intercepts(
            y + 1e6, group, x, tau_prior=self.prior, sigma_prior=self.prior
        )
        assert np.asarray(far.mean("a")) == pytest.approx(self.fit.mean("a"), abs=1e-8)
        assert far.mean("beta").values - [1e6, 0] == pytest.approx(
            self.fit.mean("beta"), abs=1e-8
        )

    def test_unit_of_x(self):
        y, group, x = self.data
        scaled = exact.varying_intercepts(
            y, group, x * [1, 1e6], tau_prior=self.prior, sigma_prior=self.prior
        )
        assert scaled.mean("beta").values * [1, 1e6] == pytest.approx(
            self.fit.mean("beta"), rel=1e-9
        )

    def test_order_of_rows_and_kind_of_labels(self):
        y, group, x = self.data
        order = np.random.default_rng(8).permutation(len(y))
        names = np.array(["e", "d", "c", "b", "a"])[group]
        for labels in (
            names,
            names.astype(object),
            pd.Series(names, name="g").astype("category"),
        ):
            other = exact.varying_intercepts(
                y[order],
                labels[order],
                x[order],
                tau_prior=self.prior,
                sigma_prior=self.prior,
            )
            assert list(other.groups) == list("abcde")
            assert np.asarray(other.mean("a")) == pytest.approx(
                self.fit.mean("a")[::-1], rel=1e-10
            )

    @pytest.mark.parametrize("tau_prior", [stats.halfnorm(scale=1), None])
    @pytest.mark.parametrize("groups", [5, 7])
    def test_equals_the_hierarchy_with_known_errors(self, groups, tau_prior):
        """Balanced groups and sigma known: the group means are all that matters."""
        y, group, _ = make(9, [6] * groups, slope=False)
        fit = exact.varying_intercepts(
            y, group, tau_prior=tau_prior, sigma_prior=stats.uniform(0.7, 1e-9)
        )
        known = exact.normal_hierarchy(
            np.bincount(group, y) / 6,
            np.full(groups, 0.7 / np.sqrt(6)),
            tau_prior=tau_prior,
        )
        for name, same in (("tau", "tau"), ("beta", "mu")):
            assert np.asarray(fit.mean(name)) == pytest.approx(
                known.mean(same), rel=1e-7
            )
            assert np.asarray(fit.sd(name)) == pytest.approx(known.sd(same), rel=1e-7)


class TestResults:
    data = make(10, [3, 5, 2, 8, 4, 1])
    fit = exact.varying_intercepts(
        *data, tau_prior=stats.halfnorm(scale=1), sigma_prior=stats.halfnorm(scale=1)
    )

    @pytest.mark.slow
    @pytest.mark.parametrize("name", NAMES)
    def test_draws_agree(self, name):
        draws = self.fit.sample(40_000, np.random.default_rng(11))[name]
        mean, sd = self.fit.mean(name), self.fit.sd(name)
        assert np.all(np.abs(draws.mean("sample").values - mean) < 4.5 * sd / 200)
        assert draws.std("sample").values == pytest.approx(sd, rel=0.03)
        for q in (0.05, 0.5, 0.95):
            share = (draws <= self.fit.quantile(name, q)).mean("sample").values
            assert share == pytest.approx(q, abs=4.5 * np.sqrt(q * (1 - q) / 40_000))

    def test_shapes(self):
        assert self.fit.quantile("beta", [0.1, 0.5, 0.9]).shape == (3, 2)
        assert self.fit.quantile("a", 0.5).shape == (6,)
        assert np.ndim(self.fit.quantile("sigma", 0.5)) == 0
        assert self.fit.quantile("tau", [0.1, 0.9]).shape == (2,)

    @pytest.mark.slow
    def test_prediction_integrates_to_one(self):
        grid = np.linspace(-30, 30, 601)
        for group in (0, 5, 42):
            density = self.fit.predict(group, [1, 0.5]).density(grid)
            assert float(density.sum()) * 0.1 == pytest.approx(1, abs=1e-6)

    def test_predictions_one_by_one_are_ratios_of_evidence(self):
        """p(y, y_new) / p(y), which a K-fold comparison rests on."""
        y, group, x = self.data
        priors = {
            "tau_prior": stats.halfnorm(scale=1),
            "sigma_prior": stats.halfnorm(scale=1),
            "beta_prior": stats.norm(0, 5),
        }
        fit = exact.varying_intercepts(y, group, x, **priors)
        for label in (2, 9):
            more = exact.varying_intercepts(
                [*y, 1.7], [*group, label], [*x, [1, 0.2]], **priors
            )
            assert fit.predict(label, [1, 0.2]).log_density(1.7) == pytest.approx(
                more.log_evidence - fit.log_evidence, abs=1e-8
            )

    def test_no_evidence_under_a_flat_prior(self):
        with pytest.raises(ValueError, match="log_evidence needs proper priors"):
            _ = self.fit.log_evidence


class TestHeavyTails:
    def test_three_groups_under_flat_priors(self):
        y, group, x = make(12, [6, 5, 7])
        fit = exact.varying_intercepts(y, group, x, tau_prior=None, sigma_prior=None)
        assert fit.mean("tau") == fit.sd("tau") == np.inf
        assert np.isnan(fit.mean("beta")[0])
        assert np.isfinite(fit.mean("beta")[1])  # the slope is known within groups
        assert np.isfinite(fit.sd("sigma"))

    def test_two_groups_under_a_flat_prior(self):
        with pytest.raises(ValueError, match="tau_prior makes the posterior improper"):
            exact.varying_intercepts(
                *make(13, [6, 5]), tau_prior=None, sigma_prior=stats.halfnorm(scale=1)
            )

    def test_flat_on_log_tau(self):
        with pytest.raises(ValueError, match="tau_prior makes the posterior improper"):
            exact.varying_intercepts(
                *make(14, [6, 5, 4, 4]),
                tau_prior=LogDensity(lambda t: -np.log(t)),
                sigma_prior=stats.halfnorm(scale=1),
            )

    def test_flat_on_log_sigma_will_do(self):
        y, group, x = make(15, [6, 5, 4, 4])
        fit = exact.varying_intercepts(
            y,
            group,
            x,
            tau_prior=stats.halfnorm(scale=1),
            sigma_prior=LogDensity(lambda s: -np.log(s)),
        )
        assert 0.3 < fit.mean("sigma") < 1.2

    def test_flat_on_log_sigma_without_repeats(self):
        with pytest.raises(
            ValueError, match="sigma_prior makes the posterior improper"
        ):
            exact.varying_intercepts(
                *make(16, [1] * 6),
                tau_prior=stats.halfnorm(scale=1),
                sigma_prior=LogDensity(lambda s: -np.log(s)),
            )


class TestBadInput:
    y, group, x = make(17, [3, 3, 4])
    prior = stats.halfnorm(scale=1)

    @pytest.mark.parametrize(
        ("changed", "named"),
        [
            ({"y": [np.nan] * 10}, r"y must be finite, but y\[0\] is nan"),
            ({"y": []}, "y must not be empty"),
            ({"y": ["a"] * 10}, "y must be real numbers"),
            ({"y": np.zeros((5, 2))}, r"y must have shape \(N,\)"),
            ({"group": [0, 1]}, "group must have one label a row, 10 in all"),
            ({"group": [None] * 10}, r"group\[0\] is missing"),
            ({"group": [np.nan] * 10}, r"group\[0\] is missing"),
            (
                {"group": pd.Categorical(list("abababab") + ["b", "a"], list("abc"))},
                "group has groups with no rows: 'c'",
            ),
            ({"X": np.ones((9, 2))}, r"X must have shape \(10,\) or \(10, p\)"),
            ({"X": np.ones((10, 2))}, "X must have independent columns"),
            ({"X": np.full((10, 1), np.inf)}, r"X\[0, 0\] is inf"),
            ({"X": [["a"]] * 10}, "X must be real numbers"),
            ({"X": pd.DataFrame({"x": list("abcdefghij")})}, r"X\['x'\] must be real"),
            ({"X": np.ones((10, 1, 1))}, "X must have shape"),
            ({"X": np.full((10, 1), 1e-200)}, "a column of X must lie between"),
            ({"group": pd.to_datetime([None] + ["2026"] * 9)}, r"group\[0\] is miss"),
            ({"group": np.ma.array(range(10), mask=[1] * 10)}, "group must have no"),
            ({"group": pd.Categorical([None] + ["a"] * 9)}, r"group\[0\] is missing"),
            ({"group": np.zeros((10, 1))}, "group must have one label a row"),
            ({"group": "a" * 10}, "group must have one label a row"),
            ({"y": np.arange(10) * 1e-30}, "y must vary by 1e-20 to"),
            ({"y": np.zeros(10)}, "sigma_prior makes the posterior improper"),
            ({"sigma_prior": LogDensity(lambda s: s)}, "sigma_prior makes the post"),
            ({"sigma_prior": LogDensity(lambda s: 1 / 0)}, "sigma_prior.logpdf must"),
            ({"tau_prior": 3}, "tau_prior must be None"),
            ({"sigma_prior": "wide"}, "sigma_prior must be None"),
            ({"sigma_prior": stats.uniform(-5, 2)}, "sigma_prior"),
            ({"beta_prior": stats.cauchy(0, 1)}, "beta_prior must be None"),
            ({"beta_prior": stats.norm([0, 0, 0], 1)}, "loc of beta_prior"),
            ({"beta_prior": stats.norm(0, 0)}, "scale of beta_prior"),
        ],
    )
    def test_arguments(self, changed, named):
        given = {
            "y": self.y,
            "group": self.group,
            "X": self.x,
            "tau_prior": self.prior,
            "sigma_prior": self.prior,
        }
        with pytest.raises(ValueError, match=named):
            exact.varying_intercepts(**(given | changed))

    @pytest.mark.parametrize(
        ("ask", "named"),
        [
            (lambda fit: fit.mean("theta"), "name must be one of 'beta', 'a'"),
            (lambda fit: fit.quantile("tau", 2), "q must lie between 0 and 1"),
            (
                lambda fit: fit.sample(-1, np.random.default_rng(1)),
                "draws must be at least",
            ),
            (lambda fit: fit.predict([0, 1], [[1, 1]]), r"X must have shape \(2,\)"),
            (lambda fit: fit.predict([0]), "X must be given, with 2 columns"),
            (lambda fit: fit.predict([0], [[1, 1, 1]]), "X must have 2 columns"),
            (lambda fit: fit.predict([None], [[1, 1]]), r"group\[0\] is missing"),
            (lambda fit: fit.predict([], [[1, 1]]), "group must not be empty"),
            (
                lambda fit: fit.predict([0], [[1, 1]]).log_density(np.nan),
                "x must be finite",
            ),
        ],
    )
    def test_questions(self, ask, named):
        with pytest.raises(ValueError, match=named):
            ask(TestResults.fit)
