import os
from dataclasses import replace

from sweeper.dispatch.leadership import STILL_S, Observer, this_process
from sweeper.dispatch.processes import process_start
from sweeper.storage.records import DispatcherRow, Owner

ELSEWHERE = Owner(host="another.host.invalid", pid=1, started=1.0)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_dispatcher_elsewhere_is_gone_once_its_beat_stood_still_for_long_enough() -> None:
    clock = Clock()
    observer = Observer(clock)
    row = DispatcherRow(epoch=1, beat=5, owner=ELSEWHERE)
    assert not observer.is_gone(row)
    clock.now += STILL_S - 1
    assert not observer.is_gone(row)
    clock.now += 1
    assert observer.is_gone(row)


def test_every_beat_and_every_epoch_starts_the_time_anew() -> None:
    clock = Clock()
    observer = Observer(clock)
    for epoch, beat in [(1, 5), (1, 6), (2, 6)]:
        assert not observer.is_gone(DispatcherRow(epoch=epoch, beat=beat, owner=ELSEWHERE))
        clock.now += STILL_S - 1


def test_a_process_of_this_host_is_gone_at_once_when_it_has_ended() -> None:
    here = this_process()
    assert here.pid == os.getpid()
    assert not Observer().is_gone(DispatcherRow(epoch=1, beat=0, owner=here))
    reused = replace(here, started=here.started - 1)
    assert Observer().is_gone(DispatcherRow(epoch=1, beat=0, owner=reused))


def test_a_process_of_another_machine_or_container_of_the_same_name_is_judged_by_its_beat() -> None:
    there = replace(this_process(), pid=2**22 + 1, pid_space="another boot pid:[1]")
    assert not Observer().is_gone(DispatcherRow(epoch=1, beat=0, owner=there))


def test_the_start_of_a_process_that_is_not_there_is_unknown() -> None:
    assert process_start(os.getpid()) == process_start(os.getpid())
    assert process_start(2**22 + 1) is None
