"""Files that are whole or not there, whatever happens, and folders with one process at work."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def write(path: Path, text: str) -> None:
    """Writes a file under another name, forces it to disk and renames it."""
    scratch = path.with_name(f"{path.name}.new")
    scratch.write_text(text)
    sync(scratch)
    scratch.rename(path)
    sync(path.parent)


def append(path: Path, line: str) -> None:
    """Adds a line and forces it to disk; a crash may leave a part of it, without its end."""
    with path.open("a") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
    sync(path.parent)


def sync(path: Path) -> None:
    """Forces a file, or the entries of a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """Makes a folder unless it is there, and keeps other processes off it.

    The claim ends with this process, however it ends. Raises ValueError if another one has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(f"another process is at work in {folder}") from None
        yield
    finally:
        os.close(descriptor)
