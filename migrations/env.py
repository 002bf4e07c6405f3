"""How Alembic reaches the database: a connection given by the code, or `SWEEPER_DATABASE`.

Tables of others in the same database are never looked at, and the version table has its own name.
"""

import os
from typing import Any

from alembic import context
from sqlalchemy import Connection

from sweeper.storage.engine import parse_url, postgresql_migrator, sqlite_migrator
from sweeper.storage.tables import VERSION_TABLE, metadata


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Whether a table found in the database is one of ours."""
    return kind != "table" or name in metadata.tables


def configure(**where: Any) -> None:
    """One configuration for online and offline use."""
    context.configure(
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        include_name=include_name,
        compare_server_default=True,
        transactional_ddl=True,
        **where,
    )


def run_online(connection: Connection) -> None:
    """Migrate in the transaction of the connection."""
    configure(connection=connection, render_as_batch=connection.dialect.name == "sqlite")
    with context.begin_transaction():
        context.run_migrations()


def from_environment() -> str:
    """The database that the `alembic` command works on."""
    return os.environ.get("SWEEPER_DATABASE", "sqlite:///.sweeper/sweeper.db")


if context.is_offline_mode():
    url = parse_url(from_environment())
    configure(url=url, literal_binds=True, render_as_batch=url.get_backend_name() == "sqlite")
    with context.begin_transaction():
        context.run_migrations()
elif "connection" in context.config.attributes:
    run_online(context.config.attributes["connection"])
else:
    url = parse_url(from_environment())
    sqlite = url.get_backend_name() == "sqlite"
    engine = sqlite_migrator(url) if sqlite else postgresql_migrator(url)
    with engine.begin() as connection:
        run_online(connection)
    engine.dispose()
