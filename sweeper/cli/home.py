"""The home folder: where it is, whether it can be used, and who serves it."""

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sweeper.cli.output import UsageError

DEFAULT_URL = "http://127.0.0.1:8000"


@dataclass(frozen=True)
class Running:
    """A service that holds the home folder."""

    url: str
    pid: int


def database_url(data: Path, database: str | None) -> str:
    """The database that was named, or the home folder's own; `UsageError` for an unknown kind."""
    if not database:
        return f"sqlite:///{data.absolute() / 'sweeper.db'}"
    # SQLAlchemy is slow to import and only needed here.
    from sweeper.storage.engine import parse_url

    try:
        parse_url(database)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return database


def prepare(data: Path) -> Path:
    """The absolute home folder, there and writable; `UsageError` otherwise."""
    home = data.absolute()
    try:
        (home / "logs").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise UsageError(f"cannot write to the home folder {home}: {error.strerror}") from None
    return home


@contextmanager
def held(home: Path) -> Iterator[None]:
    """Hold the home folder for this process; `UsageError` if another service holds it."""
    with (home / "service.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            other = _read(home)
            where = f" at {other.url} (pid {other.pid})" if other else ""
            raise UsageError(f"a service already serves {home}{where}") from None
        # One that was killed leaves its address behind, which is not that of this service.
        (home / "service.json").unlink(missing_ok=True)
        try:
            yield
        finally:
            (home / "service.json").unlink(missing_ok=True)


def announce(home: Path, url: str) -> None:
    """Write down where the service answers, for the other commands on this home folder."""
    text = json.dumps({"url": url, "pid": os.getpid()})
    scratch = home / "service.json.new"
    scratch.write_text(text, encoding="utf-8")
    scratch.replace(home / "service.json")


def running(data: Path) -> Running | None:
    """The service that holds the home folder and has said where it answers."""
    home = data.absolute()
    return _read(home) if _is_held(home) else None


def service_url(data: Path, url: str | None) -> str:
    """The address that was given, else of the service on this home folder, else the default."""
    if url:
        return url
    found = running(data)
    return found.url if found else DEFAULT_URL


def _read(home: Path) -> Running | None:
    try:
        plain = json.loads((home / "service.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Running(url=plain["url"], pid=plain["pid"])


def _is_held(home: Path) -> bool:
    # A lock dies with its process, so a service.json left by a killed one is never believed.
    try:
        with (home / "service.lock").open("r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
