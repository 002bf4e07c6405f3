"""Checkpoints: directories of tensors and scalars that are whole or do not exist.

A directory is written under another name beside its own, forced to disk and renamed, so whatever
bears the final name is complete. A manifest holds the SHA-256 of every file; nothing is read
before it matches.
"""

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

TENSORS, SCALARS, MANIFEST = "tensors.safetensors", "scalars.json", "manifest.json"
PARTIAL_SUFFIX = ".partial"


class CheckpointError(ValueError):
    """The checkpoint is missing, damaged, or belongs to another run."""


def save(directory: Path, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
    """Writes a checkpoint; raises FileExistsError if there is one of that name.

    After a crash at any point there is either no `directory`, or a whole one; at most a folder
    ending in `.partial` is left beside it.
    """
    if directory.exists():
        raise FileExistsError(f"there is a checkpoint at {directory} already")
    directory.parent.mkdir(parents=True, exist_ok=True)
    partial = directory.with_name(f".{directory.name}.{uuid.uuid4().hex}{PARTIAL_SUFFIX}")
    partial.mkdir()
    try:
        _write(partial, tensors, scalars)
        partial.rename(directory)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    _sync(directory.parent)


def load(directory: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors, on the CPU, and the scalars; raises CheckpointError if a byte is wrong."""
    try:
        manifest = json.loads((directory / MANIFEST).read_text())
        for name in (TENSORS, SCALARS):
            if _sha256(directory / name) != manifest[name]:
                raise CheckpointError(f"checksum of {directory / name} does not match its manifest")
        return load_file(directory / TENSORS), json.loads((directory / SCALARS).read_text())
    except (OSError, KeyError, TypeError, json.JSONDecodeError, SafetensorError) as error:
        raise CheckpointError(f"no whole checkpoint at {directory}: {error}") from error


def _write(directory: Path, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
    _write_tensors(directory / TENSORS, tensors)
    (directory / SCALARS).write_text(json.dumps(scalars, sort_keys=True, allow_nan=False))
    manifest = {name: _sha256(directory / name) for name in (TENSORS, SCALARS)}
    (directory / MANIFEST).write_text(json.dumps(manifest, sort_keys=True))
    for name in (TENSORS, SCALARS, MANIFEST):
        _sync(directory / name)
    _sync(directory)


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Safetensors hides why a write failed in the text of its own error; a full disk is told."""
    try:
        save_file({name: t.detach().contiguous() for name, t in tensors.items()}, path)
    except SafetensorError as error:
        for number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            if f"os error {number})" in str(error):
                raise OSError(number, os.strerror(number), str(path)) from error
        raise


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Forces a file, or the entries of a directory, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
