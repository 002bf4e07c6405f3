"""`doctor`: what this machine has, and what of it will not do."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version

import typer

from sweeper.cli import home as homes
from sweeper.cli import options
from sweeper.cli.output import BROKEN, UsageError, print_json, print_table

PACKAGES = ("sweeper", "torch", "ray", "optuna", "sqlalchemy", "fastapi", "plotly", "numpy")

GPU_TIMEOUT_S = 20.0

# Two connections that write or checkpoint at once can corrupt a WAL database before these
# (sqlite.org, release notes of 3.51.3).
FIXED_SQLITE = ((3, 44, 6), (3, 50, 7), (3, 51, 3))


@dataclass(frozen=True)
class Finding:
    """One fact; `ok` is false where it stands in the way of the service."""

    name: str
    value: str
    ok: bool = True


def doctor(
    data: options.Data = options.HOME,
    database: options.Database = None,
    as_json: options.AsJson = False,
) -> None:
    """Print versions, CPUs and GPUs, the database and its journal, and what is amiss.

    Exits 1 if something stands in the way of the service. Starts nothing and trains nothing.

    Example: sweeper doctor --json
    """
    found = list(_findings(data, database))
    if as_json:
        print_json([asdict(finding) for finding in found])
    else:
        marks = {True: "ok", False: "WRONG"}
        print_table(("what", "", "found"), ((f.name, marks[f.ok], f.value) for f in found))
    if not all(finding.ok for finding in found):
        raise typer.Exit(BROKEN)


def _findings(data: Path, database: str | None) -> Iterator[Finding]:
    yield Finding("python", python_version())
    for name in PACKAGES:
        yield _package(name)
    yield Finding("CPUs", str(len(os.sched_getaffinity(0))))
    yield _gpus()
    yield _sqlite()
    yield _home(data)
    yield _service(data)
    yield _database(data, database)
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    yield Finding("chromium (browser tests)", browser or "none")


def _package(name: str) -> Finding:
    try:
        return Finding(name, version(name))
    except PackageNotFoundError:
        return Finding(name, "not installed", ok=False)


def _gpus() -> Finding:
    command = shutil.which("nvidia-smi")
    if command is None:
        return Finding("GPUs", "none")
    try:
        listing = subprocess.run(  # noqa: S603 - found on the path, no arguments of the user
            [command, "--query-gpu=name,memory.total", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=GPU_TIMEOUT_S,
            check=False,
        )
    except (subprocess.TimeoutExpired, OSError) as error:
        return Finding("GPUs", f"nvidia-smi does not answer: {error}", ok=False)
    if listing.returncode:
        said = (listing.stdout + listing.stderr).strip().splitlines() or ["nothing"]
        return Finding("GPUs", f"none; nvidia-smi failed, and said: {said[0]}")
    return Finding("GPUs", "; ".join(listing.stdout.strip().splitlines()) or "none")


def _sqlite() -> Finding:
    try:
        from pysqlite3 import sqlite_version as text

        source = "pysqlite3"
    except ImportError:
        from sqlite3 import sqlite_version as text

        source = "python's own"
    number = tuple(int(part) for part in text.split("."))
    journal = "write-ahead log" if is_wal_safe(number) else "rollback journal: WAL is unsafe in it"
    return Finding("SQLite", f"{text} ({source}), {journal}")


def is_wal_safe(number: tuple[int, ...]) -> bool:
    """Whether this SQLite has the repaired write-ahead log."""
    return number >= FIXED_SQLITE[-1] or any(
        number[:2] == fixed[:2] and number >= fixed for fixed in FIXED_SQLITE
    )


def _home(data: Path) -> Finding:
    try:
        home = homes.prepare(data)
    except UsageError as error:
        return Finding("home folder", str(error), ok=False)
    free = shutil.disk_usage(home).free / 2**30
    return Finding("home folder", f"{home}, writable, {free:.1f} GiB free")


def _service(data: Path) -> Finding:
    found = homes.running(data)
    return Finding("service", f"{found.url} (pid {found.pid})" if found else "not running")


def _database(data: Path, database: str | None) -> Finding:
    """The database as it is: looking must not create or migrate it."""
    from sweeper.storage.engine import parse_url, sqlite_path

    try:
        url = parse_url(homes.database_url(data, database))
    except UsageError as error:
        return Finding("database", str(error), ok=False)
    if url.get_backend_name() != "sqlite":
        return _server(url.render_as_string(hide_password=False))
    return _file(sqlite_path(url))


def _file(file: Path) -> Finding:
    if not file.exists():
        return Finding("database", f"{file}, made when the service starts")
    try:
        import pysqlite3 as sqlite3
    except ImportError:
        import sqlite3
    connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    except sqlite3.DatabaseError as error:
        return Finding("database", f"{file}: {error}", ok=False)
    finally:
        connection.close()
    return Finding("database", f"{file}, journal mode {mode}")


def _server(database: str) -> Finding:
    from sweeper.errors import SweeperError
    from sweeper.storage.store import open_store

    try:
        open_store(database).close()
    except SweeperError as error:
        return Finding("database", str(error), ok=False)
    return Finding("database", "answers, and its schema is this version's")
