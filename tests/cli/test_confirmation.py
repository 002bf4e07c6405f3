"""Sweeps that the service wants to be confirmed, on the command line."""

from collections.abc import Mapping
from typing import Any

import pytest

from sweeper.cli import forecasts
from sweeper.cli.output import USAGE, exit_code
from sweeper.client import Client, Json
from sweeper.errors import NeedsConfirmation


class _Limited(Client):
    """A client of a service that takes confirmed sweeps only."""

    def submit(
        self,
        sweep: Mapping[str, Any],
        *,
        idempotency_key: str | None = None,
        confirm: bool = False,
    ) -> Json:
        if not confirm:
            raise NeedsConfirmation("3 hours")
        return {"id": "1"}


def test_without_a_terminal_it_is_refused_and_the_option_is_named() -> None:
    with pytest.raises(NeedsConfirmation, match="3 hours; --confirm submits it") as caught:
        forecasts.submit(_Limited(), {}, confirmed=False)
    assert exit_code(caught.value) == USAGE
    assert forecasts.submit(_Limited(), {}, confirmed=True) == {"id": "1"}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0 s"), (59.0, "59 s"), (90.0, "1.5 min"), (7200.0, "2 h")]
)
def test_a_time_is_told_in_the_largest_unit_that_it_fills(seconds: float, text: str) -> None:
    assert forecasts.duration(seconds) == text
