"""The patches of the live cells leave PyMC's sampler what it is."""

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

LIVE = Path(__file__).parents[2] / "book" / "live" / "python"
SCRIPT = """
import json, logging, sys
sys.modules["nutpie"] = None
import numpy as np
import pymc as pm
logging.getLogger("pymc").setLevel("ERROR")

with pm.Model() as model:
    mu, tau = pm.Normal("mu", 0, 20), pm.HalfNormal("tau", 10)
    theta = pm.Normal("theta", mu, tau, shape=3)
    pm.Normal("y", theta, [15, 10, 16], observed=[28, 8, -3])

def chain(**kwargs):
    with model:
        return pm.sample(
            chains=1, cores=1, progressbar=False, random_seed=4,
            compute_convergence_checks=False, **kwargs,
        )

def summary(idata):
    stats = idata["sample_stats"]
    return {
        "theta": idata["posterior"]["theta"].values.ravel().tolist(),
        "names": sorted(stats.data_vars),
        "dtypes": [str(stats[name].dtype) for name in sorted(stats.data_vars)],
        **{n: stats[n].values.ravel().tolist() for n in ("tree_depth", "energy", "lp")},
    }

before = summary(chain(draws=6, tune=4))
from live import numpy_linker, quick_nuts
numpy_linker.install(), quick_nuts.install(), quick_nuts.install()
after = summary(chain(draws=6, tune=4))
quick = {m: quick_nuts.density_of(m.logp_dlogp_function(ravel_inputs=True)
         ._pytensor_function) is not None for m in [model]}[model]
long = chain(draws=400, tune=400)["posterior"]["mu"].values
quick_nuts.nuts.np = np
quick_nuts.nuts._Tree._single_step = lambda self: None
try:
    quick_nuts.install()
    refused = False
except RuntimeError:
    refused = True
print(json.dumps({"before": before, "after": after, "quick": quick,
                  "finite": bool(np.isfinite(long).all()), "refused": refused}))
"""


@pytest.fixture(scope="module")
def runs():
    flags = "cxx=,linker=vm,optimizer=fast_compile"
    path = os.pathsep.join([str(LIVE), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env={**os.environ, "PYTENSOR_FLAGS": flags, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_draws(runs):
    before, after = runs["before"], runs["after"]
    assert after["tree_depth"] == before["tree_depth"]
    for name in ("theta", "energy", "lp"):
        assert after[name] == pytest.approx(before[name], rel=1e-6)


def test_the_statistics_are_the_same(runs):
    assert runs["after"]["names"] == runs["before"]["names"]
    assert runs["after"]["dtypes"] == runs["before"]["dtypes"]


def test_the_density_is_called_directly(runs):
    assert runs["quick"] and runs["finite"]


def test_another_pymc_is_refused(runs):
    assert runs["refused"]
