"""The data of the explorable ``eighteen-players.js``."""

import numpy as np

from pooling import datasets


def choice(start) -> float:
    """The shrinkage factor of Efron and Morris, from averages over 45 at-bats."""
    chance = start.mean() * (1 - start.mean()) / 45
    scatter = np.sum((start - start.mean()) ** 2)
    return float(min(1, (len(start) - 3) * chance / scatter))


def simulated(title, tau, rng) -> dict:
    """Eighteen players whose true rates have a mean of 0.265 and an sd of tau."""
    rate = rng.normal(0.265, tau, 18)
    start = rng.binomial(45, rate) / 45
    order = np.argsort(-start, kind="stable")
    return {
        "title": title,
        "players": [f"Player {k}" for k in range(1, 19)],
        "start": start[order].tolist(),
        "truth": rate[order].tolist(),
        "known": "true rates",
        "choice": choice(start),
    }


def data() -> dict:
    """The season of 1970 and two simulated ones, each with the formula's choice."""
    players = datasets.load_baseball()
    start = (players["hits"] / players["at_bats"]).to_numpy()
    rng = np.random.default_rng(1970)
    return {
        "seasons": [
            {
                "title": "1970, as played",
                "players": [name.split()[-1] for name in players["player"]],
                "start": start.tolist(),
                "truth": players["rest_average"].tolist(),
                "known": "rest of the season",
                "choice": choice(start),
            },
            simulated("Simulated: alike", 0, rng),
            simulated("Simulated: different", 0.1, rng),
        ],
    }
