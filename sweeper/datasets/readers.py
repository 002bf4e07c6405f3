"""Documents of a file, one after another: a small function per format, whatever the compression."""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, BinaryIO, cast

import pyarrow
from pyarrow import ipc, parquet

FIELD = "text"
"""Where JSONL, Parquet and Arrow files have the text of a document."""

CUT_CHARACTERS = 2**14
"""A text file longer than this is cut at the next empty line: so it can be spread over cores."""

LONGEST_CHARACTERS = 2**20
"""Without an empty line it is cut here, so that memory stays flat."""

Reader = Callable[[BinaryIO], Iterator[str]]


def text_documents(file: BinaryIO) -> Iterator[str]:
    """The text itself, cut at empty lines; joined, the documents are the file to the character."""
    # Line ends stay as they are.
    lines = io.TextIOWrapper(file, encoding="utf-8", newline="\n")
    held: list[str] = []
    size = 0
    while line := lines.readline(LONGEST_CHARACTERS):
        held.append(line)
        size += len(line)
        if size >= LONGEST_CHARACTERS or (size >= CUT_CHARACTERS and not line.strip()):
            yield "".join(held)
            held, size = [], 0
    if held:
        yield "".join(held)


def jsonl_documents(file: BinaryIO) -> Iterator[str]:
    """The field `text` of the object in every line; empty lines are passed over."""
    for number, line in enumerate(file, 1):
        if line.strip():
            yield _text_of(line, number)


def parquet_documents(file: BinaryIO) -> Iterator[str]:
    """The column `text`, row by row."""
    opened = parquet.ParquetFile(file)
    _check_columns(opened.schema_arrow.names)
    # A row group can be of any size; so many rows at a time are decoded.
    for batch in opened.iter_batches(batch_size=1024, columns=[FIELD], use_threads=False):
        yield from _rows(batch)


def arrow_documents(file: BinaryIO) -> Iterator[str]:
    """The column `text` of an Arrow stream, as Hugging Face's `save_to_disk` writes it."""
    opened = ipc.open_stream(file)
    _check_columns(opened.schema.names)
    for batch in opened:
        yield from _rows(batch)


READERS: Mapping[str, Reader] = {
    ".arrow": arrow_documents,
    ".parquet": parquet_documents,
    ".jsonl": jsonl_documents,
    ".ndjson": jsonl_documents,
    ".json": jsonl_documents,
    ".txt": text_documents,
}
"""By suffix; a folder is read in the first of these formats that it has. Others are text."""


def suffix(name: str) -> str:
    """The suffix that says the format, compression apart."""
    path = PurePosixPath(name)
    return (path.with_suffix("") if path.suffix in DECOMPRESSED else path).suffix.lower()


def documents(file: BinaryIO, name: str) -> Iterator[str]:
    """The documents in an open file of that name.

    Raises ValueError, which names the file and the document, for what cannot be read.
    """
    opener = DECOMPRESSED.get(PurePosixPath(name).suffix)
    read = READERS.get(suffix(name), text_documents)
    count = 0
    try:
        for text in read(file if opener is None else opener(file)):
            # Half a surrogate pair is no text: no tokenizer could read it.
            text.encode()
            yield text
            count += 1
    except _UNREADABLE as error:
        raise ValueError(f"cannot read {name} after {count:,} documents: {error}") from error


_UNREADABLE = (ValueError, OSError, EOFError, zlib.error, pyarrow.ArrowException)


def _gunzipped(file: BinaryIO) -> BinaryIO:
    return cast("BinaryIO", gzip.open(file))


def _unzstd(file: BinaryIO) -> BinaryIO:
    return io.BufferedReader(pyarrow.input_stream(file, compression="zstd"), 2**20)


DECOMPRESSED: Mapping[str, Callable[[BinaryIO], BinaryIO]] = {".gz": _gunzipped, ".zst": _unzstd}


def _text_of(line: bytes, number: int) -> str:
    try:
        value = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise ValueError(f"line {number} must hold an object, but got {type(value).__name__}")
    _check_columns(value)
    return _checked(value[FIELD], number)


def _rows(batch: Any) -> Iterator[str]:
    for number, text in enumerate(batch.column(FIELD).to_pylist(), 1):
        yield _checked(text, number)


def _checked(text: Any, number: int) -> str:
    if not isinstance(text, str):
        kind = "null" if text is None else type(text).__name__
        raise ValueError(f"'{FIELD}' must be text, but got {kind} in row {number}")
    return text


def _check_columns(names: Any) -> None:
    if FIELD not in names:
        raise ValueError(f"there is no field '{FIELD}'; it has: {', '.join(map(str, names))}")
