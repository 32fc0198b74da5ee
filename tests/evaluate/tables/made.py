"""A table whose laws are known: what foretells what, and which columns have nothing to do with one another."""

import numpy as np
import pandas as pd


def table(rows: int, seed: int) -> pd.DataFrame:
    """Numbers that hang together (height, weight), categories that follow them (size, ill), noise, gaps."""
    random = np.random.default_rng(seed)
    height = random.normal(170, 10, rows)
    weight = 0.9 * (height - 170) + 70 + random.normal(0, 5, rows)
    size = np.array(["small", "middle", "large"])[np.searchsorted([165, 176], height)]
    ill = np.where(random.random(rows) < 1 / (1 + np.exp(-(weight - 72) / 3)), "yes", "no")
    town = random.choice(["Ulm", "Rom", "Brig"], rows, p=[0.6, 0.3, 0.1])
    income = np.where(random.random(rows) < 0.2, np.nan, random.lognormal(8, 0.6, rows))
    return pd.DataFrame(
        {"height": height, "weight": weight, "size": size, "ill": ill, "town": town, "income": income}
    )


def independent(frame: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Every column as it was, each in an order of its own."""
    random = np.random.default_rng(seed)
    return pd.DataFrame({name: random.permutation(frame[name].to_numpy()) for name in frame})
