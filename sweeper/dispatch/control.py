"""From the dispatcher to its workers: what has changed since a stack was claimed."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError

PATIENCE_S = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What a stack must do at its next report: mask these slots; checkpoint and return."""

    masked: tuple[int, ...] = ()
    back: str | None = None
    """Why the stack has to be given back; None: go on."""


GO_ON = Verdict()


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Control:
    """Holds the latest verdict on each (stack, attempt). One per dispatcher, by name.

    Ray starts it anew when its process dies; it then knows nothing until the next `publish`.
    """

    def __init__(self) -> None:
        self._verdicts: Mapping[tuple[int, int], Verdict] = {}
        self._back: str | None = None

    def publish(self, verdicts: Mapping[tuple[int, int], Verdict], back: str | None) -> None:
        """Replace all verdicts; `back` asks every stack to return."""
        self._verdicts = verdicts
        self._back = back

    def verdict(self, stack_id: int, attempt: int) -> Verdict:
        """What this attempt must do."""
        verdict = self._verdicts.get((stack_id, attempt), GO_ON)
        return Verdict(verdict.masked, self._back) if self._back else verdict


def start_control(name: str) -> Any:
    """The control actor of this dispatcher; its workers find it by the name."""
    return Control.options(name=name).remote()  # type: ignore[attr-defined]


def ask(name: str, stack_id: int, attempt: int) -> Verdict:
    """The verdict on this attempt, from inside a worker."""
    actor: Any = ray.get_actor(name)
    try:
        answer: Any = ray.get(actor.verdict.remote(stack_id, attempt), timeout=PATIENCE_S)
    except RayError as error:  # No reason to stop: the next report asks again.
        _log.warning("no verdict on stack %d: %s", stack_id, error)
        return GO_ON
    assert isinstance(answer, Verdict)
    return answer
