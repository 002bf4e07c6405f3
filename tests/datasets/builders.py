"""Documents, tokenizers and data sets small enough for a test."""

import gzip
import io
import json
import random
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pyarrow
from pyarrow import ipc, parquet
from sentencepiece import SentencePieceTrainer
from tokenizers import Tokenizer as TokenizerJson
from tokenizers import decoders, models, pre_tokenizers, trainers

from sweeper.datasets.prepare import Plan, prepare
from sweeper.datasets.sources import find_sources
from sweeper.datasets.tokenizers import find_tokenizer, load
from trainers.data import dataset, open_tokens
from trainers.token_files import TRAIN

WORDS = (
    "the",
    "a",
    "mill",
    "wheel",
    "turns",
    "slowly",
    "naïve",
    "水車",
    "stones,",
    "and",
    "grain\n",
)

SMALL = {"batch_bytes": 500, "shard_bytes": 2000}
"""Several batches in a shard, several shards in a data set of a few hundred documents."""


def texts(count: int, seed: int = 0) -> list[str]:
    """Documents of up to 60 words, the first of them empty."""
    draw = random.Random(seed)  # noqa: S311
    return [" ".join(draw.choices(WORDS, k=n and draw.randrange(60))) for n in range(count)]


@cache
def sentencepiece_model() -> bytes:
    """A model that keeps every character of a text."""
    model = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(texts(200, seed=1)),
        model_writer=model,
        vocab_size=300,
        hard_vocab_limit=False,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=False,
        byte_fallback=True,
        minloglevel=2,
        num_threads=1,
    )
    return model.getvalue()


@cache
def tokenizer_json() -> str:
    """A byte-level BPE tokenizer whose file would cut texts and fill them up."""
    model = TokenizerJson(models.BPE())
    model.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    model.train_from_iterator(texts(200, seed=1), trainer)
    model.enable_truncation(8)
    model.enable_padding(length=8)
    return model.to_str()


def tokenizer_file(folder: Path, kind: str) -> str:
    """The argument that names a tokenizer of this kind."""
    if kind == "bytes":
        return kind
    path = folder / f"tokenizer.{'json' if kind == 'json' else 'model'}"
    content = tokenizer_json().encode() if kind == "json" else sentencepiece_model()
    path.write_bytes(content)
    return str(path)


def _jsonl(documents: Sequence[str]) -> bytes:
    return "".join(json.dumps({"n": 1, "text": text}) + "\n" for text in documents).encode()


def _zst(content: bytes) -> bytes:
    compressed: bytes = pyarrow.Codec("zstd").compress(content, asbytes=True)
    return compressed


def _parquet(documents: Sequence[str]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({"text": documents}), file, row_group_size=7)
    return file.getvalue()


def _arrow(documents: Sequence[str]) -> bytes:
    file = io.BytesIO()
    table = pyarrow.table({"text": documents})
    with ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=7)
    return file.getvalue()


def contents(documents: Sequence[str]) -> Mapping[str, bytes]:
    """The same documents as a file of every format, by suffix."""
    lines = _jsonl(documents)
    half = lines.index(b"\n", len(lines) // 2) + 1
    return {
        ".jsonl": lines,
        ".json": lines.replace(b"\n", b"\n\n"),
        ".jsonl.gz": gzip.compress(lines[:half]) + gzip.compress(lines[half:]),
        ".json.zst": _zst(lines[:half]) + _zst(lines[half:]),
        ".parquet": _parquet(documents),
        ".arrow": _arrow(documents),
    }


def jsonl(path: Path, documents: Sequence[str]) -> str:
    """A file of these documents; its name."""
    path.write_bytes(_jsonl(documents))
    return str(path)


def plan(name: str, files: Sequence[str], tokenizer: str = "bytes", **changes: int) -> Plan:
    """A plan with small shards."""
    sources, chosen = find_sources(files), find_tokenizer(tokenizer)
    return Plan(name=name, sources=sources, tokenizer=chosen, **SMALL | changes)


def prepared(data_dir: Path, wanted: Plan, workers: int = 1) -> Path:
    """The folder of a data set, prepared to its end."""
    for _ in prepare(wanted, data_dir, workers=workers):
        pass
    return data_dir / wanted.name


def decoded(data_dir: Path, name: str, tokenizer: str, part: str = TRAIN) -> list[str]:
    """The documents of all shards."""
    chosen = load(find_tokenizer(tokenizer))
    found: list[str] = []
    held: list[int] = []
    for shard in open_tokens(data_dir, dataset(data_dir, name), part):
        assert shard[-1] == chosen.end_of_text, "a shard ends with a document"
        for token in shard.tolist():
            if token == chosen.end_of_text:
                found.append(chosen.decode(held))
                held = []
            else:
                held.append(token)
    return found
