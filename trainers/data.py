"""Token data sets: the embedded corpus, memory-mapped files, and batches as a function of the step.

A data set is a folder `<data_dir>/<name>/` as `token_files` describes it. The embedded corpus is
the text of the Python standard library's own modules, byte by byte: real text, on every machine,
without a download.
"""

import hashlib
import json
import shutil
import sys
import sysconfig
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainers.config import DataConfig
from trainers.token_files import (
    MANIFEST,
    NAME,
    DataError,
    Tokens,
    Windows,
    check_files,
    files_sha256,
    known_names,
    map_files,
    read_manifest,
)

# The two parts are named by whoever opens a data set.
from trainers.token_files import TRAIN as TRAIN
from trainers.token_files import VALIDATION as VALIDATION

EMBEDDED = "embedded"

CORPUS_BYTES = 6 * 2**20
"""Where the embedded corpus ends: enough for the proxies, written in a moment."""

BLOCK_STEPS = 64
"""Steps whose order is computed at once: numpy's cost per call is spread over them."""

VALIDATION_SHARE = 16
"""One document in so many is held out."""

EXCLUDED_MODULES = frozenset(
    {"antigravity", "encodings", "idlelib", "lib2to3", "pydoc_data", "this", "turtledemo"}
)
"""Tables, programs and jokes rather than modules; compiled modules have no text anyway."""


def prepare_embedded(data_dir: Path) -> DataConfig:
    """Writes the embedded corpus unless it is there; returns its description.

    Safe to call from several processes at once: all of them write the same bytes, one rename wins.
    """
    folder = data_dir / EMBEDDED
    if not (folder / MANIFEST).exists():
        parts: dict[str, list[bytes]] = {TRAIN: [], VALIDATION: []}
        for name, text in _documents():
            held_out = int.from_bytes(_digest(name.encode())[:4]) % VALIDATION_SHARE == 0
            parts[VALIDATION if held_out else TRAIN].append(text)
        _write_data_set(folder, {name: b"".join(texts) for name, texts in parts.items()})
    return dataset(data_dir, EMBEDDED)


def dataset(data_dir: Path, name: str) -> DataConfig:
    """The description of a prepared data set; raises ValueError naming the known ones otherwise."""
    if not NAME.fullmatch(name) or not (data_dir / name / MANIFEST).is_file():
        known = ", ".join(known_names(data_dir)) or "none"
        raise ValueError(f"unknown data set '{name}' in {data_dir}; known: {known}")
    manifest = read_manifest(data_dir / name)
    return DataConfig(name=name, sha256=manifest.sha256, vocabulary=manifest.vocabulary)


def verify(data_dir: Path, config: DataConfig) -> None:
    """Raises DataError unless the data set on disk is that of the configuration, and whole."""
    manifest = read_manifest(data_dir / config.name)
    if (manifest.sha256, manifest.vocabulary) != (config.sha256, config.vocabulary):
        raise DataError(f"data set '{config.name}' in {data_dir} is not the one that was asked for")
    check_files(data_dir / config.name, manifest)


def open_tokens(data_dir: Path, config: DataConfig, part: str) -> tuple[Tokens, ...]:
    """The shards of `TRAIN` or `VALIDATION`, memory-mapped; raises DataError as `verify` does."""
    verify(data_dir, config)
    folder = data_dir / config.name
    return map_files(folder, read_manifest(folder), part)


def bigram_entropy(data_dir: Path, config: DataConfig) -> float:
    """Conditional entropy of a token given the one before it, in nats, of the training text.

    What a model reaches that looks at one token only.
    """
    size = config.vocabulary
    joint = np.zeros((size, size), np.int64)
    for shard in open_tokens(data_dir, config, TRAIN):
        tokens = shard.astype(np.int64)
        pairs = tokens[:-1] * size + tokens[1:]
        joint += np.bincount(pairs, minlength=size**2).reshape(size, size)
    return _entropy(joint.ravel()) - _entropy(joint.sum(axis=1))


class Batches:
    """Batches of a stack: windows of the training text, in an order of each trial's own seed.

    The text is cut in consecutive windows. An epoch visits each window once, in a pseudo-random
    order that is computed for the windows asked for and never stored.
    """

    def __init__(
        self, shards: Sequence[Tokens], seeds: Sequence[int], *, batch_size: int, window: int
    ) -> None:
        self._windows = Windows(shards, window)
        # Trials of one seed read the same batch: it is gathered once.
        self._seeds, self._slots = np.unique(np.array(seeds, np.uint64), return_inverse=True)
        self._batch_size = batch_size
        self._block, self._order = -1, np.empty(0, np.uint64)

    def batch(self, step: int) -> NDArray[np.int64]:
        """Tokens of a step (from 1), `(K, batch_size, window)`."""
        block, row = divmod(step - 1, BLOCK_STEPS)
        if block != self._block:
            self._block, self._order = block, self._block_order(block)
        return self._windows[self._order[:, row]].astype(np.int64)[self._slots]

    def _block_order(self, block: int) -> Tokens:
        """The windows of a block of steps by distinct seed, `(seeds, BLOCK_STEPS, batch_size)`."""
        count = BLOCK_STEPS * self._batch_size
        position = np.arange(block * count, (block + 1) * count, dtype=np.uint64)
        order = shuffled(position[None], len(self._windows), self._seeds[:, None])
        return order.reshape(len(self._seeds), BLOCK_STEPS, self._batch_size)


def validation_windows(shards: Sequence[Tokens], count: int, window: int) -> Tokens:
    """At most `count` windows spread evenly over the held-out text, `(count, window)`."""
    windows = Windows(shards, window)
    count = min(count, len(windows))
    return windows[np.arange(count, dtype=np.uint64) * len(windows) // count]


def shuffled(position: Tokens, size: int, seed: Tokens) -> Tokens:
    """Which of `size` items comes at a position of an endless sequence of shuffled epochs.

    A four-round Feistel network over the next power of four, applied again to whatever lands
    outside `size`, is a permutation; its keys are a hash of seed and epoch.
    """
    key = _mix(seed * np.uint64(0x9E3779B97F4A7C15) + position // np.uint64(size))
    half = np.uint64(max(1, ((size - 1).bit_length() + 1) // 2))
    item = np.broadcast_to(position % np.uint64(size), key.shape).copy()
    item = _feistel(item, key, half)
    while (outside := item >= size).any():
        item[outside] = _feistel(item[outside], key[outside], half)
    return item


def _feistel(item: Tokens, key: Tokens, half: np.uint64) -> Tokens:
    mask = np.uint64((1 << int(half)) - 1)
    left, right = item >> half, item & mask
    for turn in range(4):
        left, right = right, left ^ (_mix(right + key + np.uint64(turn)) & mask)
    return (left << half) | right


def _mix(x: Tokens) -> Tokens:
    """The finaliser of SplitMix64: every input bit reaches every output bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def _documents() -> Iterator[tuple[str, bytes]]:
    """Names and texts of the standard library's modules, sorted, up to the size of the corpus."""
    root = Path(sysconfig.get_path("stdlib"))
    modules = sorted(sys.stdlib_module_names - EXCLUDED_MODULES)
    paths = [
        path
        for module in modules
        if not module.startswith("_sysconfigdata")
        for path in [root / f"{module}.py", *sorted((root / module).rglob("*.py"))]
        if path.is_file() and not {"test", "tests"} & set(path.relative_to(root).parts)
    ]
    if not paths:
        raise ValueError(f"the embedded corpus needs the standard library's sources at {root}")
    total = 0
    for path in paths:
        text = path.read_bytes()
        total += len(text)
        if total > CORPUS_BYTES:
            return
        yield path.relative_to(root).as_posix(), text


def _write_data_set(folder: Path, parts: dict[str, bytes]) -> None:
    """Writes a byte-level data set beside its place and renames it; keeps one that is there."""
    partial = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.partial")
    partial.mkdir(parents=True)
    for name, content in parts.items():
        (partial / name).write_bytes(content)
    hashes = {name: _digest(content).hex() for name, content in parts.items()}
    manifest = {
        "dtype": "uint8",
        "vocabulary": 256,
        "files": hashes,
        "tokens": {name: len(content) for name, content in parts.items()},
        "sha256": files_sha256(hashes),
    }
    (partial / MANIFEST).write_text(json.dumps(manifest, indent=1))
    try:
        partial.rename(folder)
    except OSError:
        shutil.rmtree(partial)
        if not (folder / MANIFEST).exists():
            raise


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _entropy(counts: NDArray[np.int64]) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())
