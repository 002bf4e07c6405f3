"""Sweeps as JSON bodies, and what is wrong with them."""

from typing import Any

import pytest

from sweeper.errors import InvalidRequest
from sweeper.expand import expand
from sweeper.spec import parse
from trainers.config import DataConfig

DATA = {"embedded": DataConfig(name="embedded", sha256="0" * 64, vocabulary=256)}
LR = {"parameter": "lr", "low": 1e-4, "high": 1e-1, "points": 7}
MOMENTUM = {"parameter": "momentum", "values": [0.0, 0.9]}


def body(**changes: Any) -> dict[str, Any]:
    sweep = {"name": "a sweep", "axis": LR, "optimizers": ["adamw"], "base": {"steps": 10}}
    return {key: value for key, value in (sweep | changes).items() if value is not None}


def problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(InvalidRequest) as caught:
        expand(parse(body(**changes)), DATA)
    return {problem.pointer: problem.message for problem in caught.value.problems}


def lr(*values: float, **more: Any) -> dict[str, Any]:
    return {"parameter": "lr", "values": list(values)} | more
