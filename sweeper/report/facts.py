"""What a report says beside the curves: versions, where trials were trained, what went wrong."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import yaml

from sweeper.spec import SweepSpec

ONE_BY_ONE = frozenset({"pid", "seed", "slot", "source_id", "loss_is"})
"""Facts of single trials, which a summary of all of them leaves out."""


@dataclass(frozen=True, kw_only=True)
class Fact:
    """Something that is recorded of the trials: every value it has, with how many have it."""

    name: str
    values: tuple[tuple[str, int], ...]


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """A point without a loss: a diverged one, which is a result, or a failed one."""

    label: str
    value: float
    seed: int
    trial_id: str
    what: str


def provenance(points: pd.DataFrame) -> tuple[Fact, ...]:
    """All facts of the trials of a sweep, nested ones as `packages.torch`, the commonest first."""
    trials = points.drop_duplicates("trial_id")
    counters: dict[str, Counter[str]] = {}
    for text in trials["provenance"].dropna():
        for name, value in _flat(json.loads(text)):
            if name not in ONE_BY_ONE:
                counters.setdefault(name, Counter())[str(value)] += 1
    return tuple(
        Fact(name=name, values=tuple(sorted(counter.items(), key=lambda pair: (-pair[1], pair[0]))))
        for name, counter in sorted(counters.items())
    )


def configuration(points: pd.DataFrame) -> dict[str, Any]:
    """What all trials of a sweep have in common, flat: `model.width` and the like."""
    configs = [dict(_flat(json.loads(text))) for text in points["config"].drop_duplicates()]
    first = configs[0] if configs else {}
    return {
        name: value
        for name, value in first.items()
        if all(config.get(name) == value for config in configs)
    }


def specification(spec: Mapping[str, Any]) -> str:
    """What was asked for as YAML, its keys in the order of the documentation."""
    known = [key for key in SweepSpec.model_fields if key in spec]
    ordered = {key: spec[key] for key in (*known, *(k for k in spec if k not in known))}
    text: str = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=100)
    return text


def diverged(points: pd.DataFrame) -> tuple[Trouble, ...]:
    """Every diverged point with its step."""
    rows = points[points["outcome"] == "diverged"].to_dict("records")
    return tuple(_trouble(row, _diverged_at(row["diverged_at_step"])) for row in rows)


def failed(points: pd.DataFrame, trials: pd.DataFrame) -> tuple[Trouble, ...]:
    """Every point whose trial failed or was cancelled, with the reason."""
    rows = points[points["state"].isin(["failed", "cancelled"])].to_dict("records")
    messages = dict(zip(trials["trial_id"], trials["failure_message"], strict=True))
    return tuple(_trouble(row, _reason(row, messages.get(row["trial_id"]))) for row in rows)


def _trouble(row: Mapping[Any, Any], what: str) -> Trouble:
    return Trouble(
        label=str(row["label"]),
        value=float(row["value"]),
        seed=int(row["seed"]),
        trial_id=str(row["trial_id"]),
        what=what,
    )


def _diverged_at(step: Any) -> str:
    return "diverged" if pd.isna(step) else f"diverged at step {int(step)}"


def _reason(row: Mapping[Any, Any], message: Any) -> str:
    parts: Sequence[Any] = (row["state"], row["failure"], message)
    return ": ".join(str(part) for part in parts if isinstance(part, str) and part)


def _flat(plain: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in plain.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
