"""The data of the explorable ``influence-curve.js``."""

from pooling import datasets


def data() -> dict:
    """The data of the eight schools, and the priors of the chapter on fat tails."""
    schools = datasets.load_eight_schools()
    return {
        "schools": schools["school"].tolist(),
        "observed": schools["effect"].tolist(),
        "standardErrors": schools["se"].tolist(),
        "hierarchy": {"muSd": 20, "nu": 4, "scale": 5},
        "start": {"school": 2, "other": 0, "width": 10, "nu": 4},
        "ranges": {
            "datum": {"min": -150, "max": 150, "step": 1},
            "width": {"min": 2, "max": 60, "step": 1},
            "nu": {"min": 1, "max": 30, "step": 1},
        },
    }
