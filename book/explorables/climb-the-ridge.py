"""The data of the explorable ``climb-the-ridge.js``."""

from pooling import datasets


def data() -> dict:
    """The data of the eight schools, priors of tau, and the range of tau."""
    schools = datasets.load_eight_schools()
    return {
        "schools": schools["school"].tolist(),
        "observed": schools["effect"].tolist(),
        "standardErrors": schools["se"].tolist(),
        "priors": [
            *({"name": f"half-normal({s})", "scale": s} for s in (5, 20, 80)),
            {"name": "flat", "scale": None},
        ],
        "usual": 1,
        "range": {"min": 0.1, "max": 100},
    }
