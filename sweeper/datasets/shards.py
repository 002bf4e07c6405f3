"""Shards of a data set that is being prepared, and the log of those that are finished.

A shard is a file for training and one held out, cut after the same document. It counts once its
line is in the log, which comes after its bytes are on the disk; whatever else is there after a
crash is written again.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sweeper.datasets.encoding import START, Encoded, Place
from sweeper.datasets.whole import append, sync
from trainers.token_files import TRAIN, VALIDATION

LOG = "shards.jsonl"


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A finished shard: the SHA-256 and size of its files, its documents, and what comes after."""

    files: Mapping[str, str]
    sizes: Mapping[str, int]
    documents: Mapping[str, int]
    text_bytes: int
    after: Place


class ShardWriter:
    """The shard that is being written. Used by one thread, until `finish`."""

    def __init__(self, folder: Path, number: int) -> None:
        self._folder = folder
        self._paths = {p: folder / shard_name(p, number) for p in (TRAIN, VALIDATION)}
        self._files = {part: path.open("wb") for part, path in self._paths.items()}
        self._hashes = {part: hashlib.sha256() for part in self._paths}
        self._documents: Counter[str] = Counter()
        self._text_bytes = 0
        self._after = START

    @property
    def num_bytes(self) -> int:
        """Bytes of the training part so far."""
        return self._files[TRAIN].tell()

    def add(self, encoded: Encoded) -> None:
        """Appends a batch."""
        for part, content in encoded.tokens.items():
            self._files[part].write(content)
            self._hashes[part].update(content)
        self._documents.update(encoded.documents)
        self._text_bytes += encoded.text_bytes
        self._after = encoded.after

    def finish(self) -> Shard:
        """Forces the shard to disk, then its line in the log; a part without tokens has no file."""
        sizes = {part: self._close(part) for part in self._paths}
        filled = {part: path.name for part, path in self._paths.items() if sizes[part]}
        shard = Shard(
            files={name: self._hashes[part].hexdigest() for part, name in filled.items()},
            sizes={name: sizes[part] for part, name in filled.items()},
            documents=dict(self._documents),
            text_bytes=self._text_bytes,
            after=self._after,
        )
        sync(self._folder)
        append(self._folder / LOG, json.dumps(asdict(shard)))
        return shard

    def close(self) -> None:
        """Gives up a shard that is not finished."""
        for file in self._files.values():
            file.close()

    def _close(self, part: str) -> int:
        with self._files[part] as file:
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        if not size:
            self._paths[part].unlink()
        return size


def shard_name(part: str, number: int) -> str:
    """The file of a part in a shard: `train-00000.bin` and on."""
    return f"{part.removesuffix('.bin')}-{number:05d}.bin"


def finished(folder: Path) -> list[Shard]:
    """The finished shards of a folder, in order; a line that a crash tore is taken off the log."""
    log = folder / LOG
    content = log.read_bytes() if log.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        os.truncate(log, len(whole))
    return [_shard(json.loads(line)) for line in whole.splitlines()]


def _shard(plain: dict[str, Any]) -> Shard:
    return Shard(**plain | {"after": Place(**plain["after"])})
