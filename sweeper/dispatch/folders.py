"""Where the checkpoints of a stack lie: `<checkpoints>/<stack>/<attempt>/<step>/`."""

import shutil
from collections.abc import Collection
from pathlib import Path


def attempt_directory(root: Path, stack_id: int, attempt: int) -> Path:
    """The only folder an attempt writes in."""
    return root / str(stack_id) / str(attempt)


def prune(root: Path, newest: str, recorded: Collection[str]) -> None:
    """Remove the checkpoints of a stack that are not `recorded`, over all its attempts.

    Later ones of the attempt that wrote `newest` stay: its worker may be ahead of its reports.
    """
    attempt, step = (root / newest).parent, int(Path(newest).name)
    for path in attempt.parent.glob("*/*"):
        is_checkpoint = path.name.isdigit() and path.parent.name.isdigit()
        is_ahead = path.parent == attempt and is_checkpoint and int(path.name) > step
        if is_checkpoint and not is_ahead and path.relative_to(root).as_posix() not in recorded:
            shutil.rmtree(path, ignore_errors=True)


def stack_folders(root: Path) -> frozenset[str]:
    """Every stack that has a folder of checkpoints."""
    return frozenset(path.name for path in root.glob("*") if path.name.isdigit())


def discard(root: Path, relative: str) -> None:
    """Remove a checkpoint, or everything of a stack."""
    shutil.rmtree(root / relative, ignore_errors=True)
