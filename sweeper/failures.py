"""What infrastructure trouble there is and what follows from it. Pure: the queue applies it.

A failure is never a result. What one member of a stack may have caused is charged to none of them:
the stack is split until a single member fails, which is then charged.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

LOSSES_BEFORE_SPLIT = 3
"""Returns of a lost stack without a newer checkpoint: a kill from outside looks the same as a
crash that one member causes, so it first goes back as it was."""

FIRST_FAILURES = 5
"""So many failed trials with none done pause a sweep: what is wrong is wrong with all of it."""


class FailureKind(StrEnum):
    """How an attempt failed."""

    INFEASIBLE = "infeasible"
    USER_ERROR = "user_error"
    HUNG = "hung"
    WORKER_LOST = "worker_lost"
    NODE_LOST = "node_lost"
    OOM_GPU = "oom_gpu"
    OOM_HOST = "oom_host"
    TIMEOUT = "timeout"
    CHECKPOINT_CORRUPT = "checkpoint_corrupt"
    STORE_UNREACHABLE = "store_unreachable"
    DATA_CORRUPT = "data_corrupt"
    DISK_FULL = "disk_full"
    OUTDATED = "outdated"


class Remedy(StrEnum):
    """What happens to the stack."""

    AS_IT_WAS = "as_it_was"
    SPLIT = "split"
    FAIL = "fail"
    OLDER_CHECKPOINT = "older_checkpoint"
    PAUSE = "pause"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why an attempt ended. `log_tail` is its last fifty lines."""

    kind: FailureKind
    message: str
    traceback: str = ""
    log_tail: str = ""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What one kind of failure leads to.

    `together` holds for several live members, `alone` for one with retries left; `patient` stacks
    go back as they were before they are split; `counts` says whether the sweep is to blame.
    """

    together: Remedy
    alone: Remedy = Remedy.AS_IT_WAS
    retries: int | None = 0
    patient: bool = False
    counts: bool = False
    advice: str


POLICIES: Mapping[FailureKind, Policy] = {
    FailureKind.INFEASIBLE: Policy(
        together=Remedy.SPLIT, counts=True, advice="no machine here can hold it: use a smaller one"
    ),
    FailureKind.USER_ERROR: Policy(
        together=Remedy.SPLIT, counts=True, advice="read the traceback, fix the code, then retry"
    ),
    FailureKind.HUNG: Policy(
        together=Remedy.SPLIT,
        retries=1,
        patient=True,
        counts=True,
        advice="it stopped making progress: see the log, then retry",
    ),
    FailureKind.WORKER_LOST: Policy(
        together=Remedy.SPLIT,
        retries=3,
        patient=True,
        advice="its process ended from outside: check memory and the machine, then retry",
    ),
    FailureKind.NODE_LOST: Policy(
        together=Remedy.AS_IT_WAS, retries=3, advice="its machine went away: check it, then retry"
    ),
    FailureKind.OOM_GPU: Policy(
        together=Remedy.SPLIT, retries=1, advice="use a smaller batch or a larger GPU, then retry"
    ),
    FailureKind.OOM_HOST: Policy(
        together=Remedy.SPLIT, retries=1, advice="give the machine more memory, then retry"
    ),
    FailureKind.TIMEOUT: Policy(
        together=Remedy.FAIL, counts=True, advice="it ran into its time limit: raise it, then retry"
    ),
    FailureKind.CHECKPOINT_CORRUPT: Policy(
        together=Remedy.OLDER_CHECKPOINT,
        alone=Remedy.OLDER_CHECKPOINT,
        retries=None,
        advice="an older checkpoint or none is used; check the disk",
    ),
    FailureKind.STORE_UNREACHABLE: Policy(
        together=Remedy.PAUSE,
        alone=Remedy.PAUSE,
        retries=None,
        advice="check the checkpoint store's address, credentials and network, then resume",
    ),
    FailureKind.DATA_CORRUPT: Policy(
        together=Remedy.FAIL,
        counts=True,
        advice="`sweeper data verify` says which file is damaged: restore it, then retry",
    ),
    FailureKind.DISK_FULL: Policy(
        together=Remedy.PAUSE,
        alone=Remedy.PAUSE,
        retries=None,
        advice="make room on the disk, then resume the sweep",
    ),
    FailureKind.OUTDATED: Policy(
        together=Remedy.FAIL, counts=True, advice="submit the sweep anew, for today's trainer"
    ),
}


def remedy(kind: FailureKind, *, live: int, losses: int, charges: int) -> Remedy:
    """What happens to a stack with `live` members that have no result yet.

    `losses` counts returns without a newer checkpoint, `charges` the failures of this kind that a
    single live member was charged with; both include this one.
    """
    assert live >= 1
    policy = POLICIES[kind]
    if live == 1:
        exhausted = policy.retries is not None and charges > policy.retries
        return Remedy.FAIL if exhausted else policy.alone
    if policy.patient and losses < LOSSES_BEFORE_SPLIT:
        return Remedy.AS_IT_WAS
    return policy.together
