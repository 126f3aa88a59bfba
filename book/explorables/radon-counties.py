"""The data of the explorable ``radon-counties.js``."""

from pooling import datasets


def data() -> dict:
    """The houses of each county, the chapter's priors, and limits of added houses."""
    radon = datasets.load_radon()
    centred = radon[["floor", "log_radon"]].sub(
        radon.groupby("county", observed=True)[["floor", "log_radon"]].transform("mean")
    )
    x, y = centred["floor"], centred["log_radon"]
    residual = y - (x @ y) / (x @ x) * x
    spare = len(radon) - radon["county"].nunique() - 1
    return {
        "counties": [
            {
                "name": name,
                # One character for each house, to keep the page small.
                "floor": "".join(map(str, houses["floor"])),
                "activity": houses["activity"].tolist(),
            }
            for name, houses in radon.groupby("county", observed=True)
        ],
        "start": "Lac Qui Parle",
        "prior": {"mu": 2, "beta": 2, "tau": 1, "sigma": 1},
        # The sd within counties, for the houses that a reader adds.
        "spread": float((residual @ residual / spare) ** 0.5),
        "mostAdded": 60,
        "reading": {"min": 0, "max": 3.5, "step": 0.05},
    }
