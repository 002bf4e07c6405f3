"""Stacks on several devices, through Ray: one rank dies, the stack goes on."""

import os
import signal
from pathlib import Path

import pytest

from sweeper.dispatch.capacity import DEFAULT_GPU_MEMORY_BYTES, capacity_of, usable
from sweeper.dispatch.nodes import Devices
from sweeper.storage.store import Store, open_store
from tests.dispatch import tiny
from tests.dispatch.sockets import listening, tree

STEPS = 300
TOLERANCE = 1e-3
"""Relative, of final losses on two devices and on one: rounding, grown over these steps."""


def _rank_1(pid: int) -> int | None:
    """The other rank of a worker."""
    for child in tree(pid):
        try:
            if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text():
                return child
        except OSError:  # It has ended meanwhile.
            continue
    return None


def _node(cpus: int, gpus: int = 0, *, alive: bool = True) -> dict[str, object]:
    kinds = {"CPU": float(cpus)} | ({"GPU": float(gpus)} if gpus else {})
    return {"Alive": alive, "Resources": kinds}


@pytest.mark.parametrize(
    ("nodes", "devices", "expected"),
    [
        ([_node(2), _node(3)], 1, (5, 0, 3)),
        ([_node(2), _node(3), _node(8, alive=False)], 2, (4, 0, 1)),
        ([_node(8, 4), _node(6, 3), _node(9)], 2, (14, 6, 4)),
        ([_node(6, 4), _node(8, 3)], 4, (4, 4, 1)),
        ([_node(8, 1), _node(8, 1)], 2, (0, 0, 0)),
        ([_node(1), _node(1)], 2, (0, 0, 0)),
        ([], 2, (0, 0, 0)),
    ],
)
def test_only_nodes_with_enough_devices_count_and_gpus_are_waited_for(
    nodes: list[dict[str, object]], devices: int, expected: tuple[int, int, int]
) -> None:
    able = usable(nodes, devices)
    found = capacity_of([node["Resources"] for node in able], [None] * len(able), devices)
    assert (found.cpus, found.gpus, found.threads) == expected


SMALL, LARGE = ("small card", 8 * 2**30), ("large card", 80 * 2**30)


@pytest.mark.parametrize(
    ("told", "device", "memory_bytes"),
    [
        ([Devices("a", (LARGE,)), Devices("b", (LARGE,))], "large card", LARGE[1]),
        ([Devices("a", (LARGE,)), Devices("a", (SMALL,))], "", SMALL[1]),
        ([Devices("a", (LARGE,)), None], "", LARGE[1]),
        ([None, None], "", DEFAULT_GPU_MEMORY_BYTES),
    ],
)
def test_gpus_are_what_their_nodes_say(
    told: list[Devices | None], device: str, memory_bytes: int
) -> None:
    found = capacity_of([{"CPU": 4.0, "GPU": 1.0}] * 2, told, 1)
    assert (found.device, found.gpu_memory_bytes) == (device, memory_bytes)


@pytest.mark.parametrize(
    ("names", "devices", "device"), [("aa", 1, "a"), ("aa", 2, "2 x a"), ("ab", 1, ""), ("", 1, "")]
)
def test_cpus_are_what_their_nodes_say(names: str, devices: int, device: str) -> None:
    found = capacity_of([{"CPU": 4.0}] * len(names), [Devices(name) for name in names], devices)
    assert (found.device, found.gpu_memory_bytes) == (device, 0)


@pytest.mark.ray
@pytest.mark.fault
@pytest.mark.timeout(240)
def test_a_killed_rank_fails_its_attempt_at_once_and_the_stack_goes_on_on_two_devices(
    sqlite_url: str, tmp_path: Path
) -> None:
    configs = [tiny.config(tmp_path, 0.004 * n, steps=STEPS) for n in (1, 2)]
    with open_store(sqlite_url) as store:
        sweep_id = tiny.submit(store, configs)
        dispatcher = tiny.start(
            sqlite_url,
            tmp_path,
            failpoints=[tiny.slow(tmp_path)],
            settings={"SWEEPER_DEVICES": "2", "SWEEPER_PROGRESS_LIMIT_S": "120"},
        )
        tiny.eventually(lambda: _newest_step(store, sweep_id) > 0, "there is a checkpoint")
        (attempt,) = tiny.attempts(store, sweep_id)
        other = tiny.eventually(lambda: _rank_1(attempt.pid), "there is another rank")
        assert all(address.is_loopback for address in listening(dispatcher.process.pid))
        os.kill(other, signal.SIGKILL)
        tiny.hurry(tmp_path)
        tiny.eventually(lambda: tiny.is_done(store, sweep_id), "the sweep is done")
        assert dispatcher.stop() == 0
        records = tiny.trials(store, sweep_id)
        assert tiny.counts(store, sweep_id) == {"done": 2}
        assert [[a.failure for a in r.attempts] for r in records] == [["worker_lost", None]] * 2
        assert "rank 1 ended with exit code -9" in str(records[0].attempts[0].failure_message)
        assert all(r.provenance["devices"] == 2 for r in records)
        assert all(r.provenance["resumed_at"] > 0 for r in records)
        alone = tiny.undisturbed(tmp_path, records)
        assert [r.final_loss for r in records] == pytest.approx(alone, rel=TOLERANCE)


def _newest_step(store: Store, sweep_id: str) -> int:
    for attempt in tiny.attempts(store, sweep_id):
        for name in store.queue.checkpoints(attempt.stack_id)[:1]:
            return int(name.rsplit("/", 1)[1])
    return 0
