"""The data of the explorable ``leapfrog-funnel.js``."""


def data() -> dict:
    """The prior of sigma_b, and a path that starts towards the neck."""
    return {
        "scale": 1,  # of the half-normal prior
        "neck": 0.1,  # the sd below which draws are counted
        "start": {"b": 0.5, "v": 0.0},
        "push": {"x": -0.4, "v": -2.0},
        "ranges": {
            "step": {"min": 0.02, "max": 1.2, "step": 0.02, "start": 0.06},
            "steps": {"min": 1, "max": 80, "step": 1, "start": 40},
        },
        "many": 1000,  # draws that one press of the button makes
        "batch": 250,  # draws shown at a time if the reader prefers reduced motion
    }
