"""Batches of documents to tokens, on all cores, in the order in which they were read."""

import hashlib
import os
import signal
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweeper.datasets.tokenizers import Tokenizer, TokenizerFile, load
from trainers.token_files import TRAIN, VALIDATION, token_dtype

VALIDATION_SHARE = 16
"""One document in so many is held out where no files are: by a hash of its text, so that a document
that occurs twice is on one side."""

WAITING_PER_WORKER = 3
"""Batches read ahead: no worker waits for the reader, and memory stays flat."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where reading goes on: the number of the source, and of the document in it."""

    source: int
    document: int


START = Place(source=0, document=0)


@dataclass(frozen=True, kw_only=True)
class Document:
    """A text; `part` is where it goes, None where its hash decides. `after` is what comes next."""

    text: str
    part: str | None
    after: Place
    read_bytes: int
    """How much of all sources, compressed as they are, is read by then."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """What a batch has become. `tokens` is the content of the files of each part."""

    tokens: Mapping[str, bytes]
    documents: Mapping[str, int]
    text_bytes: int
    after: Place
    read_bytes: int


def encode(tokenizer: Tokenizer, batch: tuple[Document, ...]) -> Encoded:
    """Every document followed by the end-of-text token, part by part."""
    dtype = token_dtype(tokenizer.vocabulary)
    end = np.array([tokenizer.end_of_text])
    pieces: dict[str, list[NDArray[Any]]] = {TRAIN: [], VALIDATION: []}
    found = tokenizer.encode([document.text for document in batch])
    for document, tokens in zip(batch, found, strict=True):
        pieces[document.part or _part(document.text)] += [tokens, end]
    return Encoded(
        tokens={
            part: b"".join(piece.astype(dtype).tobytes() for piece in every)
            for part, every in pieces.items()
        },
        documents={part: len(every) // 2 for part, every in pieces.items()},
        text_bytes=sum(len(document.text.encode()) for document in batch),
        after=batch[-1].after,
        read_bytes=batch[-1].read_bytes,
    )


def encode_all(
    batches: Iterable[tuple[Document, ...]], file: TokenizerFile, workers: int
) -> Iterator[Encoded]:
    """Every batch encoded, in order, by so many processes; by this one if there is to be one."""
    if workers == 1:
        tokenizer = load(file)
        return (encode(tokenizer, batch) for batch in batches)
    return _in_processes(batches, file, workers)


def _in_processes(
    batches: Iterable[tuple[Document, ...]], file: TokenizerFile, workers: int
) -> Iterator[Encoded]:
    # Not forked: the parent may run threads of libraries.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _start_worker, (file,))
    waiting: deque[Future[Encoded]] = deque()
    try:
        for batch in batches:
            waiting.append(pool.submit(_encode_here, batch))
            if len(waiting) >= WAITING_PER_WORKER * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


_tokenizer_here: list[Tokenizer] = []
"""The tokenizer of this worker process: it is not sent with every batch."""


def _start_worker(file: TokenizerFile) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair.
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _tokenizer_here.append(load(file))


def _end_with_parent() -> None:
    """A parent that was killed cannot end its workers, and they would wait for work for ever."""
    parent = parent_process()
    assert parent is not None, "this runs in a worker"
    parent.join()
    os._exit(1)


def _encode_here(batch: tuple[Document, ...]) -> Encoded:
    return encode(_tokenizer_here[0], batch)


def _part(text: str) -> str:
    digest = hashlib.sha256(text.encode()).digest()
    return VALIDATION if int.from_bytes(digest[:4]) % VALIDATION_SHARE == 0 else TRAIN
