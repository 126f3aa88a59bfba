"""The data of the explorable ``slope-origin.js``."""

import numpy as np

from pooling import datasets


def data() -> dict:
    """Own lines of the sleep study, their unit covariance, and the priors."""
    sleep = datasets.load_sleepstudy()
    y = sleep["reaction"].to_numpy().reshape(18, 10)
    X = np.column_stack([np.ones(10), np.arange(10)])
    unit = np.linalg.inv(X.T @ X)
    lines = y @ X @ unit
    return {
        "lines": lines.tolist(),
        "unit": [unit[0, 0], unit[0, 1], unit[1, 1]],
        "rss": float(np.sum((y - lines @ X.T) ** 2)),
        "days": 10,
        "prior": {"mean": [300, 0], "sd": [100, 20], "tau": [50, 15],
                  "sigma": 50, "eta": 2},
    }
