"""Where checkpoints lie: a folder, or a URL. By name: `<stack>/<attempt>/<step>`.

A finished stack that is to keep its last checkpoint has it under `kept/` in front of that, where
nothing removes it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sweeper.dispatch.folders import Folder
from sweeper.dispatch.objects import ObjectStore

KEPT = "kept"


class CheckpointStore(Protocol):
    """Checkpoints of all stacks. An attempt writes under its own name only."""

    def address(self, name: str) -> str:
        """Where a checkpoint is, for people."""

    def write(self, name: str, save: Callable[[Path], None]) -> Callable[[], None] | None:
        """Have `save` write a checkpoint to a path that does not exist yet.

        Returns what is left to do until it is whole, to be called in any thread; None if it is.
        """

    def fetch(self, name: str, into: Path) -> Path:
        """A folder with the checkpoint's files, which may be `into`; CheckpointError if missing."""

    def stacks(self) -> frozenset[str]:
        """Every stack that has checkpoints."""

    def checkpoints(self, stack_id: int) -> frozenset[str]:
        """All that lie there of a stack, over all its attempts."""

    def remove(self, name: str) -> None:
        """Remove a checkpoint, or everything of a stack."""


def attempt_name(stack_id: int, attempt: int) -> str:
    """What the names of an attempt's checkpoints begin with."""
    return f"{stack_id}/{attempt}"


def open_checkpoints(location: str, moved: Callable[[], None] = lambda: None) -> CheckpointStore:
    """The store at a path or URL; `moved` is called as parts of a file go or come over a network.

    ValueError says what is wrong with a URL.
    """
    return ObjectStore(location, moved) if is_url(location) else Folder(Path(location))


def is_url(location: str) -> bool:
    """Whether this is no path."""
    return "://" in location


def check_location(location: str) -> None:
    """Raises ValueError, or StoreUnreachable, if no checkpoint can be put there."""
    if is_url(location):
        ObjectStore(location).probe()
    else:
        Path(location).mkdir(parents=True, exist_ok=True)
