"""Which files a data set is made of: files, folders, and data sets of the Hugging Face hub."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from sweeper.datasets.readers import READERS, suffix

HUB = "hf://datasets/"
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+(/[\w.-]+)*")


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file of documents. `size` and `version` tell whether it is still the same one."""

    path: str
    size: int
    version: str

    def open(self) -> BinaryIO:
        """The file, or a stream from the hub."""
        if self.path.startswith(HUB):
            return cast("BinaryIO", _hub().open(self.path.removeprefix("hf://")))
        return Path(self.path).open("rb")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The files to train on and those held out; without the latter, documents are held out."""

    train: tuple[Source, ...]
    validation: tuple[Source, ...]


def find_sources(names: Sequence[str], validation: Sequence[str] = ()) -> Sources:
    """The files behind arguments, those of a folder sorted by name.

    A folder, or hub data set, whose paths say `train` and `validation` is taken at its word.
    Raises ValueError for what is not there.
    """
    train, held_out = [], []
    for name in names:
        files = _files(name)
        train += _said(files, name, "train") or files
        held_out += _said(files, name, "validation") if _said(files, name, "train") else []
    given = [source for name in validation for source in _files(name)]
    chosen = Sources(train=tuple(train), validation=tuple(given or held_out))
    _check_distinct(source.path for source in (*chosen.train, *chosen.validation))
    return chosen


def _files(name: str) -> list[Source]:
    path = Path(name).absolute()
    if path.is_file():
        return [_local(path)]
    if path.is_dir():
        return _of_one_format((_local(p) for p in path.rglob("*") if p.is_file()), name)
    if HUB_NAME.fullmatch(name) and suffix(name) not in READERS:
        return _of_one_format(_on_hub(name), name)
    raise ValueError(f"there is no file or folder {name}")


def _local(path: Path) -> Source:
    found = path.stat()
    return Source(path=str(path), size=found.st_size, version=str(found.st_mtime_ns))


def _of_one_format(sources: Iterable[Source], name: str) -> list[Source]:
    """Those of the first format that occurs, sorted: other files only describe them."""
    found = sorted(sources, key=lambda source: source.path)
    for reader in dict.fromkeys(READERS.values()):
        chosen = [source for source in found if READERS.get(suffix(source.path)) is reader]
        if chosen:
            return chosen
    raise ValueError(f"{name} has no files of documents; known: {', '.join(READERS)}")


def _said(files: Sequence[Source], name: str, part: str) -> list[Source]:
    """The files whose path, beyond what was asked for, names the part."""
    word = re.compile(rf"(?<![a-z]){part}(?![a-z])")
    roots = HUB + name, str(Path(name).absolute())
    inside = [file.path.removeprefix(roots[0]).removeprefix(roots[1]) for file in files]
    return [file for file, path in zip(files, inside, strict=True) if word.search(path)]


def _check_distinct(paths: Iterable[str]) -> None:
    seen = set()
    for path in paths:
        if path in seen:
            raise ValueError(f"{path} is given twice")
        seen.add(path)


# The hub's part of this module has not been exercised: there was no hub to try it on.
def _on_hub(name: str) -> Iterator[Source]:
    try:
        listed = _hub().find(HUB.removeprefix("hf://") + name, detail=True)
    except Exception as error:  # The hub's library lets those of several others through.
        raise ValueError(
            f"there is no file or folder {name}, nor such a data set on the hub: {error}"
        ) from error
    for path, details in listed.items():
        version = details.get("blob_id") or ""
        yield Source(path=f"hf://{path}", size=details["size"], version=version)


def _hub() -> Any:
    try:
        from huggingface_hub import HfFileSystem
    except ImportError:
        raise ValueError("data sets of the hub need `pip install 'sweeper[c4]'`") from None
    return HfFileSystem()
