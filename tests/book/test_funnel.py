"""The chapter on the funnel: what failed, what did not, and the exact answer."""

from pathlib import Path
import runpy

import numpy as np
import pytest
from scipy import integrate, stats

from pooling import datasets, exact

CHAPTER = "posterior/funnel"
EXPLORABLES = Path(__file__).resolve().parents[2] / "book" / "explorables"


@pytest.fixture(scope="module")
def records(fits):
    return {fit["name"]: fit for fit in fits(CHAPTER)}


@pytest.fixture(scope="module")
def brute_force():
    """Mean and sd of sigma_b, and P(sigma_b < 0.1), by multivariate normals.

    Nothing is shared with the chapter's own sums: every county has its full
    covariance matrix here. The means have flat priors and the sds half-Cauchy
    ones, as in the chapter.
    """
    radon = datasets.load_radon()
    groups = [
        (part["floor"].to_numpy(float), part["log_radon"].to_numpy())
        for _, part in radon.groupby("county", observed=True)
    ]
    a = np.linspace(0.17, 0.53, 8)
    b = (np.arange(18) + 0.5) / 18 * 0.9
    eps = np.linspace(0.65, 0.80, 7)
    sa, sb = (g.ravel() for g in np.meshgrid(a, b, indexing="ij"))
    log_p = np.empty((eps.size, sa.size))
    for k, s in enumerate(eps):
        log_det, fit = np.zeros(sa.size), np.zeros(sa.size)
        cross, gram = np.zeros((sa.size, 2)), np.zeros((sa.size, 2, 2))
        for x, y in groups:
            design = np.column_stack([np.ones_like(x), x])
            between = np.stack([sa**2, sb**2], -1)
            cov = np.einsum("ni,gi,mi->gnm", design, between, design)
            cov += s**2 * np.eye(len(y))
            solved = np.linalg.solve(cov, np.column_stack([design, y])[None])
            log_det += np.linalg.slogdet(cov)[1]
            gram += np.einsum("ni,gnj->gij", design, solved[..., :2])
            cross += solved[..., :2].transpose(0, 2, 1) @ y
            fit += solved[..., 2] @ y
        mean = np.linalg.solve(gram, cross[..., None])[..., 0]
        log_det += np.linalg.slogdet(gram)[1]
        log_p[k] = -0.5 * (log_det + fit - (cross * mean).sum(-1))
        log_p[k] += sum(stats.halfcauchy(scale=5).logpdf(v) for v in (sa, sb, s))
    weight = np.exp(log_p - log_p.max())
    p = weight.reshape(eps.size, a.size, b.size).sum((0, 1))
    p /= p.sum()
    mean = p @ b
    neck = np.interp(0.1, np.linspace(0, 0.9, 19), np.append(0, p.cumsum()))
    return mean, np.sqrt(p @ b**2 - mean**2), neck


def test_the_chapters_exact_posterior_is_exact(numbers, brute_force):
    mean, sd, neck = brute_force
    assert numbers["fn-exact-sb-mean"]["value"] == pytest.approx(mean, abs=0.001)
    assert numbers["fn-exact-sb-sd"]["value"] == pytest.approx(sd, abs=0.001)
    assert numbers["fn-exact-neck"]["value"] == pytest.approx(100 * neck, abs=0.3)


@pytest.mark.parametrize(
    ("drawn", "computed"),
    [
        ("fn-n-sb-mean", "fn-exact-sb-mean"),
        ("fn-n-mub-mean", "fn-exact-mub-mean"),
        ("fn-n-neck", "fn-exact-neck"),
    ],
)
def test_noncentered_draws_agree_with_the_exact_posterior(
    numbers, close, drawn, computed
):
    close(numbers[drawn], numbers[computed]["value"])


@pytest.mark.parametrize("key", ["fn-s-sb-mean", "fn-mix-sb-mean"])
def test_draws_under_scaled_priors_agree_with_the_exact_posterior(
    numbers, close, key
):
    close(numbers[key], numbers["fn-ours-sb-mean"]["value"])


def test_slopes_of_the_noncentered_runs_are_near_the_exact_ones(numbers):
    """The worst of all counties and runs, in per cent of a posterior sd."""
    assert numbers["fn-n-gap-high"]["value"] < 10
    assert numbers["fn-n-sd-high"]["value"] < 10
    assert numbers["fn-c-gap-high"]["value"] > numbers["fn-n-gap-high"]["value"]


@pytest.mark.parametrize(
    ("fit", "scale", "key"),
    [("weak", 8, "fn-weak-n-tau"), ("strong", 1 / 32, "fn-strong-c-tau")],
)
def test_sound_fits_of_the_experiment_agree_with_quadrature(
    numbers, close, fit, scale, key
):
    schools = datasets.load_eight_schools()
    reference = exact.normal_hierarchy(
        schools["effect"],
        scale * schools["se"],
        mu_prior=stats.norm(0, 20),
        tau_prior=stats.halfnorm(scale=20),
    ).mean("tau")
    close(numbers[key], reference)
    assert numbers[f"fn-{fit}-exact-tau"]["value"] == pytest.approx(reference)


@pytest.mark.parametrize(
    "name", ["noncentered", "scaled", "weak_n", "strong_c", "mixed"]
)
def test_sound_fits_are_sound(records, name):
    assert records[name]["failures"] == records[name]["expect"] == []


@pytest.mark.parametrize(
    "name", ["centered", "centered_pymc", "scaled_centered", "careful"]
)
def test_centered_radon_fails_with_or_without_divergences(records, name):
    assert {"rhat", "ess", "ebfmi"} <= set(records[name]["failures"])
    assert records[name]["ess_bulk_of"] == "sigma_b"


def test_the_two_forms_fail_in_different_ways(records):
    assert "divergences" in records["weak_c"]["failures"]
    assert {"rhat"} <= set(records["strong_n"]["failures"]) <= {"rhat", "ess"}


def test_both_samplers_were_tried(records):
    assert records["centered"]["sampler"] == "nutpie"
    assert records["centered_pymc"]["sampler"] == "pymc"


def test_the_wall_of_all_slopes_is_nearer_than_that_of_one(numbers):
    """To what chains reach: the median ratio over chains of both samplers."""
    joint = numbers["fn-ratio-median"]["value"]
    assert 0.5 < joint < 2
    assert numbers["fn-single-median"]["value"] > 1.5 * joint


def test_shorter_steps_move_the_wall_further_than_the_chains(numbers):
    wall, reached = (
        numbers[f"fn-t-{key}-before"]["value"] / numbers[f"fn-t-{key}-after"]["value"]
        for key in ("wall", "min")
    )
    assert wall > reached


def test_each_form_wins_where_the_chapter_says(numbers):
    assert numbers["fn-weak-gain-low"]["value"] > 5
    assert numbers["fn-strong-gain-low"]["value"] > 5
    low, high = numbers["fn-n-rate-low"]["value"], numbers["fn-c-rate-high"]["value"]
    assert low > 2 * high


def test_old_priors_matter_with_four_counties_and_not_with_all(numbers):
    assert numbers["fn-prior-shift"]["value"] < 5
    assert numbers["fn-few-old"]["value"] > 1.3 * numbers["fn-few-new"]["value"]


def test_the_counts_are_those_of_the_data(numbers):
    radon = datasets.load_radon()
    ground = radon.groupby("county", observed=True)["floor"].max()
    assert numbers["fn-houses"]["value"] == len(radon) == 919
    assert numbers["fn-counties"]["value"] == len(ground) == 85
    assert numbers["fn-no-ground"]["value"] == (ground == 0).sum() == 25
    assert ground["Itasca"] == 0


def test_depth_of_the_funnel(numbers):
    assert numbers["fn-climb"]["value"] == pytest.approx(85 * np.log(6))
    assert numbers["fn-push"]["value"] == pytest.approx(stats.chi2(175).std() / 2)


def test_how_far_the_energy_falls_with_the_data(numbers):
    """From the whole precision matrix of the mean slope and the slopes."""
    radon = datasets.load_radon()
    ground = radon.groupby("county", observed=True)["floor"].sum().to_numpy()

    def log_volume(sigma_b, noise=0.721):  # the exact posterior mean
        design = np.hstack([-np.ones((85, 1)), np.eye(85)]) / sigma_b
        data = np.diag([0, *ground]) / noise**2
        return -0.5 * np.linalg.slogdet(design.T @ design + data)[1]

    found = log_volume(0.3) - log_volume(0.05)
    assert numbers["fn-climb-data"]["value"] == pytest.approx(found, abs=0.5)


def test_the_ball_turns_at_the_sd_that_the_chapter_says(numbers):
    data = runpy.run_path(str(EXPLORABLES / "leapfrog-funnel.py"))["data"]()

    def move(_, state):
        b, v, *push = state
        return [*push, -b * np.exp(-2 * v), b**2 * np.exp(-2 * v) - np.exp(2 * v)]

    start = [*data["start"].values(), *data["push"].values()]
    path = integrate.solve_ivp(move, (0, 4), start, rtol=1e-9, max_step=0.002)
    least = np.exp(path.y[1].min())
    assert numbers["fn-ball-least"]["value"] == pytest.approx(least, rel=1e-3)
    assert 2 * least == pytest.approx(0.12, abs=0.02), "0.12 is a step of the slider"
