"""Is a sound fit called sound, and an unsound one what it is?"""

import json
import math
from types import SimpleNamespace

import arviz as az
import numpy as np
import pymc as pm
import pytest
import xarray as xr

import pooling
from pooling import diagnostics

CHAINS, DRAWS = 4, 1000
QUIET = {"chains": 4, "cores": 1, "random_seed": 1, "progressbar": False}


def fit(
    *, draws=DRAWS, diverging=0, deep=0, random_walk=False, energy=True, **changes
):
    """Independent draws of `mu` and of `theta` by school, and their statistics.

    The first `diverging` draws of the first chain diverge, and the trajectories of the
    first `deep` reach the maximum tree depth.
    """
    rng = np.random.default_rng(1)
    posterior = {
        "mu": rng.normal(size=(CHAINS, draws)),
        "theta": rng.normal(size=(CHAINS, draws, 3)),
    }
    for name, change in changes.items():
        posterior[name] = change(posterior.get(name, posterior["mu"].copy()))
    steps = rng.normal(size=(CHAINS, draws))
    flags = np.zeros((CHAINS, draws), bool)
    flags.flat[:diverging] = True
    too_deep = np.zeros((CHAINS, draws), bool)
    too_deep.flat[:deep] = True
    stats = {"diverging": flags, "reached_max_treedepth": too_deep}
    if energy:
        stats["energy"] = steps.cumsum(axis=1) if random_walk else steps
    return az.from_dict(
        {"posterior": posterior, "sample_stats": stats},
        coords={"school": ["A", "B", "C"]},
        dims={"theta": ["school"]},
    )


def runaway(x):
    x[0] += 3
    return x


def with_nan(x):
    x[0, 0] = np.nan
    return x


def failures(idata):
    return set(pooling.diagnose(idata).failures)


def test_independent_draws_are_sound(capsys):
    idata = fit()
    found = pooling.diagnose(idata)
    assert found.sound and not found.failures
    assert found.rhat < 1.01 and found.ess_bulk > 2500 and found.ess_tail > 2500
    assert (found.chains, found.draws) == (CHAINS, DRAWS)
    assert found.quantities == 4
    assert pooling.check(idata) is None
    assert capsys.readouterr().out.startswith("✓ idata: 4 chains × 1,000 draws; ")


def test_numbers_are_those_of_arviz():
    idata = fit(mu=runaway)
    found = pooling.diagnose(idata)
    assert found.rhat == pytest.approx(float(az.rhat(idata)["mu"]))
    assert found.rhat_of == "mu"
    bulk = az.ess(idata, method="bulk")
    assert found.ess_bulk == pytest.approx(float(bulk["mu"]))
    assert found.ebfmi == pytest.approx(float(az.bfmi(idata)["energy"].min()), rel=0.01)


def test_the_worst_quantity_is_named_by_its_coordinates():
    def one_school(x):
        x[0, :, 1] += 3
        return x

    assert pooling.diagnose(fit(theta=one_school)).rhat_of == "theta[B]"


def test_one_chain_elsewhere_has_a_large_rhat_and_few_draws():
    found = pooling.diagnose(fit(mu=runaway))
    assert found.rhat > 1.3
    assert set(found.failures) == {"rhat", "ess"}


def test_few_draws_are_too_few():
    found = pooling.diagnose(fit(draws=60))
    assert "ess" in found.failures and found.ess_bulk < 400


def test_correlated_draws_are_too_few():
    def slow(x):
        noise = x.copy()
        for i in range(1, x.shape[1]):
            x[:, i] = 0.9 * x[:, i - 1] + noise[:, i]
        return x

    assert "ess" in failures(fit(mu=slow))


def test_one_divergence_fails():
    assert failures(fit(diverging=1)) == {"divergences"}
    assert pooling.diagnose(fit(diverging=7)).divergences == 7


def test_an_energy_that_walks_fails():
    found = pooling.diagnose(fit(random_walk=True))
    assert found.ebfmi < 0.3
    assert found.failures == ("ebfmi",)


def test_a_sampler_without_energy_has_no_ebfmi():
    found = pooling.diagnose(fit(energy=False))
    assert found.ebfmi is None and found.sound
    assert str(found).endswith("; not recorded, so not checked: E-BFMI")


def test_a_tree_depth_at_its_maximum_fails_above_five_per_cent_of_a_chain():
    assert failures(fit(deep=DRAWS // 20)) == set()
    found = pooling.diagnose(fit(deep=DRAWS // 20 + 1))
    assert found.failures == ("treedepth",)
    assert found.treedepth == pytest.approx(0.051)
    every = pooling.diagnose(fit(deep=CHAINS * DRAWS))
    assert "100% of draws at the maximum tree depth" in str(every)


@pytest.mark.parametrize(
    ("deep", "words"),
    [(0, "no draw"), (1, "under 1% of draws"), (20, "2% of draws")],
)
def test_the_share_of_draws_at_the_maximum_tree_depth_is_said(deep, words):
    summary = pooling.diagnose(fit(deep=deep)).summary()
    assert f"; {words} at the maximum tree depth" in summary


def test_nutpie_names_the_tree_depth_otherwise():
    idata = fit(deep=200)
    stats = idata["sample_stats"].to_dataset()
    idata["sample_stats"] = stats.rename(reached_max_treedepth="maxdepth_reached")
    assert failures(idata) == {"treedepth"}


@pytest.mark.filterwarnings("error")
def test_what_a_fit_does_not_record_is_not_checked_and_the_line_says_so(capsys):
    draws = az.from_dict({"posterior": {"mu": fit()["posterior"]["mu"].values}})
    found = pooling.diagnose(draws)
    assert (found.divergences, found.treedepth, found.ebfmi) == (None, None, None)
    assert found.unchecked == ("divergences", "treedepth", "ebfmi")
    pooling.check(draws)
    line = capsys.readouterr().out.strip()
    assert line.startswith("✓ draws: ") and "no divergences" not in line
    assert line.endswith(
        "; not recorded, so not checked: divergences, tree depth, E-BFMI"
    )


def test_a_depth_without_its_maximum_is_not_checked():
    """NumPyro records the depth of each draw, and not the largest allowed."""
    idata = fit()
    stats = idata["sample_stats"].to_dataset()
    idata["sample_stats"] = stats.rename(reached_max_treedepth="tree_depth")
    assert pooling.diagnose(idata).unchecked == ("treedepth",)


def test_the_energies_of_thinned_draws_are_not_compared():
    idata = fit(random_walk=True)
    assert failures(idata) == {"ebfmi"}
    assert pooling.diagnose(idata.isel(draw=slice(None, None, 2))).unchecked == (
        "ebfmi",
    )


def test_merged_chains_are_checked_as_those_of_one_fit():
    both = xr.DataTree.from_dict(
        {
            name: xr.concat([group.to_dataset()] * 2, "chain")
            for name, group in fit().children.items()
        }
    )
    found = pooling.diagnose(both)
    assert found.chains == 2 * CHAINS and found.divergences == 0 and found.sound


def test_a_fit_read_from_a_file_is_checked_alike(tmp_path):
    idata = fit(diverging=3, deep=400, theta=lambda x: x)
    idata.to_zarr(tmp_path / "fit.zarr")
    read = az.from_zarr(tmp_path / "fit.zarr")
    assert pooling.diagnose(read) == pooling.diagnose(idata)


@pytest.mark.filterwarnings("error")
def test_counts_and_truth_values_are_checked_as_numbers():
    def count(x):
        return np.floor(2 * x).astype(int)

    found = pooling.diagnose(fit(k=count, positive=lambda x: x > 0))
    assert found.sound and found.quantities == 6


@pytest.fixture(scope="module")
def normal_model():
    with pm.Model() as model:
        mu = pm.Normal("mu", 0, 1)
        pm.Normal("y", mu, 1, observed=np.zeros(5))
    return model


@pytest.mark.slow
@pytest.mark.parametrize("sampler", ["nutpie", "pymc"])
def test_what_the_samplers_record_is_found(sampler, normal_model):
    with normal_model:
        idata = pm.sample(500, tune=200, nuts_sampler=sampler, **QUIET)
    found = pooling.diagnose(idata)
    assert found.sampler == sampler and found.unchecked == ()
    assert found.divergences == 0 and found.treedepth == 0 and found.ebfmi > 0.3


def test_a_sampler_without_gradients_has_no_divergences_to_check(normal_model):
    with normal_model:
        idata = pm.sample(500, tune=200, step=pm.Metropolis(), **QUIET)
    assert pooling.diagnose(idata).unchecked == ("divergences", "treedepth", "ebfmi")


@pytest.mark.slow
def test_draws_from_a_variational_fit_are_one_chain(normal_model):
    with normal_model:
        # Not fitted, which would take long to compile: the draws are of the same form.
        draws = pm.MeanField(random_seed=1).sample(500)
    with pytest.raises(ValueError, match="at least 2 chains"):
        pooling.check(draws)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_draws_that_are_not_finite_fail(bad):
    def change(x):
        x[1, 5] = bad
        return x

    assert "finite" in failures(fit(mu=change))


@pytest.mark.filterwarnings("error")
def test_constants_are_left_out():
    """And without a warning, which would stop the build."""
    idata = fit(corner=lambda x: np.ones_like(x))
    found = pooling.diagnose(idata)
    assert found.sound and found.quantities == 4
    assert found.constants == 1 and "; 1 constant left out" in str(found)
    # Half of these are constant, and the others are checked.
    half = fit(matrix=lambda x: np.stack([x, 0 * x], axis=-1))
    assert pooling.diagnose(half).quantities == 5
    assert pooling.diagnose(half).constants == 1


def test_a_fit_of_constants_alone_is_not_sound():
    constant = {"x": np.ones((CHAINS, DRAWS))}
    found = pooling.diagnose(az.from_dict({"posterior": constant}))
    assert not found.sound and found.quantities == 0


@pytest.mark.parametrize(
    ("idata", "expect"),
    [
        (fit(diverging=3), "divergences"),
        (fit(diverging=3, random_walk=True), ["divergences", "ebfmi"]),
        (fit(mu=runaway), ("ess", "rhat")),
        (fit(deep=400), "treedepth"),
    ],
)
def test_a_failure_that_is_expected_passes(idata, expect, capsys):
    pooling.check(idata, expect=expect, name="lesson")
    assert capsys.readouterr().out.startswith("✓ lesson: fails as it should (")


@pytest.mark.parametrize(
    ("idata", "expect", "says"),
    [
        (fit(diverging=3), None, r"unsound \(divergences\)"),
        (fit(diverging=3, random_walk=True), "divergences", r"unsound \(ebfmi\)"),
        (fit(), "divergences", r"not fail as expected \(divergences\)"),
        (fit(diverging=3), ["divergences", "rhat"], r"not fail as expected \(rhat\)"),
        (fit(mu=with_nan), None, "finite"),
    ],
)
def test_a_failure_more_or_less_stops(idata, expect, says):
    with pytest.raises(pooling.UnsoundFit, match=says):
        pooling.check(idata, expect=expect)


def test_a_failure_that_is_allowed_may_occur_or_not(capsys):
    for idata in (fit(diverging=3), fit(diverging=3, random_walk=True)):
        pooling.check(idata, expect="divergences", allow="ebfmi", name="lesson")
    alone, both = capsys.readouterr().out.splitlines()
    assert alone.startswith("✓ lesson: fails as it should (divergences);")
    assert both.startswith("✓ lesson: fails as it should (divergences, ebfmi);")
    with pytest.raises(pooling.UnsoundFit, match=r"unsound \(rhat\)"):
        pooling.check(
            fit(diverging=3, mu=runaway), expect=["divergences", "ess"], allow="ebfmi"
        )
    with pytest.raises(ValueError, match="allow goes with expect"):
        pooling.check(fit(), allow="ebfmi")
    with pytest.raises(ValueError, match="allow must name failures"):
        pooling.check(fit(diverging=3), expect="divergences", allow="none")


@pytest.mark.parametrize("expect", ["divergence", ["rhat", "slow"], "", [3]])
def test_an_unknown_failure_is_refused(expect):
    with pytest.raises(ValueError, match="expect must name failures"):
        pooling.check(fit(), expect=expect)


@pytest.mark.parametrize("idata", [None, 3, "idata", {}, np.zeros((4, 100)), az])
def test_what_is_no_fit_is_refused(idata):
    with pytest.raises(ValueError, match="idata must hold a posterior group"):
        pooling.check(idata)


def test_one_chain_cannot_be_checked():
    draws = np.random.default_rng(1).normal(size=(1, 500))
    one = az.from_dict({"posterior": {"x": draws}})
    with pytest.raises(ValueError, match="at least 2 chains"):
        pooling.check(one)


def test_the_name_is_the_variable_or_what_is_said(capsys):
    centered = fit()
    pooling.check(centered)
    pooling.check(fit(), name="radon")
    assert [line[:12] for line in capsys.readouterr().out.splitlines()] == [
        "✓ centered: ",
        "✓ radon: 4 c",
    ]


def test_a_cell_keeps_a_record(displayed):
    idata = fit(diverging=2)
    pooling.check(idata, expect="divergences")
    (output,) = displayed
    assert output["data"]["text/plain"].startswith("✓ idata: fails as it should")
    record = json.loads(json.dumps(output["metadata"][diagnostics.RECORD]))
    assert record["name"] == "idata"
    assert record["expect"] == record["failures"] == ["divergences"]
    assert record["allow"] == []
    assert record["divergences"] == 2
    assert record["thresholds"] == diagnostics.THRESHOLDS._asdict()
    numbers = [record[key] for key in ("rhat", "ess_bulk", "ess_tail", "ebfmi")]
    assert all(type(number) is float and math.isfinite(number) for number in numbers)


def test_outside_of_a_notebook_the_line_is_printed(capsys):
    pooling.check(fit(), name="plain")
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    for word in ("R-hat", "effective sample size", "no divergences", "E-BFMI"):
        assert word in out


def test_a_failed_check_leaves_no_record(displayed):
    with pytest.raises(pooling.UnsoundFit):
        pooling.check(fit(diverging=1))
    assert displayed == []


@pytest.fixture
def browser(monkeypatch):
    """Let `pooling.check` be as in a browser; the state of its session."""
    from live import session

    for module in (pooling, diagnostics):
        monkeypatch.setattr(module, "check", diagnostics.check)
    state = SimpleNamespace(full=False)
    session.adapt_pooling(pooling, state)
    return state


def test_a_check_in_a_browser_takes_all_arguments_and_does_not_stop(browser, capsys):
    idata = fit(mu=runaway, diverging=3)
    pooling.check(idata, expect=["rhat", "ess"], allow="divergences")
    assert capsys.readouterr().out.startswith("✓ idata: fails as it should")
    pooling.check(idata, name="other")
    told = capsys.readouterr().out
    assert told.startswith("✗ other") and "With all draws it may differ." in told


def test_a_check_in_a_browser_does_not_blame_a_fit_for_few_draws(browser, capsys):
    few = fit(draws=50)  # independent, and too few
    assert failures(few) and failures(few) <= {"rhat", "ess"}

    def told(idata, **more):
        pooling.check(idata, name="it", **more)
        return capsys.readouterr().out

    assert told(few).startswith("? it: too few draws to judge this fit: 4 chains × 50")
    # A chain that is stuck, and a fit that was to fail in another way, are unsound.
    assert told(fit(draws=50, mu=runaway)).startswith("✗ it")
    assert told(few, expect="divergences").startswith("✗ it")
    browser.full = True
    assert told(few).startswith("✗ it")
