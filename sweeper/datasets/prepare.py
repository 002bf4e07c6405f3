"""From documents to a token data set, in steps that may be killed at any point.

The data set grows in a hidden folder beside its place and gets its name by a rename, so what bears
the name is whole. Shards are the unit of resume: the same command goes on after the last finished
one, and because documents are read in one order and cut at fixed places, it ends with the very
bytes that an undisturbed run writes, whatever the number of workers.
"""

import json
import shutil
from collections.abc import Generator, Iterator
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path

from sweeper.datasets.encoding import START, Document, Encoded, Place, encode_all
from sweeper.datasets.manifest import missing_part, write_manifest
from sweeper.datasets.readers import documents
from sweeper.datasets.shards import Shard, ShardWriter, finished
from sweeper.datasets.sources import Sources
from sweeper.datasets.tokenizers import TokenizerFile
from sweeper.datasets.whole import claimed, sync, write
from trainers.data import EMBEDDED
from trainers.token_files import NAME, TRAIN, VALIDATION

PLAN = "plan.json"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is to be prepared; everything on which the bytes depend."""

    name: str
    sources: Sources
    tokenizer: TokenizerFile
    batch_bytes: int = 2**20
    """Text that a worker gets at once: enough to make sending it cheap."""
    shard_bytes: int = 2**25
    """Size after which a training shard ends: a crash costs no more than one shard's work."""

    def to_json(self) -> str:
        """The plan as it lies in the data set's folder; of the tokenizer, its hash."""
        tokenizer = {"name": self.tokenizer.name, "sha256": self.tokenizer.sha256}
        return json.dumps(asdict(self) | {"tokenizer": tokenizer}, indent=1)


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far it is. Bytes of the sources are counted as they lie there, those of text as UTF-8."""

    shards: int
    documents: int
    text_bytes: int
    read_bytes: int
    total_bytes: int


def prepare(plan: Plan, data_dir: Path, *, workers: int) -> Generator[Progress]:
    """Prepares the data set while it is iterated over, and says how far it is.

    Goes on where an earlier run of the same plan ended, and does nothing if that was done. Raises
    ValueError for a name that is taken, an unfinished data set of another plan, or a document that
    cannot be read.
    """
    folder = data_dir / plan.name
    partial = data_dir / f".{plan.name}.partial"
    _check_name(plan.name)
    if folder.exists():
        _check_plan(folder, plan, "there is a data set")
        yield _progress(plan, finished(folder))
        return
    with claimed(partial):
        shards = _adopt(partial, plan)
        progress = _progress(plan, shards)
        yield progress
        for encoded in _write(plan, partial, shards, workers):
            progress = _advanced(progress, encoded, len(shards))
            yield progress
        if problem := missing_part(shards):
            shutil.rmtree(partial)
            raise ValueError(problem)
        write_manifest(partial, shards, plan.tokenizer)
        partial.rename(folder)
        sync(data_dir)


def _check_name(name: str) -> None:
    if not NAME.fullmatch(name):
        raise ValueError(f"a name must match {NAME.pattern}, but got '{name}'")
    if name == EMBEDDED:
        raise ValueError(f"'{EMBEDDED}' is the built-in data set: choose another name")


def _check_plan(folder: Path, plan: Plan, what: str) -> None:
    """Raise ValueError unless the folder is of this very plan."""
    path, now = folder / PLAN, json.loads(plan.to_json())
    before = json.loads(path.read_text()) if path.exists() else {}
    if changed := [key for key in now if before.get(key) != now[key]]:
        raise ValueError(
            f"{what} '{plan.name}' with other {', '.join(changed)}: give the same, choose another "
            f"name, or remove {folder}"
        )


def _adopt(partial: Path, plan: Plan) -> list[Shard]:
    """The finished shards of a folder of the same plan; one without any may have had another."""
    if shards := finished(partial):
        _check_plan(partial, plan, "there is an unfinished data set")
    else:
        write(partial / PLAN, plan.to_json())
    return shards


def _write(plan: Plan, partial: Path, shards: list[Shard], workers: int) -> Iterator[Encoded]:
    """Writes the shards that are missing and appends them to `shards`; yields what it wrote."""
    batches = _batches(plan, shards[-1].after if shards else START)
    writer: ShardWriter | None = None
    try:
        for encoded in encode_all(batches, plan.tokenizer, workers):
            writer = writer or ShardWriter(partial, len(shards))
            writer.add(encoded)
            if writer.num_bytes >= plan.shard_bytes:
                shards.append(writer.finish())
                writer = None
            yield encoded
        if writer is not None:
            shards.append(writer.finish())
    finally:
        if writer is not None:
            writer.close()


def _batches(plan: Plan, start: Place) -> Iterator[tuple[Document, ...]]:
    held: list[Document] = []
    size = 0
    for document in _documents(plan.sources, start):
        held.append(document)
        size += len(document.text)
        if size >= plan.batch_bytes:
            yield tuple(held)
            held, size = [], 0
    if held:
        yield tuple(held)


def _documents(sources: Sources, start: Place) -> Iterator[Document]:
    """Every document from a place on: those of the training files, then those held out."""
    part = TRAIN if sources.validation else None
    every = [(source, part) for source in sources.train]
    every += [(source, VALIDATION) for source in sources.validation]
    before = sum(source.size for source, _ in every[: start.source])
    for number, (source, part) in enumerate(every[start.source :], start.source):
        skipped = start.document if number == start.source else 0
        with source.open() as file:
            texts = islice(enumerate(documents(file, source.path), 1), skipped, None)
            for after, text in texts:
                yield Document(
                    text=text,
                    part=part,
                    after=Place(source=number, document=after),
                    read_bytes=before + file.tell(),
                )
        before += source.size


def _progress(plan: Plan, shards: list[Shard]) -> Progress:
    """How far the finished shards are."""
    sizes = [source.size for source in (*plan.sources.train, *plan.sources.validation)]
    return Progress(
        shards=len(shards),
        documents=sum(sum(shard.documents.values()) for shard in shards),
        text_bytes=sum(shard.text_bytes for shard in shards),
        read_bytes=sum(sizes[: shards[-1].after.source]) if shards else 0,
        total_bytes=sum(sizes),
    )


def _advanced(progress: Progress, encoded: Encoded, shards: int) -> Progress:
    return replace(
        progress,
        shards=shards,
        documents=progress.documents + sum(encoded.documents.values()),
        text_bytes=progress.text_bytes + encoded.text_bytes,
        read_bytes=encoded.read_bytes,
    )
