"""Nothing that the tests of a module start outlives it, whatever fails."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper.storage.store import Store
from tests.dispatch import tiny
from tests.dispatch.bench import Bench
from tests.dispatch.service import Running, served


@pytest.fixture(autouse=True, scope="module")
def _no_dispatcher_survives() -> Iterator[None]:
    yield
    tiny.kill_what_runs()


@pytest.fixture
def bench(sqlite_store: Store, tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(sqlite_store, tmp_path, 1, idle_exit=True)
    yield bench
    bench.writer.close()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Running]:
    with served(tmp_path_factory.mktemp("home"), sqlite_template) as running:
        yield running
