"""Nothing that the tests of a module start outlives it, whatever fails."""

from collections.abc import Iterator

import pytest

from tests.dispatch import tiny


@pytest.fixture(autouse=True, scope="module")
def _no_dispatcher_survives() -> Iterator[None]:
    yield
    tiny.kill_what_runs()
