"""Results as others have them, small."""

import json
from pathlib import Path
from typing import Any

ROW: dict[str, Any] = {
    "label": "adamw 1x",
    "optimizer": "adamw",
    "scale": "130m",
    "value": 0.008,
    "outcome": "finite",
    "final_loss": 3.5,
}


def body(*rows: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An import of these rows, each `ROW` with changes."""
    whole = [ROW | row for row in rows]
    given = {"name": "theirs", "imported_from": "a file", "axis": {"parameter": "lr"}}
    return given | {"rows": whole} | changes


MARIN: dict[str, Any] = {
    "result": {
        "Baseline": 3.2516477108001709,
        "beta1=0.95": 3.2538,
        "learning_rate=0.004": 7.829463958740234,
        "learning_rate=0.008": "NaN",
        "learning_rate=0.016": None,
        "warmup=500": 3.26,
    },
    "name": {
        "Baseline": "lion-base",
        "beta1=0.95": "lion-b1",
        "learning_rate=0.004": "lion-lr4",
        "learning_rate=0.008": "lion-lr8",
        "learning_rate=0.016": None,
        "warmup=500": "lion-w",
    },
    "num_left": 1,
    "best_config": {
        "beta1": 0.9,
        "beta2": 0.98,
        "learning_rate": 0.001,
        "max_grad_norm": 1,
        "nesterov": False,
        "train_batch_size": 128,
        "warmup": 2000,
    },
    "min_loss": 3.2508,
    "baseline": {"loss": 3.2516477108001709, "wandb_id": "lion-base"},
}
"""In the form of marin-community/marin@f9ee027, experiments/optimizer_sweep/Analysis/Results/lion/
130m/8/result.json, with three of its losses."""


def marin_file(folder: Path, cell: str = "lion/130m/8", **changes: Any) -> Path:
    """Such a file under the path that tells what it is about; `None` removes a key."""
    path = folder / f"{cell}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {k: v for k, v in (MARIN | changes).items() if v is not None}
    path.write_text(json.dumps(content))
    return path
