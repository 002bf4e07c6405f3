"""Connections: which driver, how transactions begin, and which errors a user can act on.

SQLite: every write transaction is `BEGIN IMMEDIATE` on its own engine, reads use another engine of
read-only connections. PostgreSQL: READ COMMITTED, rows are locked where the queue says so, and no
lock or statement waits for ever.
"""

import sqlite3
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.pool import QueuePool

from sweeper.errors import StorageFull, SweeperError, Unavailable

T = TypeVar("T")

ATTEMPTS = 5
"""Of a whole transaction that loses a deadlock or a serialisation conflict."""

CONNECTION_WAIT_S = 10.0
"""For one of the pool, as for a lock."""

SQLITE_PRAGMAS = (
    "synchronous=FULL",
    "busy_timeout=10000",
    "foreign_keys=ON",
    "temp_store=MEMORY",
    "journal_size_limit=67108864",
)
POSTGRESQL_CONNECTION = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
    "tcp_user_timeout": 30_000,
}
"""A server that is gone without a word, as after a cut of the network, is noticed within 30 s."""
POSTGRESQL_SETTINGS = {
    "timezone": "UTC",
    "lock_timeout": "10s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "5s",
}


class Database:
    """One database. Threads may share it; `close` ends its connections.

    `write` and `read` run a function of a connection in one transaction. The function must leave
    nothing behind but what it writes to the connection: `write` may call it again.
    """

    def __init__(self, url: str) -> None:
        self.url = parse_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = _sqlite_writer(self.url) if self.is_sqlite else _postgresql(self.url)
        self._reader = _sqlite_reader(self.url) if self.is_sqlite else self._writer

    def write(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns, after the commit. Deadlocks are retried from the start."""
        for _ in range(ATTEMPTS - 1):
            try:
                return self._write_once(work)
            except DBAPIError as error:
                if _sqlstate(error) not in {"40001", "40P01"}:
                    raise
        return self._write_once(work)

    def _write_once(self, work: Callable[[Connection], T]) -> T:
        with translated(), self._writer.begin() as connection:
            return work(connection)

    def read(self, work: Callable[[Connection], T]) -> T:
        """What `work` returns; on SQLite it sees one snapshot."""
        with translated(), self._reader.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """End all connections."""
        if self.is_sqlite:
            # Only a favour to the query planner: a full or busy disk must not stop the end.
            with suppress(SweeperError), translated(), self._writer.begin() as connection:
                connection.exec_driver_sql("PRAGMA optimize")
        self._reader.dispose()
        self._writer.dispose()


def parse_url(url: str) -> URL:
    """A checked URL; `postgresql://` means psycopg. ValueError names what is accepted."""
    accepted = "accepted: sqlite:///path/to/file.db, postgresql://user@host/database"
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise ValueError(f"unreadable database URL {url!r}; {accepted}") from error
    if parsed.drivername in {"postgresql", "postgres", "postgresql+psycopg"}:
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != "sqlite" or parsed.database in {None, "", ":memory:"}:
        raise ValueError(f"unknown database URL {parsed.render_as_string()!r}; {accepted}")
    return parsed


def sqlite_module() -> types.ModuleType:
    """The driver for SQLite: `pysqlite3`, which bundles a fixed version, where it is installed."""
    try:
        import pysqlite3
    except ImportError:
        return sqlite3
    module: types.ModuleType = pysqlite3
    return module


def wal_is_safe(version: tuple[int, ...]) -> bool:
    """Whether this SQLite is free of the WAL-reset corruption (sqlite.org/wal.html#walresetbug)."""
    if version[:2] in {(3, 44), (3, 50)}:
        return version >= ((3, 44, 6) if version[:2] == (3, 44) else (3, 50, 7))
    return version >= (3, 51, 3)


def journal_mode() -> str:
    """`WAL` with a fixed SQLite, else the slower rollback journal, `DELETE`."""
    return "WAL" if wal_is_safe(sqlite_module().sqlite_version_info) else "DELETE"


def _sqlite_writer(url: URL) -> Engine:
    engine = _sqlite_engine(
        sqlite_path(url), "rw", (*SQLITE_PRAGMAS, f"journal_mode={journal_mode()}")
    )
    _on_begin(engine, "BEGIN IMMEDIATE")
    return engine


def _sqlite_reader(url: URL) -> Engine:
    engine = _sqlite_engine(sqlite_path(url), "ro", (*SQLITE_PRAGMAS, "query_only=ON"))
    _on_begin(engine, "BEGIN")
    return engine


def sqlite_path(url: URL) -> Path:
    """The database file."""
    assert url.database is not None
    return Path(url.database).absolute()


def sqlite_migrator(url: URL) -> Engine:
    """An engine for changing the schema: foreign keys off, since tables may be rebuilt."""
    pragmas = ("busy_timeout=30000", "synchronous=FULL", f"journal_mode={journal_mode()}")
    engine = _sqlite_engine(sqlite_path(url), "rwc", pragmas)
    _on_begin(engine, "BEGIN IMMEDIATE")
    return engine


def _sqlite_engine(path: Path, mode: str, pragmas: tuple[str, ...]) -> Engine:
    if not path.parent.is_dir():
        raise SweeperError(f"the folder of the database does not exist: {path.parent}")
    module = sqlite_module()
    uri = f"file:{quote(str(path))}?mode={mode}"

    def connect() -> Any:
        # SQLAlchemy, not the driver, opens transactions: hence no isolation level.
        connection = module.connect(
            uri, uri=True, check_same_thread=False, isolation_level=None, cached_statements=256
        )
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")
        return connection

    return create_engine(
        "sqlite://",
        module=module,
        creator=connect,
        poolclass=QueuePool,
        pool_timeout=CONNECTION_WAIT_S,
    )


def _on_begin(engine: Engine, statement: str) -> None:
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)


def _postgresql(url: URL) -> Engine:
    engine = create_engine(
        url,
        pool_pre_ping=True,
        pool_size=8,
        max_overflow=16,
        pool_timeout=CONNECTION_WAIT_S,
        connect_args=POSTGRESQL_CONNECTION,
    )

    @event.listens_for(engine, "connect")
    def configure(dbapi_connection: Any, _: object) -> None:
        for name, value in POSTGRESQL_SETTINGS.items():
            dbapi_connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        dbapi_connection.commit()

    return engine


def postgresql_migrator(url: URL) -> Engine:
    """An engine for changing the schema: without limits on the time of a statement."""
    return create_engine(url, pool_size=1, connect_args=POSTGRESQL_CONNECTION)


def _sqlstate(error: DBAPIError) -> str | None:
    state = getattr(error.orig, "sqlstate", None)
    return state if isinstance(state, str) else None


@contextmanager
def translated() -> Iterator[None]:
    """Errors of the database as those that a user can act on; others pass."""
    try:
        yield
    except NoConnectionLeft as error:
        raise Unavailable(f"{Unavailable.__doc__} (all connections are waiting for it)") from error
    except DBAPIError as error:
        known = _known(error)
        if known is None:
            raise
        raise known from error


def _known(error: DBAPIError) -> SweeperError | None:
    """The error that tells a user what to do, if there is one."""
    detail = str(error.orig).strip().partition("\n")[0]
    name = getattr(error.orig, "sqlite_errorname", None)
    state = _sqlstate(error)
    if name == "SQLITE_FULL" or state == "53100":
        return StorageFull(f"{StorageFull.__doc__} ({detail})")
    if name in {"SQLITE_NOTADB", "SQLITE_CORRUPT"}:
        return SweeperError(f"the database file cannot be read: {detail}")
    if name in {"SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM"}:
        return Unavailable(f"the database file cannot be opened for writing: {detail}")
    if isinstance(name, str) and name.startswith(SQLITE_UNAVAILABLE):
        return Unavailable(f"{Unavailable.__doc__} ({detail})")
    if error.connection_invalidated or (state or "").startswith(POSTGRESQL_UNAVAILABLE):
        return Unavailable(f"{Unavailable.__doc__} ({detail})")
    if name is None and state is None and type(error).__name__ == "OperationalError":
        return Unavailable(f"{Unavailable.__doc__} ({detail})")
    return None


SQLITE_UNAVAILABLE = (
    *("SQLITE_BUSY", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR"),
    "SQLITE_PROTOCOL",  # Many processes open a file at once that one has left without closing.
)
POSTGRESQL_UNAVAILABLE = ("08", "53", "57", "55P03", "25P03", "25006")
"""Connection lost, out of resources, ended by the operator, a time-out of a lock or an idle one, no
writes taken."""
