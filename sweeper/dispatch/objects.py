"""Checkpoints in an object store, or behind any other address that fsspec can write to.

An object store knows no renaming. A checkpoint is written to a scratch folder, then its files are
sent with the manifest last: it is whole once that is there, and nobody is told of it before.
"""

import logging
import shutil
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import fsspec
from fsspec.callbacks import Callback

from sweeper.dispatch.failpoints import hit
from sweeper.dispatch.scratch import FULL_DISK, scratch_folder
from trainers.checkpoints import MANIFEST, SCALARS, TENSORS, CheckpointError

SCRATCH = "sweeper-checkpoint-"
WAITS_S = (1.0, 4.0)
"""Before a store that does not answer is asked again, beside what its client does by itself."""

_log = logging.getLogger(__name__)


class StoreUnreachable(Exception):
    """The checkpoint store cannot be used; that tells nothing about the checkpoints in it."""


class ObjectStore:
    """A `CheckpointStore` behind a URL such as `s3://bucket/folder`. Any thread may call.

    `moved` is called, in whatever thread, as parts of a file have gone or come. Credentials are
    those of the protocol's own variables and files, or of fsspec's (`FSSPEC_S3_...`).
    """

    def __init__(self, url: str, moved: Callable[[], None] = lambda: None) -> None:
        self._url = url.rstrip("/")
        self._files, self._root = _opened(url)
        self._moved = moved

    def address(self, name: str) -> str:
        """The checkpoint's URL."""
        return f"{self._url}/{name}"

    def write(self, name: str, save: Callable[[Path], None]) -> Callable[[], None]:
        """Have the checkpoint written on this machine; what is returned sends it off."""
        scratch = scratch_folder(SCRATCH)
        try:
            save(scratch / "checkpoint")
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise
        return partial(self._send, name, scratch)

    def fetch(self, name: str, into: Path) -> Path:
        """The checkpoint, in the existing folder `into`.

        Raises CheckpointError if a file is missing, StoreUnreachable if there is no telling.
        """
        for file in (MANIFEST, SCALARS, TENSORS):
            self._get(f"{name}/{file}", into / file)
        return into

    def stacks(self) -> frozenset[str]:
        """Every stack that has checkpoints."""
        self._files.invalidate_cache()
        try:
            found = self._files.ls(self._root, detail=False)
        except FileNotFoundError:
            return frozenset()
        names = (path.rstrip("/").rsplit("/", 1)[-1] for path in found)
        return frozenset(name for name in names if name.isdigit())

    def checkpoints(self, stack_id: int) -> frozenset[str]:
        """All that lie there of a stack, over all its attempts, whole or not."""
        self._files.invalidate_cache()
        found = self._files.find(f"{self._root}/{stack_id}")
        names = (path.removeprefix(self._root).strip("/") for path in found)
        return frozenset(name.rsplit("/", 1)[0] for name in names)

    def remove(self, name: str) -> None:
        """Remove a checkpoint, or everything of a stack."""
        try:
            self._files.rm(f"{self._root}/{name}", recursive=True)
        except FileNotFoundError:
            _log.info("%s is gone already", self.address(name))

    def probe(self) -> None:
        """Write, read and remove a small file; raises StoreUnreachable if that fails."""
        name = f"probe-{uuid.uuid4().hex}"
        try:
            self._prepare(name)
            path = f"{self._root}/{name}"
            self._files.pipe_file(path, b"sweeper")
            assert self._files.cat_file(path) == b"sweeper", "a store keeps what it is given"
            self._files.rm_file(path)
        except Exception as error:
            raise StoreUnreachable(f"cannot write to {self._url}: {_said(error)}") from error

    def _send(self, name: str, scratch: Path) -> None:
        try:
            for file in (TENSORS, SCALARS, MANIFEST):
                hit("sending", file=file)
                self._prepare(f"{name}/{file}")
                path = f"{self._root}/{name}/{file}"
                self._files.put_file(
                    str(scratch / "checkpoint" / file), path, callback=self._watched()
                )
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _prepare(self, name: str) -> None:
        """Make the folder of a file, where there is such a thing.

        fsspec's clients of object stores are asynchronous, the others are not; asking the former
        for a folder may create a bucket, which is not ours to do.
        """
        if not self._files.async_impl:
            self._files.makedirs(f"{self._root}/{name}".rsplit("/", 1)[0], exist_ok=True)

    def _get(self, name: str, path: Path) -> None:
        for wait_s in (*WAITS_S, None):
            try:
                self._files.get_file(f"{self._root}/{name}", str(path), callback=self._watched())
            except FileNotFoundError as error:
                what = f"no whole checkpoint: {self.address(name)} is missing"
                raise CheckpointError(what) from error
            except Exception as error:  # Each protocol has errors of its own.
                if isinstance(error, OSError) and error.errno in FULL_DISK:
                    raise
                _log.warning("%s cannot be read: %s", self.address(name), _said(error))
                if wait_s is None:
                    raise StoreUnreachable(
                        f"cannot read {self.address(name)}: {_said(error)}"
                    ) from error
                time.sleep(wait_s)
            else:
                return

    def _watched(self) -> Callback:
        return Callback(hooks={"moved": lambda *_, **__: self._moved()})


def _opened(url: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The client and the path below it; raises ValueError for a URL that can be none."""
    if urlsplit(url).password is not None:
        raise ValueError("an address of checkpoints must not hold a password: use the environment")
    try:
        files, root = fsspec.url_to_fs(url)
    except ImportError as error:
        what = f"{url} needs a package that is not installed here: {error}"
        raise StoreUnreachable(what) from error
    return files, root.rstrip("/")


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
