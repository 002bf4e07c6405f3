"""How much room everything takes: the database, checkpoints, data sets, and each sweep."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sweeper.storage.usage import DatabaseUse, SweepRows


@dataclass(frozen=True, kw_only=True)
class SweepUse:
    """What a sweep takes, in bytes. Deleting it gives back what is its own.

    `database` is estimated: the share that the measurements of its own trials have in the database.
    `checkpoints` are those of the stacks that its trials are in, also with trials of other sweeps.
    """

    id: str
    name: str
    trials: int
    own_trials: int
    measurements: int
    database: int
    checkpoints: int


@dataclass(frozen=True, kw_only=True)
class DiskUse:
    """What everything takes, in bytes; `free` is left on the disk of the home folder."""

    database: int
    checkpoints: int
    datasets: int
    free: int
    sweeps: tuple[SweepUse, ...]


def disk_use(rows: DatabaseUse, home: Path) -> DiskUse:
    """Of a database and the folders beside it; the sweeps that take the most come first."""
    sweeps = [_sweep_use(sweep, rows, home / "checkpoints") for sweep in rows.sweeps]
    sweeps.sort(key=lambda sweep: sweep.database + sweep.checkpoints, reverse=True)
    return DiskUse(
        database=rows.size,
        checkpoints=folder_size(home / "checkpoints"),
        datasets=folder_size(home / "datasets"),
        free=shutil.disk_usage(home).free,
        sweeps=tuple(sweeps),
    )


def _sweep_use(sweep: SweepRows, rows: DatabaseUse, checkpoints: Path) -> SweepUse:
    share = sweep.measurements / rows.measurements if rows.measurements else 0.0
    return SweepUse(
        id=sweep.sweep_id,
        name=sweep.name,
        trials=sweep.trials,
        own_trials=sweep.own_trials,
        measurements=sweep.measurements,
        database=round(share * rows.size),
        checkpoints=sum(folder_size(checkpoints / str(stack)) for stack in sweep.stacks),
    )


def folder_size(folder: Path) -> int:
    """Bytes of all files in it, 0 if it is not there; files may go while we count."""
    total = 0
    for root, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(root) / name).lstat().st_size
            except FileNotFoundError:
                continue
    return total
