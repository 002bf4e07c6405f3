"""Nothing that a test of the dispatcher starts outlives it."""

from collections.abc import Iterator

import pytest

from tests.dispatch import tiny


@pytest.fixture(autouse=True)
def _no_dispatcher_survives() -> Iterator[None]:
    yield
    tiny.kill_what_runs()
