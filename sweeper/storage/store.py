"""The store: one database behind four groups of operations."""

from typing import Self

from sweeper.storage.engine import Database
from sweeper.storage.queue import Queue
from sweeper.storage.results import Results
from sweeper.storage.rounds import Rounds
from sweeper.storage.sweeps import Sweeps


class Store:
    """`sweeps` for users, `queue` and `rounds` for the dispatcher, `results` for readers.

    Threads may share a store and processes may each have their own; nothing is kept in it but
    connections, which `close` ends. It never survives a fork.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self.sweeps = Sweeps(database)
        self.queue = Queue(database)
        self.rounds = Rounds(database)
        self.results = Results(database)

    @property
    def url(self) -> str:
        """Where it is, without a password."""
        return self._database.url.render_as_string()

    def ping(self) -> None:
        """Raise `Unavailable` unless the database answers."""
        self._database.read(lambda connection: connection.exec_driver_sql("SELECT 1").scalar())

    def close(self) -> None:
        """End all connections."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_store(url: str) -> Store:
    """The store at a URL, with the schema of this code or `SchemaMismatch`.

    An embedded SQLite file is created and migrated; PostgreSQL is migrated by `upgrade` alone.
    """
    # Alembic is slow to import and only needed here.
    from sweeper.storage import migrate

    migrate.ensure(url)
    return Store(Database(url))


def upgrade(url: str) -> None:
    """Bring the database to the schema of this code."""
    from sweeper.storage import migrate

    migrate.upgrade(url)
