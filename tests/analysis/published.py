"""Published losses of tuned optimizers: `marin.csv`.

Source: arXiv 2509.02046, the results of marin-community/marin@f9ee027, Apache-2.0,
`experiments/optimizer_sweep/Analysis/Results/{optimizer}/{size}/{chinchilla}/result.json`, rounded
to six decimals. Losses are final cross-entropy on held-out C4. Rows without a parameter are the
best loss known for the cell; the others change one hyperparameter of the tuned configuration.
"""

import csv
from pathlib import Path

FILE = Path(__file__).with_name("marin.csv")


def curve(optimizer: str, parameter: str) -> dict[float, float]:
    """Loss by value at 130m and the least number of tokens."""
    return {
        float(row["value"]): float(row["loss"])
        for row in _rows()
        if (row["optimizer"], row["parameter"]) == (optimizer, parameter)
    }


def best_losses(optimizer: str, size: str) -> dict[float, float]:
    """Best loss by tokens, in multiples of what Chinchilla asks for."""
    return {
        float(row["chinchilla"]): float(row["loss"])
        for row in _rows()
        if (row["optimizer"], row["size"], row["parameter"]) == (optimizer, size, "")
    }


def _rows() -> list[dict[str, str]]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
