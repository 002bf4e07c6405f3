"""The manifest of a prepared data set: the last file written, from the log of its shards."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sweeper.datasets.shards import Shard
from sweeper.datasets.tokenizers import TokenizerFile, load
from sweeper.datasets.whole import write
from trainers.token_files import MANIFEST, TRAIN, VALIDATION, files_sha256, token_dtype


def write_manifest(folder: Path, shards: Sequence[Shard], file: TokenizerFile) -> None:
    """Writes what `trainers` read and what people want to know.

    Raises ValueError if there is nothing to train on, or nothing held out.
    """
    tokenizer = load(file)
    dtype = token_dtype(tokenizer.vocabulary)
    documents: Counter[str] = Counter()
    for shard in shards:
        documents.update(shard.documents)
    _check_parts(documents, folder)
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


def _check_parts(documents: Counter[str], folder: Path) -> None:
    if not documents.total():
        raise ValueError(f"there are no documents; remove {folder} before you try again")
    for part, said in ((TRAIN, "to train on"), (VALIDATION, "held out")):
        if not documents[part]:
            raise ValueError(
                f"none of {documents.total()} documents is {said}: give --validation FILE, "
                f"and remove {folder} before"
            )
