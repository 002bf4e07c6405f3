"""Bringing a database to the schema of this code, and saying so when it is not there."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import URL, Connection, text

import sweeper
from sweeper.errors import SchemaMismatch
from sweeper.storage.engine import (
    parse_url,
    postgresql_migrator,
    sqlite_migrator,
    sqlite_path,
    translated,
)
from sweeper.storage.tables import VERSION_TABLE

MIGRATIONS = Path(sweeper.__file__).resolve().parent.parent / "migrations"
_LOCK = 7_313_460_129
"""Key of the advisory lock that lets one process at a time migrate a PostgreSQL database."""


def upgrade(url: str, revision: str = "head") -> None:
    """Migrate upwards in one transaction; a populated SQLite file is copied beside itself first."""
    parsed = parse_url(url)

    def work(connection: Connection) -> None:
        found = current(connection)
        _refuse_newer(found)
        if found != head():
            if found is not None and parsed.get_backend_name() == "sqlite":
                back_up(sqlite_path(parsed))  # our transaction holds the lock on writing
            command.upgrade(_config(connection), revision)

    _migrating(parsed, work)


def downgrade(url: str, revision: str) -> None:
    """Migrate downwards in one transaction."""
    _migrating(parse_url(url), lambda c: command.downgrade(_config(c), revision))


def check(url: str) -> None:
    """Raise `SchemaMismatch` unless tables and migrations agree and the database is at the head."""

    def work(connection: Connection) -> None:
        try:
            command.check(_config(connection))
        except CommandError as error:
            raise SchemaMismatch(str(error)) from error

    _migrating(parse_url(url), work)


def ensure(url: str) -> None:
    """Have the schema of this code: embedded databases are migrated, others are only looked at."""
    parsed = parse_url(url)
    if parsed.get_backend_name() == "sqlite":
        upgrade(url)
        return
    with _connected(parsed) as connection:
        found = current(connection)
    _refuse_newer(found)
    if found != head():
        have = found or "none"
        raise SchemaMismatch(
            f"the database has schema {have}, this code needs {head()}: run `sweeper db upgrade`"
        )


def current(connection: Connection) -> str | None:
    """The revision of the database, None if it has no tables of ours."""
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def head() -> str:
    """The revision that this code needs."""
    found = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    assert found is not None
    return found


def _refuse_newer(found: str | None) -> None:
    known = {script.revision for script in ScriptDirectory(str(MIGRATIONS)).walk_revisions()}
    if found is not None and found not in known:
        raise SchemaMismatch(
            f"the database has schema {found}, newer than this code, which knows up to {head()}: "
            "install the version that wrote it"
        )


def back_up(path: Path) -> None:
    """Copy a database file beside itself; nobody may write to it meanwhile."""
    for suffix in ("", "-wal"):
        source = Path(f"{path}{suffix}")
        if source.exists():
            shutil.copy2(source, f"{path}.before-{head()}{suffix}")


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def _migrating(url: URL, work: Callable[[Connection], Any]) -> None:
    with _connected(url) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        work(connection)


@contextmanager
def _connected(url: URL) -> Iterator[Connection]:
    sqlite = url.get_backend_name() == "sqlite"
    engine = sqlite_migrator(url) if sqlite else postgresql_migrator(url)
    try:
        with translated(), engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()
