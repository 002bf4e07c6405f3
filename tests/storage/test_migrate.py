"""Schemas: up, down, up again; foreign tables; databases of other versions."""

import shutil
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.exc import DBAPIError

from sweeper.errors import SchemaMismatch
from sweeper.service import Service
from sweeper.storage import migrate
from sweeper.storage.store import open_store
from sweeper.storage.tables import VERSION_TABLE, metadata
from sweeper.storage.views import VIEWS
from tests.api import played
from tests.imports.rows import body
from tests.search.test_rounds import SEARCH
from tests.storage.builders import submit


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/empty.db"
    url: str = request.getfixturevalue("empty_postgresql_url")
    return url


def run(url: str, statement: str) -> None:
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()


def names(url: str) -> set[str]:
    engine = create_engine(url)
    found = inspect(engine)
    tables = set(found.get_table_names()) | set(found.get_view_names())
    engine.dispose()
    return tables - {"sqlite_sequence"}


OURS = {*metadata.tables, *VIEWS, VERSION_TABLE}


def test_up_down_up(empty_url: str) -> None:
    migrate.upgrade(empty_url)
    assert names(empty_url) == OURS
    migrate.downgrade(empty_url, "base")
    assert names(empty_url) == {VERSION_TABLE}
    migrate.upgrade(empty_url)
    with open_store(empty_url) as store:
        assert submit(store).new == 3
    migrate.upgrade(empty_url)
    with open_store(empty_url) as store:
        assert len(store.queue.free_trials()) == 3


def test_tables_and_migrations_agree(empty_url: str) -> None:
    with pytest.raises(SchemaMismatch):
        migrate.check(empty_url)
    migrate.upgrade(empty_url)
    migrate.check(empty_url)


def test_there_is_one_head() -> None:
    assert ScriptDirectory(str(migrate.MIGRATIONS)).get_heads() == [migrate.head()]


def test_tables_of_others_are_left_alone(empty_url: str) -> None:
    run(empty_url, "CREATE TABLE trials (number INTEGER)")
    run(empty_url, "CREATE TABLE alembic_version (version_num VARCHAR(32))")
    run(empty_url, "INSERT INTO alembic_version VALUES ('not ours')")
    migrate.upgrade(empty_url)
    migrate.check(empty_url)
    assert names(empty_url) == {*OURS, "trials", "alembic_version"}
    migrate.downgrade(empty_url, "base")
    assert {"trials", "alembic_version"} <= names(empty_url)


def test_a_newer_database_is_refused(store_url: str) -> None:
    run(store_url, "UPDATE sweeper_alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaMismatch, match="9999, newer than this code"):
        open_store(store_url)
    with pytest.raises(SchemaMismatch, match="9999"):
        migrate.upgrade(store_url)


def test_postgresql_is_not_migrated_by_opening_it(empty_postgresql_url: str) -> None:
    with pytest.raises(SchemaMismatch, match="sweeper db upgrade"):
        open_store(empty_postgresql_url)
    assert names(empty_postgresql_url) == set()


def test_the_embedded_database_is_made_by_opening_it(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/new.db") as store:
        assert store.results.integrity() == []


NEXT = """
from alembic import op
import sqlalchemy as sa

revision, down_revision = "9999", {head!r}


def upgrade() -> None:
    op.add_column("sweep", sa.Column("mood", sa.Text()))
    op.execute({statement!r})


def downgrade() -> None:
    op.drop_column("sweep", "mood")
"""


def with_next_migration(monkeypatch: pytest.MonkeyPatch, folder: Path, *, statement: str) -> None:
    shutil.copytree(migrate.MIGRATIONS, folder)
    text = NEXT.format(head=migrate.head(), statement=statement)
    (folder / "versions" / "9999_next.py").write_text(text)
    monkeypatch.setattr(migrate, "MIGRATIONS", folder)


def columns(url: str, table: str) -> set[str]:
    engine = create_engine(url)
    found = {column["name"] for column in inspect(engine).get_columns(table)}
    engine.dispose()
    return found


def test_a_populated_database_is_upgraded(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(store_url) as store:
        submit(store)
    with_next_migration(monkeypatch, tmp_path / "two", statement="UPDATE sweep SET mood = 'x'")
    migrate.upgrade(store_url)
    assert "mood" in columns(store_url, "sweep")
    with open_store(store_url) as store:
        assert len(store.queue.free_trials()) == 3
    copies = list(tmp_path.glob("*.before-9999"))
    assert len(copies) == store_url.startswith("sqlite")
    for copy in copies:
        assert "mood" not in columns(f"sqlite:///{copy}", "sweep")


def test_a_failed_migration_changes_nothing(
    store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(store_url) as store:
        submit(store)
    with_next_migration(monkeypatch, tmp_path / "two", statement="UPDATE nothing SET x = 1")
    with pytest.raises(DBAPIError, match="nothing"):
        migrate.upgrade(store_url)
    monkeypatch.undo()
    assert "mood" not in columns(store_url, "sweep")
    with open_store(store_url) as store:
        assert len(store.queue.free_trials()) == 3


def test_a_table_of_another_in_the_way_is_reported(empty_url: str) -> None:
    run(empty_url, "CREATE TABLE point (mine INTEGER)")
    with pytest.raises(DBAPIError, match="point"):
        migrate.upgrade(empty_url)
    assert names(empty_url) == {"point"}


def test_metrics_of_the_first_schema_are_kept(empty_url: str) -> None:
    migrate.upgrade(empty_url, "0001")
    run(empty_url, "INSERT INTO dispatcher (epoch, beat, owner) VALUES (7, 0, '{}')")
    assert "detail" not in columns(empty_url, "metric")
    assert columns(empty_url, "v_metric") == {"trial", "key", "step", "value", "kind"}
    migrate.upgrade(empty_url)
    assert "detail" in columns(empty_url, "metric") & columns(empty_url, "v_metric")
    migrate.downgrade(empty_url, "0001")
    assert columns(empty_url, "v_metric") == {"trial", "key", "step", "value", "kind"}


def test_sweeps_survive_the_way_down_and_up_again(empty_url: str, tmp_path: Path) -> None:
    migrate.upgrade(empty_url)
    with open_store(empty_url) as store:
        service = Service(store, tmp_path)
        search = service.submit(SEARCH).sweep_id
        played.finish_all(store)
        imported = service.import_results(body({})).sweep_id
        service.edit(imported, {"note": "theirs", "tags": ["a"]})
        before = [service.results(sweep_id) for sweep_id in (search, imported)]
    migrate.downgrade(empty_url, "0002")
    assert "note" not in columns(empty_url, "sweep")
    migrate.upgrade(empty_url)
    with open_store(empty_url) as store:
        service = Service(store, tmp_path)
        after = [service.results(sweep_id) for sweep_id in (search, imported)]
        assert all(a.equals(b) for a, b in zip(after, before, strict=True))
        assert (service.sweep(imported).note, service.sweep(imported).tags) == ("", ())
        assert service.searched(search)[0].best is not None
        assert store.results.integrity() == []
