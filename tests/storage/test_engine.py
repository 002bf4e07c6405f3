"""Connections: URLs, journal modes, errors that say what to do."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from sweeper.errors import StorageFull, SweeperError, Unavailable
from sweeper.storage import engine
from sweeper.storage.engine import Database, journal_mode, parse_url, wal_is_safe
from sweeper.storage.store import Store, open_store
from tests.storage.builders import submit


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 50, 6), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 53, 4), True),
    ],
)
def test_wal_needs_a_fixed_version(version: tuple[int, ...], safe: bool) -> None:
    assert wal_is_safe(version) is safe


@pytest.mark.parametrize("url", ["postgresql://u@h/d", "postgresql+psycopg://u@h/d"])
def test_postgresql_means_psycopg(url: str) -> None:
    assert parse_url(url).drivername == "postgresql+psycopg"


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://h/d", "sqlite://", "sqlite:///:memory:"])
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(ValueError, match="accepted: sqlite:///"):
        parse_url(url)


def test_a_password_is_not_told() -> None:
    with pytest.raises(ValueError, match="mysql") as error:
        parse_url("mysql://user:secret@host/db")
    assert "secret" not in str(error.value)


def test_sqlite_settings(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    wanted = {"journal_mode": journal_mode().lower(), "synchronous": 2, "foreign_keys": 1}
    found = database.write(
        lambda c: {name: c.exec_driver_sql(f"PRAGMA {name}").scalar() for name in wanted}
    )
    database.close()
    assert found == wanted


def test_reading_cannot_write(sqlite_url: str) -> None:
    database = Database(sqlite_url)
    with pytest.raises(SweeperError):
        database.read(lambda c: c.execute(text("DELETE FROM dispatcher")))
    database.close()


def test_paths_with_odd_characters(tmp_path: Path) -> None:
    folder = tmp_path / "50% #ä"
    folder.mkdir()
    with open_store(f"sqlite:///{folder}/a b.db") as store:
        assert submit(store).new == 3
    assert (folder / "a b.db").exists()


def test_a_missing_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(SweeperError, match="folder of the database does not exist"):
        open_store(f"sqlite:///{tmp_path}/no/where.db")


def test_a_file_that_is_no_database_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 100)
    with pytest.raises(SweeperError, match="not a database"):
        open_store(f"sqlite:///{path}")


def test_an_unreachable_server_is_unavailable() -> None:
    with pytest.raises(Unavailable):
        open_store("postgresql://nobody@127.0.0.1:1/nothing")


def test_a_full_database_is_storage_full(sqlite_url: str) -> None:
    database = Database(sqlite_url)

    def fill(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA max_page_count = 1")
        connection.exec_driver_sql("CREATE TABLE big AS SELECT zeroblob(9999999)")

    with pytest.raises(StorageFull):
        database.write(fill)
    database.close()


def test_a_lost_server_is_unavailable_and_then_comes_back(postgresql_url: str) -> None:
    kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
    with open_store(postgresql_url) as store:
        store.ping()
        other = Database(postgresql_url)
        other.write(lambda c: c.execute(text(f"{kill} AND datname = current_database()")).all())
        other.close()
        store.ping()


def test_a_server_that_takes_no_writes_is_unavailable(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    setting = f"ALTER DATABASE {database.url.database} SET default_transaction_read_only = on"
    database.write(lambda c: c.execute(text(setting)))
    database.close()
    database = Database(postgresql_url)
    with pytest.raises(Unavailable, match="read-only"):
        database.write(lambda c: c.execute(text("DELETE FROM dispatcher")))
    database.close()


def test_more_threads_than_connections_are_told_to_come_back(
    store_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONNECTION_WAIT_S", 0.01)
    database = Database(store_url)

    def one_more(depth: int) -> int:
        try:
            return database.read(lambda _: one_more(depth + 1))
        except Unavailable:
            return depth

    assert one_more(0) >= 15
    database.close()


def test_ended_trials_are_guarded_by_the_database_itself(store: Store, store_url: str) -> None:
    made = submit(store)
    store.sweeps.cancel(made.sweep_id)
    database = Database(store_url)
    with pytest.raises(DBAPIError, match="has ended never changes"):
        database.write(lambda c: c.execute(text("UPDATE trial SET state = 'pending'")))
    database.close()
    assert store.results.integrity() == []


def test_deadlocks_are_retried(postgresql_url: str) -> None:
    database = Database(postgresql_url)
    database.write(lambda c: c.execute(text("CREATE TABLE pair (id integer, n integer)")))
    database.write(lambda c: c.execute(text("INSERT INTO pair VALUES (0, 0), (1, 0)")))
    both_hold_one = threading.Barrier(2)
    tries = [0, 0]

    def cross(first: int) -> None:
        def work(connection: Connection) -> None:
            tries[first] += 1
            for row in (first, 1 - first):
                statement = text("UPDATE pair SET n = n + 1 WHERE id = :id")
                connection.execute(statement, {"id": row})
                if sum(tries) <= 2 and row == first:
                    both_hold_one.wait(10)

        database.write(work)

    threads = [threading.Thread(target=cross, args=(i,)) for i in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = database.read(lambda c: c.execute(text("SELECT sum(n) FROM pair")).scalar())
    database.close()
    assert sum(tries) >= 3
    assert total == 4
