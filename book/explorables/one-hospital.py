"""The data of the explorable ``one-hospital.js``."""

from pooling import datasets


def data() -> dict:
    """Deaths and operations of the twelve hospitals."""
    hospitals = datasets.load_hospitals()
    return {
        "names": hospitals["hospital"].to_list(),
        "deaths": hospitals["deaths"].to_list(),
        "operations": hospitals["operations"].to_list(),
    }
