"""The policy for every class of failure."""

import pytest

from sweeper.failures import LOSSES_BEFORE_SPLIT, POLICIES, FailureKind, Remedy, remedy

NEVER_CHARGED = {
    FailureKind.CHECKPOINT_CORRUPT,
    FailureKind.DISK_FULL,
    FailureKind.STORE_UNREACHABLE,
}


def test_every_kind_has_a_policy() -> None:
    assert set(POLICIES) == set(FailureKind)
    assert all(policy.advice for policy in POLICIES.values())


@pytest.mark.parametrize("kind", FailureKind)
def test_a_single_member_fails_when_its_retries_are_used_up(kind: FailureKind) -> None:
    retries = POLICIES[kind].retries
    if retries is None:
        assert kind in NEVER_CHARGED
        assert remedy(kind, live=1, losses=99, charges=99) is POLICIES[kind].alone
        return
    assert remedy(kind, live=1, losses=1, charges=retries + 1) is Remedy.FAIL
    if retries:
        assert remedy(kind, live=1, losses=99, charges=retries) is Remedy.AS_IT_WAS


@pytest.mark.parametrize("kind", [FailureKind.HUNG, FailureKind.WORKER_LOST])
def test_a_lost_stack_goes_back_before_it_is_split(kind: FailureKind) -> None:
    found = [
        remedy(kind, live=2, losses=losses, charges=0)
        for losses in range(1, LOSSES_BEFORE_SPLIT + 1)
    ]
    assert found == [Remedy.AS_IT_WAS] * (LOSSES_BEFORE_SPLIT - 1) + [Remedy.SPLIT]


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (FailureKind.INFEASIBLE, Remedy.SPLIT),
        (FailureKind.USER_ERROR, Remedy.SPLIT),
        (FailureKind.NODE_LOST, Remedy.AS_IT_WAS),
        (FailureKind.OOM_GPU, Remedy.SPLIT),
        (FailureKind.OOM_HOST, Remedy.SPLIT),
        (FailureKind.TIMEOUT, Remedy.FAIL),
        (FailureKind.DATA_CORRUPT, Remedy.FAIL),
        (FailureKind.CHECKPOINT_CORRUPT, Remedy.OLDER_CHECKPOINT),
        (FailureKind.DISK_FULL, Remedy.PAUSE),
        (FailureKind.OUTDATED, Remedy.FAIL),
        (FailureKind.STORE_UNREACHABLE, Remedy.PAUSE),
    ],
)
def test_what_a_stack_does_at_once(kind: FailureKind, expected: Remedy) -> None:
    assert remedy(kind, live=2, losses=1, charges=0) is expected


def test_only_failures_of_its_own_making_count_against_a_sweep() -> None:
    counting = {kind for kind, policy in POLICIES.items() if policy.counts}
    assert counting == {
        FailureKind.INFEASIBLE,
        FailureKind.USER_ERROR,
        FailureKind.HUNG,
        FailureKind.TIMEOUT,
        FailureKind.DATA_CORRUPT,
        FailureKind.OUTDATED,
    }
