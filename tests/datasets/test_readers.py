import gzip
import io
import json
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from sweeper.datasets import readers
from sweeper.datasets.readers import documents
from tests.datasets.builders import contents, plan, prepared, texts
from trainers.data import dataset

TEXTS = texts(100)
FORMATS = contents(TEXTS)


def read(name: str, content: bytes) -> list[str]:
    return list(documents(io.BytesIO(content), name))


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_has_the_same_documents(form: str) -> None:
    assert read(f"x{form}", FORMATS[form]) == TEXTS


def test_every_format_prepares_the_same_data_set(tmp_path: Path) -> None:
    hashes = set()
    for number, (form, content) in enumerate(FORMATS.items()):
        (tmp_path / f"x{form}").write_bytes(content)
        prepared(tmp_path, plan(f"x{number}", [str(tmp_path / f"x{form}")]))
        hashes.add(dataset(tmp_path, f"x{number}").sha256)
    assert len(hashes) == 1


def test_a_text_file_is_cut_at_empty_lines_and_stays_the_same_text() -> None:
    paragraph = "a line\r\nand one more\n\n"
    text = paragraph * 3000 + "the end"
    found = read("x.txt", text.encode())
    assert "".join(found) == text
    assert all(piece.endswith(paragraph) for piece in found[:-1])
    cut = readers.CUT_CHARACTERS
    assert all(cut <= len(piece) < cut + len(paragraph) for piece in found[:-1])
    assert read("x.md.gz", gzip.compress(b"short\n\ntext")) == ["short\n\ntext"]


def test_a_text_without_lines_is_cut_all_the_same() -> None:
    longest = readers.LONGEST_CHARACTERS
    found = read("x.txt", b"x" * (2 * longest + 5))
    assert [len(piece) for piece in found] == [longest, longest, 5]


def _table(**columns: list[object]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), file)
    return file.getvalue()


WHOLE = json.dumps({"text": "whole"}).encode() + b"\n"
BAD = {
    "not JSON": ("x.jsonl", WHOLE + b"{", "after 1 documents: line 2 is not JSON"),
    "no object": ("x.jsonl", b"[1]", "line 1 must hold an object, but got list"),
    "no text": (
        "x.jsonl",
        WHOLE + b'{"content": "a"}',
        "there is no field 'text'; it has: content",
    ),
    "null": ("x.jsonl", b'{"text": null}', "'text' must be text, but got null in row 1"),
    "half a pair": ("x.jsonl", b'{"text": "\\ud800"}', "surrogates not allowed"),
    "not UTF-8": ("x.txt", b"ab\xff", "can't decode byte 0xff"),
    "cut gzip": ("x.jsonl.gz", gzip.compress(WHOLE)[:-9], "cannot read x.jsonl.gz after"),
    "no gzip": ("x.jsonl.gz", WHOLE, "Not a gzipped file"),
    "cut zstd": ("x.json.zst", FORMATS[".json.zst"][:-9], "Truncated compressed stream"),
    "no zstd": ("x.json.zst", WHOLE, "cannot read x.json.zst after 0 documents"),
    "no parquet": ("x.parquet", WHOLE, "cannot read x.parquet after 0 documents"),
    "no column": ("x.parquet", _table(a=["b"], c=[1]), "there is no field 'text'; it has: a, c"),
    "numbers": ("x.parquet", _table(text=[1]), "'text' must be text, but got int in row 1"),
    "no arrow": ("x.arrow", WHOLE, "cannot read x.arrow after 0 documents"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_read_is_named(case: str) -> None:
    name, content, message = BAD[case]
    with pytest.raises(ValueError, match=f"cannot read {name} after") as raised:
        read(name, content)
    assert message in str(raised.value)
