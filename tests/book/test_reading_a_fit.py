"""The page that reads a bad fit beside a good one: what each section promises."""

import re

import numpy as np
import pytest
from scipy import integrate, stats

import chapters
from pooling import datasets, diagnostics

PAGE = "book/reference/reading-a-fit"
#: The sections that chapters link to.
ANCHORS = {
    "reading-a-fit",
    "reading-what-a-sampler-does",
    "reading-the-line",
    "reading-two-fits",
    "reading-traces-and-ranks",
    "reading-r-hat",
    "reading-ess",
    "reading-mcse",
    "reading-divergences",
    "reading-e-bfmi",
    "reading-tree-depth",
    "reading-shorter-steps",
    "shorter-steps-do-not-mend-this-fit",  # an address that was promised
    "reading-what-to-do",
    "reading-decision",
}


@pytest.fixture(scope="module")
def numbers(glued):
    return glued("reference/reading-a-fit")


@pytest.fixture(scope="module")
def records(fits):
    return {fit["name"]: fit for fit in fits("reference/reading-a-fit")}


@pytest.fixture(scope="module")
def tau():
    """Mean, 95% quantile and P(tau < 1) by SciPy's quadrature, mu integrated out.

    Given tau, the effects are jointly normal with covariance
    diag(se² + tau²) + 20², which shares nothing with `pooling.exact`.
    """
    schools = datasets.load_eight_schools()
    y, se = schools["effect"].to_numpy(), schools["se"].to_numpy()

    def density(t):
        covariance = np.diag(se**2 + t**2) + 20.0**2
        marginal = stats.multivariate_normal(np.zeros(y.size), covariance)
        return np.exp(marginal.logpdf(y) + 40) * stats.halfnorm(scale=10).pdf(t)

    grid = np.linspace(0, 60, 6001)
    p = np.array([density(t) for t in grid])
    below = integrate.cumulative_simpson(p, x=grid, initial=0)
    below /= below[-1]
    mean = integrate.simpson(1 - below, x=grid)
    return {
        "mean": mean,
        "q95": np.interp(0.95, below, grid),
        "small": 100 * np.interp(1.0, grid, below),
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mean", "q95", "small"])
def test_the_exact_answers_are_those_of_another_quadrature(numbers, tau, name):
    assert numbers[f"read-exact-{name}"]["value"] == pytest.approx(tau[name], rel=1e-4)


@pytest.mark.parametrize("name", ["mean", "q95", "small"])
def test_the_good_fit_agrees_within_its_error(numbers, tau, close, name):
    close(numbers[f"read-good-{name}"], tau[name])
    error = numbers[f"read-good-{name}-mcse"]["value"]
    assert numbers[f"read-good-{name}"]["mcse"] == error


def test_the_bad_fit_fails_and_the_good_one_does_not(records):
    assert not records["good"]["failures"]
    assert {"divergences", "ess"} <= set(records["bad"]["failures"])
    assert {"ess", "ebfmi"} <= set(records["careful"]["failures"])


def test_the_numbers_are_those_of_the_records(numbers, records):
    fields = {
        "rhat": "rhat",
        "bulk": "ess_bulk",
        "tail": "ess_tail",
        "ebfmi": "ebfmi",
        "div": "divergences",
    }
    for name in ("bad", "good"):
        for key, field in fields.items():
            if f"read-{name}-{key}" in numbers:
                value = numbers[f"read-{name}-{key}"]["value"]
                assert value == pytest.approx(records[name][field])
    for key, field in (
        ("bulk", "ess_bulk"),
        ("ebfmi", "ebfmi"),
        ("div", "divergences"),
    ):
        value = numbers[f"read-careful-{key}"]["value"]
        assert value == pytest.approx(records["careful"][field])


def test_shorter_steps_alone_reach_the_neck_and_are_not_enough(numbers, tau):
    value = {key: record["value"] for key, record in numbers.items()}
    assert value["read-bad-small"] < 5
    assert value["read-bad-small"] < value["read-careful-small"] < tau["small"] + 3
    limit = diagnostics.THRESHOLDS.ess
    assert max(value["read-careful-bulk"], value["read-bad-bulk"]) < limit
    assert value["read-careful-ebfmi"] < value["read-bad-ebfmi"]


def test_the_limits_are_those_of_the_checks(numbers):
    limits = diagnostics.THRESHOLDS
    assert numbers["read-rhat-limit"]["value"] == limits.rhat
    assert numbers["read-ess-limit"]["value"] == limits.ess
    assert numbers["read-ebfmi-limit"]["value"] == limits.ebfmi
    assert numbers["read-treedepth-limit"]["value"] == 100 * limits.treedepth


def test_r_hat_misses_the_second_peak_and_finds_it_from_both_sides(numbers):
    assert numbers["read-left-rhat"]["value"] < diagnostics.THRESHOLDS.rhat
    assert numbers["read-left-share"]["value"] == 0
    assert numbers["read-both-rhat"]["value"] > 1.5


def test_a_hundred_times_the_draws_give_one_more_digit(numbers):
    error, fine = (numbers[f"read-{k}"]["value"] for k in ("good-mean-mcse", "fine"))
    needed = numbers["read-draws"]["value"] * (error / fine) ** 2
    assert numbers["read-more-draws"]["value"] == pytest.approx(needed, rel=0.5)


def test_every_section_has_its_anchor():
    source = (chapters.ROOT / f"{PAGE}.md").read_text(encoding="utf-8")
    labels = set(re.findall(r"^\(([\w-]+)\)=$", source, re.M))
    assert labels == ANCHORS


def test_the_page_is_short():
    words = sum(len(chapters.prose(t).split()) for t in chapters.texts(PAGE))
    assert words <= 2300
