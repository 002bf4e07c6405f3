"""What the searcher claims with, and from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sweeper.dispatch.capacity import Capacity
from sweeper.dispatch.messages import Timing
from sweeper.dispatch.running import RunningStacks
from sweeper.dispatch.stop import Stop
from sweeper.dispatch.writer import Writer
from sweeper.storage.queue import Queue


@dataclass(frozen=True, kw_only=True)
class Supply:
    """What the searcher works with. Tune pickles searchers, and must not reach any of this."""

    store: Queue
    epoch: int
    running: RunningStacks
    writer: Writer
    stop: Stop
    capacity: Callable[[], Capacity]
    data_dir: Path
    checkpoints: str
    keeps: bool
    control: str
    timing: Timing
    idle_exit: bool
    advance: Callable[[], None]
    """Gives sweeps that think their next points."""

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return object, ()
