"""The files of a token data set: its manifest, whether they are whole, and windows over them.

A data set is a folder with `manifest.json` and, per part, one file or several numbered shards of
unsigned integers, whose size follows from the vocabulary.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainers.config import canonical_json

TRAIN, VALIDATION, MANIFEST = "train.bin", "validation.bin", "manifest.json"

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""What a data set may be called: never a path, never hidden."""

Tokens = NDArray[np.unsignedinteger[Any]]


class DataError(ValueError):
    """A data set on disk is damaged, or not the one that was asked for."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a data set consists of; `files` has the SHA-256 of each file, `tokens` its length."""

    sha256: str
    """Over `files`: the identity of the text."""
    vocabulary: int
    files: Mapping[str, str]
    tokens: Mapping[str, int]

    def shards(self, part: str) -> list[str]:
        """File names of `TRAIN` or `VALIDATION`, in the order of the text."""
        stem = part.removesuffix(".bin")
        numbered = re.compile(rf"{stem}(-\d+)?\.bin")
        return sorted(name for name in self.files if numbered.fullmatch(name))

    def num_tokens(self, part: str) -> int:
        """Tokens of `TRAIN` or `VALIDATION`."""
        return sum(self.tokens[name] for name in self.shards(part))


def read_manifest(folder: Path) -> Manifest:
    """The manifest in a folder; raises DataError if it is not one or contradicts itself."""
    try:
        plain = json.loads((folder / MANIFEST).read_text())
        fields = {name: plain[name] for name in Manifest.__dataclass_fields__}
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{MANIFEST} of data set '{folder.name}' cannot be read: {error!r}"
        ) from error
    manifest = Manifest(**fields)
    if files_sha256(manifest.files) != manifest.sha256:
        raise DataError(f"{MANIFEST} of data set '{folder.name}' has been altered")
    # The hash is over the files alone.
    vocabulary, tokens = fields["vocabulary"], fields["tokens"]
    if type(vocabulary) is not int or not 1 <= vocabulary <= 2**32:
        raise DataError(
            f"{MANIFEST} of data set '{folder.name}' must have a vocabulary from 1 to 2**32, "
            f"but has {vocabulary!r}"
        )
    if not isinstance(tokens, Mapping) or tokens.keys() != manifest.files.keys():
        raise DataError(
            f"{MANIFEST} of data set '{folder.name}' must have the tokens of each of its files"
        )
    return manifest


def known_names(data_dir: Path) -> list[str]:
    """Names of the data sets in a folder, sorted; unfinished ones have none."""
    names = (path.parent.name for path in data_dir.glob(f"*/{MANIFEST}"))
    return sorted(name for name in names if NAME.fullmatch(name))


def token_dtype(vocabulary: int) -> "np.dtype[np.unsignedinteger[Any]]":
    """The smallest of uint8, uint16 and uint32 that holds every token."""
    return np.min_scalar_type(vocabulary - 1)


def check_files(folder: Path, manifest: Manifest) -> None:
    """Raises DataError if a file is missing, truncated or altered.

    All of it is read, but a file that has not changed since only once in a process.
    """
    itemsize = token_dtype(manifest.vocabulary).itemsize
    paths = [folder / name for name in manifest.files]
    sizes = [manifest.tokens.get(name, 0) * itemsize for name in manifest.files]
    # Hashing leaves the interpreter free: large data sets are read on all cores.
    with ThreadPoolExecutor() as pool:
        problems = list(pool.map(_problem, paths, sizes, manifest.files.values()))
    for name, problem in zip(manifest.files, problems, strict=True):
        if problem:
            raise DataError(
                f"'{name}' of data set '{folder.name}' {problem}; "
                "restore it, or remove the data set and prepare it again"
            )


def map_files(folder: Path, manifest: Manifest, part: str) -> tuple[Tokens, ...]:
    """The shards of a part, memory-mapped."""
    dtype = token_dtype(manifest.vocabulary)
    names = manifest.shards(part)
    return tuple(np.memmap(folder / name, dtype=dtype, mode="r") for name in names)


def files_sha256(files: Mapping[str, str]) -> str:
    """The hash over the hashes of all files."""
    return hashlib.sha256(canonical_json(files).encode()).hexdigest()


class Windows:
    """Consecutive windows of every shard, numbered through all shards.

    What is left at the end of a shard is in no window.
    """

    def __init__(self, shards: Sequence[Tokens], window: int) -> None:
        self._shards = [_cut(shard, window) for shard in shards if len(shard) >= window]
        if not self._shards:
            longest = max(map(len, shards), default=0)
            raise ValueError(f"a window of {window} tokens is longer than the text of {longest}")
        self._starts = np.cumsum([0, *map(len, self._shards)], dtype=np.uint64)

    def __len__(self) -> int:
        return int(self._starts[-1])

    def __getitem__(self, order: Tokens) -> Tokens:
        """The windows of these numbers, `(*order.shape, window)`."""
        if len(self._shards) == 1:
            return self._shards[0][order]
        home = np.searchsorted(self._starts, order, side="right") - 1
        found = np.empty((*order.shape, self._shards[0].shape[1]), self._shards[0].dtype)
        for shard in np.unique(home):
            here = home == shard
            found[here] = self._shards[shard][order[here] - self._starts[shard]]
        return found


def _cut(tokens: Tokens, window: int) -> Tokens:
    count = len(tokens) // window
    return tokens[: count * window].reshape(count, window)


def _problem(path: Path, size: int, sha256: str) -> str | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return "is missing"
    if found.st_size != size:
        return f"is truncated or not whole: {found.st_size:,} bytes instead of {size:,}"
    if _file_sha256(path, found.st_size, found.st_mtime_ns) != sha256:
        return "has been altered: its SHA-256 is not the manifest's"
    return None


@cache
def _file_sha256(path: Path, size: int, mtime_ns: int) -> str:
    """The hash of a file in one of its states."""
    del size, mtime_ns
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
