"""A sweep as Optuna studies in a file of their own, for optuna-dashboard."""

import sqlite3
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

_APPLICATION_ID = 0x73777072
"""Marks a file as a mirror in SQLite's own header, so that only mirrors are ever replaced."""


def write(points: pd.DataFrame, path: Path, *, name: str) -> tuple[str, ...]:
    """Writes one study per variant into an SQLite file and returns the names of the studies.

    A study is called `<sweep> / <label>`, with scale and architecture where the label alone is
    ambiguous. A trial's value is its final loss. A diverged trial is a failed one in Optuna's
    words, with the attribute `diverged`: Optuna knows no other way to keep it out of its samplers.
    The file appears whole or not at all. ValueError if something else than an earlier mirror
    stands at `path`.
    """
    if path.exists() and not _is_mirror(path):
        raise ValueError(f"'{path}' exists and is no mirror of a sweep: choose another file")
    groups = dict(list(points.groupby("variant", sort=True)))
    names = _names(name, [group.iloc[0] for group in groups.values()])
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".mirror-") as folder,
        _without_notices(),
    ):
        fresh = Path(folder) / path.name
        _write_studies(dict(zip(names, groups.values(), strict=True)), fresh)
        fresh.replace(path)
    return names


@contextmanager
def _without_notices() -> Iterator[None]:
    """Optuna announces every new study on standard error."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


class _Unsynchronised(sqlite3.Connection):
    """Waits for no disk: the file is nobody's until it is whole, and a crash leaves none."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA synchronous = OFF")
        self.execute("PRAGMA journal_mode = MEMORY")


def _write_studies(groups: Mapping[str, pd.DataFrame], path: Path) -> None:
    storage = optuna.storages.RDBStorage(
        f"sqlite:///{path}", engine_kwargs={"connect_args": {"factory": _Unsynchronised}}
    )
    for name, group in groups.items():
        study_id = storage.create_new_study([optuna.study.StudyDirection.MINIMIZE], name)
        for key in ("label", "optimizer", "scale", "architecture", "parameter"):
            storage.set_study_user_attr(study_id, key, group.iloc[0][key])
        distribution = _distribution(group)
        for row in group.to_dict("records"):
            storage.create_new_trial(study_id, template_trial=_trial(row, distribution))
    storage.engine.dispose()
    with sqlite3.connect(path) as connection:
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.close()


def _names(sweep: str, variants: list["pd.Series[Any]"]) -> tuple[str, ...]:
    labels = [str(row["label"]) for row in variants]
    return tuple(
        f"{sweep} / {row['label']}"
        if labels.count(row["label"]) == 1
        else f"{sweep} / {row['label']} / {row['scale']} / {row['architecture']}"
        for row in variants
    )


def _distribution(group: pd.DataFrame) -> FloatDistribution:
    """The range of the values; log where the axis is, unless zero is one of them."""
    low, high = float(group["value"].min()), float(group["value"].max())
    return FloatDistribution(low, high, log=group["axis_scale"].iloc[0] == "log" and low > 0)


def _trial(row: Mapping[Any, Any], distribution: FloatDistribution) -> FrozenTrial:
    state = _state(row)
    attributes = {
        "trial": row["trial_id"],
        "seed": int(row["seed"]),
    } | _attributes_of_a_failure(row)
    return create_trial(
        state=state,
        value=float(row["final_loss"]) if state is TrialState.COMPLETE else None,
        params={row["parameter"]: float(row["value"])},
        distributions={row["parameter"]: distribution},
        user_attrs=attributes,
    )


def _attributes_of_a_failure(row: Mapping[Any, Any]) -> dict[str, Any]:
    """Why there is no value; few, as Optuna takes its time over each attribute."""
    if row["outcome"] == "finite":
        return {}
    if row["outcome"] != "diverged":
        return {"state": row["state"]}
    keys = ("diverged_at_step", "last_finite_loss", "initial_loss")
    return {"diverged": True} | {key: float(row[key]) for key in keys if pd.notna(row[key])}


def _state(row: Mapping[Any, Any]) -> TrialState:
    if row["outcome"] == "finite":
        return TrialState.COMPLETE
    unfinished = {"pending": TrialState.WAITING, "running": TrialState.RUNNING}
    return unfinished.get(row["state"], TrialState.FAIL)


def _is_mirror(path: Path) -> bool:
    """Reads the application id, bytes 68 to 71 of an SQLite file (sqlite.org/fileformat2.html)."""
    with path.open("rb") as file:
        header = file.read(72)
    return header[68:72] == _APPLICATION_ID.to_bytes(4, "big")
