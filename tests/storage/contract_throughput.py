"""What is remembered of the pace of stacks, and of the machine."""

import dataclasses

import pytest

from sweeper.errors import Fenced
from sweeper.planning.machine import Machine
from sweeper.planning.speeds import Measurement
from sweeper.storage.store import Store
from tests.storage.builders import take_over

ONE = Measurement(device="a", shape="s", size=4, step_s=0.1, sequence_s=0.01)
GPU = Machine(cpus=8, gpus=2, gpu_memory_bytes=80 * 2**30, device="a")


class ThroughputContract:
    def test_the_newest_measurement_of_a_size_counts(self, store: Store) -> None:
        store.queue.note_speed(ONE)
        newer = dataclasses.replace(ONE, step_s=None, micro_batch=2, peak_bytes=2**40)
        store.queue.note_speed(newer)
        assert store.queue.speeds({"s"}) == (newer,)

    def test_devices_shapes_and_sizes_are_apart(self, store: Store) -> None:
        different = [{"device": "b"}, {"shape": "t"}, {"size": 5}]
        all_of_them = [ONE, *(dataclasses.replace(ONE, **d) for d in different)]  # type: ignore[arg-type]
        for measurement in all_of_them:
            store.queue.note_speed(measurement)
        assert store.queue.speeds({"s", "t"}) == tuple(all_of_them)
        assert store.queue.speeds({"t"}) == (all_of_them[2],)
        assert store.queue.speeds(f"none{n}" for n in range(1200)) == ()
        assert store.queue.speeds([]) == ()

    def test_the_acting_dispatcher_tells_its_machine(self, store: Store) -> None:
        assert store.queue.machine() is None
        epoch = take_over(store)
        store.queue.note_machine(epoch, dataclasses.replace(GPU, running=(3.0,)))
        assert store.queue.machine() == GPU
        take_over(store)
        with pytest.raises(Fenced):
            store.queue.note_machine(epoch, Machine(cpus=1))
        assert store.queue.machine() == GPU
