"""Trials that wait from before a change of the trainer.

Their identity says which version they are runs of, so this one must not train them under it; and a
curve must not mix the two.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sweeper.errors import SweeperError
from sweeper.failures import Failure, FailureKind
from sweeper.storage.records import Claim, FreeTrial
from sweeper.trials import fingerprint
from trainers.config import from_dict

OUTDATED = Failure(
    kind=FailureKind.OUTDATED,
    message="it was submitted before a change of the trainer, and would be another run today",
)


class OutdatedStack(SweeperError):
    """A stack waits from before a change of the trainer."""


class Identities:
    """Looks at every free trial once, as a large sweep is planned again for each of its stacks."""

    def __init__(self) -> None:
        self._good: set[int] = set()

    def outdated(self, free: Collection[FreeTrial]) -> list[int]:
        """Keys of those that are of another version of the trainer."""
        new = [trial for trial in free if trial.id not in self._good]
        self._good |= {trial.id for trial in new if _is_current(trial.fingerprint, trial.config)}
        return [trial.id for trial in new if trial.id not in self._good]


def check(claim: Claim) -> None:
    """Raises OutdatedStack if one of the live members is of another version of the trainer."""
    if not all(_is_current(m.fingerprint, m.config) for m in claim.members if m.live):
        raise OutdatedStack


def _is_current(identity: str, config: Mapping[str, Any]) -> bool:
    try:
        own = fingerprint(from_dict(config))
    except Exception:  # noqa: BLE001 - what cannot be read is told where it is planned
        return True
    return identity.partition(":")[0] == own  # What follows makes it a sweep's alone.
