"""Checkpoints in a folder that dispatcher and workers see under the same path."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Folder:
    """A `CheckpointStore` on a disk: workers write in it directly, and loading reads from it."""

    root: Path

    def address(self, name: str) -> str:
        """The checkpoint's path."""
        return str(self.root / name)

    def write(self, name: str, save: Callable[[Path], None]) -> None:
        """Have the checkpoint written; it is whole then."""
        save(self.root / name)

    def fetch(self, name: str, into: Path) -> Path:
        """The checkpoint where it is."""
        del into
        return self.root / name

    def stacks(self) -> frozenset[str]:
        """Every stack that has a folder of checkpoints."""
        return frozenset(path.name for path in self.root.glob("*") if path.name.isdigit())

    def checkpoints(self, stack_id: int) -> frozenset[str]:
        """All that lie there of a stack, over all its attempts."""
        found = (self.root / str(stack_id)).glob("*/*")
        return frozenset(path.relative_to(self.root).as_posix() for path in found if path.is_dir())

    def remove(self, name: str) -> None:
        """Remove a checkpoint, or everything of a stack."""
        shutil.rmtree(self.root / name, ignore_errors=True)
