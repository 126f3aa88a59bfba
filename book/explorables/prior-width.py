"""The data of the explorable ``prior-width.js``."""

import numpy as np
from scipy import stats

from pooling import datasets, exact


def data() -> dict:
    """The counties' slopes of the radon survey, as a normal hierarchy.

    The intercepts' mean and sd and the houses' sd are set to what the model with
    one slope for all expects. Each county's own estimate of its slope is then
    normal, with its intercept averaged over.
    """
    radon = datasets.load_radon()
    y, floor = (radon[name].to_numpy(float) for name in ("log_radon", "floor"))
    unit = stats.halfnorm(scale=1)
    fit = exact.varying_intercepts(
        y,
        radon["county"].cat.codes.to_numpy(),
        np.column_stack([np.ones(len(y)), floor]),
        tau_prior=unit,
        sigma_prior=unit,
    )
    radon["rest"] = y - float(fit.mean("beta")[0])
    ratio = float(fit.mean("tau") / fit.mean("sigma")) ** 2
    counties = []
    for name, houses in radon.groupby("county", observed=True):
        ground = int(houses["floor"].sum())
        county = {"name": name, "houses": ground, "estimate": None, "se": None}
        if ground:
            # Houses of a county share its intercept: (I + ratio 1 1')^-1.
            kept = ratio * ground / (1 + ratio * len(houses))
            own = houses.loc[houses["floor"] == 1, "rest"].sum()
            information = ground * (1 - kept)
            county["estimate"] = (own - kept * houses["rest"].sum()) / information
            county["se"] = float(fit.mean("sigma")) / information**0.5
        counties.append(county)
    return {
        "counties": counties,
        "shown": ["Sherburne", "Redwood", "Martin", "Blue Earth", "Marshall",
                  "Hennepin", "St Louis"],
        "hierarchy": {"muSd": 2, "tauScale": 1},
        "tails": [
            {"name": "normal", "nu": None},
            {"name": "t, 4 degrees of freedom", "nu": 4},
            {"name": "Cauchy: t, 1 degree of freedom", "nu": 1},
        ],
        "ranges": {
            "logWidth": {"min": -2, "max": 3, "step": 0.05, "start": 2},
            "centre": {"min": -2, "max": 1, "step": 0.05, "start": 0},
            "slope": [-4, 3.5],
            "score": [-60, 10],
        },
    }
