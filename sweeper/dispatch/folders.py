"""Where the checkpoints of a stack lie: `<checkpoints>/<stack>/<attempt>/<step>/`."""

import shutil
from pathlib import Path

KEPT = 2
"""Checkpoints of a stack that stay: the newest, and the one to fall back to."""


def attempt_directory(root: Path, stack_id: int, attempt: int) -> Path:
    """The only folder an attempt writes in."""
    return root / str(stack_id) / str(attempt)


def prune(root: Path, stack_id: int) -> None:
    """Remove all but the newest checkpoints of a stack, over all its attempts."""
    found = [
        (int(path.parent.name), int(path.name), path)
        for path in (root / str(stack_id)).glob("*/*")
        if path.name.isdigit() and path.parent.name.isdigit()
    ]
    for _, _, path in sorted(found, reverse=True)[KEPT:]:
        shutil.rmtree(path, ignore_errors=True)


def stack_folders(root: Path) -> frozenset[str]:
    """Every stack that has a folder of checkpoints."""
    return frozenset(path.name for path in root.glob("*") if path.name.isdigit())


def discard(root: Path, relative: str) -> None:
    """Remove a checkpoint, or everything of a stack."""
    shutil.rmtree(root / relative, ignore_errors=True)
