"""The manifest of a prepared data set: the last file written, from the log of its shards."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sweeper.datasets.shards import Shard
from sweeper.datasets.tokenizers import TokenizerFile, load
from sweeper.datasets.whole import write
from trainers.token_files import MANIFEST, TRAIN, VALIDATION, files_sha256, token_dtype


def missing_part(shards: Sequence[Shard]) -> str | None:
    """What is wrong with the two parts, or None if both have documents."""
    documents = _documents(shards)
    if not documents.total():
        return "there are no documents"
    if not documents[TRAIN]:
        return f"none of {documents.total()} documents is left to train on"
    if not documents[VALIDATION]:
        return f"none of {documents.total()} documents is held out: give --validation FILE"
    return None


def write_manifest(folder: Path, shards: Sequence[Shard], file: TokenizerFile) -> None:
    """Writes what `trainers` read and what people want to know."""
    tokenizer = load(file)
    dtype = token_dtype(tokenizer.vocabulary)
    documents = _documents(shards)
    files = {name: sha256 for shard in shards for name, sha256 in shard.files.items()}
    sizes = {name: size for shard in shards for name, size in shard.sizes.items()}
    manifest = {
        "dtype": dtype.name,
        "vocabulary": tokenizer.vocabulary,
        "end_of_text": tokenizer.end_of_text,
        "tokenizer": {"name": file.name, "sha256": file.sha256, "tokens": tokenizer.size},
        "documents": {part: documents[part] for part in (TRAIN, VALIDATION)},
        "text_bytes": sum(shard.text_bytes for shard in shards),
        "files": files,
        "tokens": {name: size // dtype.itemsize for name, size in sizes.items()},
        "sha256": files_sha256(files),
    }
    write(folder / MANIFEST, json.dumps(manifest, indent=1))


def _documents(shards: Sequence[Shard]) -> Counter[str]:
    """How many there are by part."""
    documents: Counter[str] = Counter()
    for shard in shards:
        documents.update(shard.documents)
    return documents
