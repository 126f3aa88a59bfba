"""The data of the explorable ``eight-schools.js``."""

from pooling import datasets


def data() -> dict:
    """The data of the eight schools, priors of tau, and ranges of the controls."""
    schools = datasets.load_eight_schools()
    return {
        "schools": schools["school"].tolist(),
        "observed": schools["effect"].tolist(),
        "standardErrors": schools["se"].tolist(),
        "priors": [
            {"name": "flat", "kind": "flat", "scale": 1},
            {"name": "half-normal(10)", "kind": "half-normal", "scale": 10},
            {"name": "half-normal(5)", "kind": "half-normal", "scale": 5},
            {"name": "half-Cauchy(5)", "kind": "half-cauchy", "scale": 5},
            {"name": "half-Cauchy(25)", "kind": "half-cauchy", "scale": 25},
        ],
        "ranges": {
            "estimate": {"min": -100, "max": 150, "step": 1},
            "se": {"min": 2, "max": 40, "step": 1},
            "tau": {"min": 0, "max": 30, "step": 0.1, "start": 5},
        },
    }
