"""Asking the dispatcher to end, at any moment."""

import sys
import threading
from itertools import count
from types import FrameType
from typing import Any

from sweeper.dispatch.stop import Stop


def _ends_at_line(number: int) -> bool:
    """Whether that line of a wait is reached, where the request to end comes as a signal would."""
    stop, lines = Stop(), count()

    def meet(_frame: FrameType, event: str, _arg: Any) -> Any:
        if event == "line" and next(lines) == number:
            stop.drain("a signal")
        return meet

    def wait() -> None:
        sys.settrace(meet)
        stop.wait(0.01)
        sys.settrace(None)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive(), f"the handler waits for its own thread, at line {number}"
    return stop.is_set()


def test_there_is_as_much_time_as_the_grace_from_the_first_request_on() -> None:
    patient, impatient = Stop(grace_s=1000.0), Stop(grace_s=0.0)
    for stop in (patient, impatient):
        assert not stop.wait(0.0)
        stop.drain("first")
        stop.drain("second")
        assert stop.reason == "first"
    assert not patient.wait(0.0)
    assert impatient.wait(0.0)
    patient.fenced()
    assert patient.wait(0.0)


def test_a_signal_may_meet_a_wait_at_any_line() -> None:
    reached = next(number for number in count() if not _ends_at_line(number))
    assert reached > 3
