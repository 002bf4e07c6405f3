from pathlib import Path

import pytest
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

from sweeper.datasets import sources as module
from sweeper.datasets.sources import Sources, find_sources
from tests.datasets.builders import contents, decoded, plan, prepared, texts


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def found(folder: Path, sources: Sources) -> tuple[list[str], list[str]]:
    train, held_out = (
        [Path(source.path).relative_to(folder).as_posix() for source in part]
        for part in (sources.train, sources.validation)
    )
    return train, held_out


def test_files_come_as_given_and_those_of_a_folder_by_name(tmp_path: Path) -> None:
    make(tmp_path, "z.txt", "more/b.jsonl", "more/a.json.gz", "more/deep/c.jsonl", "more/notes.txt")
    sources = find_sources([str(tmp_path / "z.txt"), str(tmp_path / "more")])
    assert found(tmp_path, sources) == (
        ["z.txt", "more/a.json.gz", "more/b.jsonl", "more/deep/c.jsonl"],
        [],
    )


def test_a_folder_that_names_its_parts_is_taken_at_its_word(tmp_path: Path) -> None:
    names = [f"en/c4-{part}.0000{n}-of-00002.json.gz" for part in PARTS for n in range(2)]
    make(tmp_path, *names, "README.md")
    train, held_out = found(tmp_path, find_sources([str(tmp_path)]))
    assert (train, held_out) == (sorted(names[:2]), sorted(names[2:4]))


PARTS = ("train", "validation", "test")


def test_a_copy_that_was_saved_to_disk_is_its_arrow_files(tmp_path: Path) -> None:
    names = [f"{part}/data-00000-of-00001.arrow" for part in PARTS]
    extra = ["dataset_dict.json", "train/dataset_info.json", "train/state.json"]
    make(tmp_path, *names, *extra)
    assert found(tmp_path, find_sources([str(tmp_path)])) == ([names[0]], [names[1]])


def test_held_out_files_that_are_given_are_the_ones(tmp_path: Path) -> None:
    make(tmp_path, "all/train.txt", "all/validation.txt", "mine.txt")
    sources = find_sources([str(tmp_path / "all")], [str(tmp_path / "mine.txt")])
    assert found(tmp_path, sources) == (["all/train.txt"], ["mine.txt"])


@pytest.mark.parametrize("name", ["train", "./train", "train/", "train/../train"])
def test_a_folder_above_does_not_name_the_part(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "train/a.txt", "train/b.txt", "train/constrained.txt")
    monkeypatch.chdir(tmp_path)
    assert [len(part) for part in vars(find_sources([name])).values()] == [3, 0]
    (tmp_path / "train/a.txt").rename(tmp_path / "train/train-in-train.txt")
    assert [len(part) for part in vars(find_sources([name])).values()] == [1, 0]


def test_what_is_not_there_or_there_twice_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "a.txt", "empty/readme.pdf")
    with pytest.raises(ValueError, match=r"there is no file or folder .*b\.txt"):
        find_sources([str(tmp_path / "b.txt")])
    with pytest.raises(ValueError, match=r"a\.txt is given twice"):
        find_sources([str(tmp_path / "a.txt")], [str(tmp_path / "a.txt")])
    with pytest.raises(ValueError, match=r"has no files of documents; known: \.arrow, \.parquet"):
        find_sources([str(tmp_path / "empty")])


def test_a_data_set_of_the_hub_is_read_like_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against a file system of the same interface: the hub itself is not reached."""
    folder = tmp_path / "hub" / "datasets" / "allenai" / "c4" / "en"
    folder.mkdir(parents=True)
    for part in ("train", "validation"):
        (folder / f"c4-{part}.00000.json.gz").write_bytes(contents(texts(60))[".jsonl.gz"])
    hub = DirFileSystem(str(tmp_path / "hub"), LocalFileSystem())
    monkeypatch.setattr(module, "_hub", lambda: hub)
    found = find_sources(["allenai/c4/en"])
    assert [source.path for source in (*found.train, *found.validation)] == [
        f"hf://datasets/allenai/c4/en/c4-{part}.00000.json.gz" for part in ("train", "validation")
    ]
    prepared(tmp_path, plan("c4", ["allenai/c4/en"]))
    assert decoded(tmp_path, "c4", "bytes") == texts(60)
    with pytest.raises(ValueError, match=r"allenai/other has no files of documents"):
        find_sources(["allenai/other"])
