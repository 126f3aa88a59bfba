"""The data of the explorable ``how-many-groups.js``."""


def data() -> dict:
    """The design to start from, what the sliders reach, and the chapter's choices.

    The unit is the sd of one measurement. ``scale`` is that of the half-normal prior
    of the sd between groups; ``most`` and ``stops`` say to how many groups the curves
    reach, and at about how many numbers of groups they are computed.
    """
    return {
        "effect": 0.3,
        "scale": 0.5,
        "most": 200,
        "stops": 16,
        "start": {"J": 20, "n": 10, "rho": 0.18, "c": 10, "design": 0},
        "ranges": {
            "J": {"min": 4, "max": 100, "step": 2},
            "n": {"min": 2, "max": 100, "step": 2},
            "rho": {"min": 0.01, "max": 0.6, "step": 0.01},
            "c": {"min": 0, "max": 100, "step": 1},
        },
    }
