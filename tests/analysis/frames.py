"""Frames of points as the store gives them, made from a few numbers."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

NAN = float("nan")
Loss = float | str | None
"""A final loss; NaN for a diverged trial; None for a pending one; else the state of the trial."""


def points(
    losses: Mapping[float, Sequence[Loss]],
    *,
    axis_scale: str = "log",
    initial_loss: float | None = 10.4,
    added: Sequence[float] = (),
    variant: int = 0,
    label: str = "adamw",
    scale: str = "nano",
    parameter: str = "lr",
) -> pd.DataFrame:
    """One variant: losses by value, one per seed; the `added` values are not of the grid."""
    frame = pd.DataFrame(
        [
            _point(loss, initial_loss)
            | {
                "variant": variant,
                "label": label,
                "optimizer": label.split(",")[0],
                "scale": scale,
                "architecture": "standard",
                "parameter": parameter,
                "axis_scale": axis_scale,
                "value": value,
                "seed": seed,
                "origin": "refine" if value in added else "grid",
                "trial_id": f"t{variant}-{value:g}-{seed}",
            }
            for value, seeds in losses.items()
            for seed, loss in enumerate(seeds)
        ]
    )
    types = {"final_loss": "float64", "initial_loss": "float64", "diverged_at_step": "Int64"}
    return frame.astype(types)


def one_seed(values: Sequence[float], losses: Sequence[Loss]) -> dict[float, list[Loss]]:
    """Losses by value with a single seed each."""
    return {value: [loss] for value, loss in zip(values, losses, strict=True)}


def several(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The frames below each other as the variants of one sweep."""
    numbered = [
        frame.assign(variant=i) for frame, i in zip(frames, itertools.count(), strict=False)
    ]
    return pd.concat(numbered, ignore_index=True)


def _point(loss: Loss, initial_loss: float | None) -> dict[str, Any]:
    if loss is None or isinstance(loss, str):
        state = loss or "pending"
        return {"state": state, "outcome": None, "final_loss": NAN, "initial_loss": NAN} | {
            "diverged_at_step": NAN
        }
    diverged = loss != loss
    return {
        "state": "done",
        "outcome": "diverged" if diverged else "finite",
        "final_loss": NAN if diverged else loss,
        "initial_loss": initial_loss,
        "diverged_at_step": 17.0 if diverged else NAN,
    }
