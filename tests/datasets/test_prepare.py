import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.datasets.encoding import WAITING_PER_WORKER, Document, Place, encode_all
from sweeper.datasets.prepare import Plan, prepare
from sweeper.datasets.sources import find_sources
from sweeper.datasets.tokenizers import find_tokenizer
from tests.datasets.builders import decoded, jsonl, plan, prepared, texts, tokenizer_file
from trainers.data import dataset
from trainers.token_files import MANIFEST, TRAIN, VALIDATION, read_manifest

KINDS = ["bytes", "sentencepiece", "json"]


@pytest.mark.parametrize("kind", KINDS)
def test_all_shards_decode_to_the_documents_in_order(kind: str, tmp_path: Path) -> None:
    documents = texts(300)
    tokenizer = tokenizer_file(tmp_path, kind)
    prepared(tmp_path, plan("x", [jsonl(tmp_path / "x.jsonl", documents)], tokenizer))
    train, held_out = (decoded(tmp_path, "x", tokenizer, part) for part in (TRAIN, VALIDATION))
    kept = set(held_out)
    assert train == [text for text in documents if text not in kept]
    assert held_out == [text for text in documents if text in kept]
    assert 5 < len(held_out) < 40
    assert len(read_manifest(tmp_path / "x").shards(TRAIN)) > 3


# The two characters that a SentencePiece model has for itself.
ANY_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\u2581\0"), max_size=50)


@settings(max_examples=40)
@given(st.lists(ANY_TEXT, max_size=30), st.sampled_from(KINDS), st.integers(1, 200))
def test_any_documents_come_back_whatever_the_shards(
    tmp_path_factory: pytest.TempPathFactory, documents: list[str], kind: str, size: int
) -> None:
    folder = tmp_path_factory.mktemp("any")
    tokenizer = tokenizer_file(folder, kind)
    documents = [*documents, "one more"]
    train = jsonl(folder / "train.jsonl", documents)
    held_out = jsonl(folder / "held_out.jsonl", documents[-1:])
    sources = find_sources([train], [held_out])
    wanted = Plan(
        name="x",
        sources=sources,
        tokenizer=find_tokenizer(tokenizer),
        batch_bytes=size,
        shard_bytes=3 * size,
    )
    prepared(folder, wanted)
    assert decoded(folder, "x", tokenizer) == documents
    assert decoded(folder, "x", tokenizer, VALIDATION) == ["one more"]


def test_the_manifest_has_counts_and_hashes(tmp_path: Path) -> None:
    documents = texts(100)
    tokenizer = tokenizer_file(tmp_path, "sentencepiece")
    folder = prepared(tmp_path, plan("x", [jsonl(tmp_path / "x.jsonl", documents)], tokenizer))
    manifest = json.loads((folder / MANIFEST).read_text())
    assert (manifest["dtype"], manifest["vocabulary"], manifest["end_of_text"]) == (
        "uint16",
        384,
        2,
    )
    assert manifest["tokenizer"]["tokens"] <= 384
    assert sum(manifest["documents"].values()) == 100
    assert manifest["text_bytes"] == sum(len(text.encode()) for text in documents)
    for name, sha256 in manifest["files"].items():
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == sha256
        assert len(content) == 2 * manifest["tokens"][name]
    assert {p.name for p in folder.glob("*.bin")} == set(manifest["files"])
    assert dataset(tmp_path, "x").vocabulary == 384


@pytest.mark.parametrize("workers", [2, 3])
def test_the_bytes_do_not_depend_on_the_number_of_workers(workers: int, tmp_path: Path) -> None:
    wanted = plan("x", [jsonl(tmp_path / "x.jsonl", texts(300))])
    alone = prepared(tmp_path / "alone", wanted)
    together = prepared(tmp_path / "together", wanted, workers)
    assert _contents(alone) == _contents(together)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("workers", [1, 2])
def test_reading_is_never_far_ahead_of_writing(workers: int) -> None:
    read = 0

    def batches() -> Iterator[tuple[Document, ...]]:
        nonlocal read
        for read in range(1, 101):
            document = Document(
                text="x", part=TRAIN, after=Place(source=0, document=read), read_bytes=0
            )
            yield (document,)

    for written, encoded in enumerate(encode_all(batches(), find_tokenizer("bytes"), workers), 1):
        assert encoded.after.document == written
        assert read <= written + WAITING_PER_WORKER * workers
    assert written == 100


def test_progress_counts_up_to_everything(tmp_path: Path) -> None:
    documents = texts(200)
    wanted = plan("x", [jsonl(tmp_path / "x.jsonl", documents)])
    seen = list(prepare(wanted, tmp_path, workers=1))
    assert [step.documents for step in seen] == sorted(step.documents for step in seen)
    assert (seen[0].documents, seen[-1].documents) == (0, 200)
    assert seen[-1].text_bytes == sum(len(text.encode()) for text in documents)
    assert seen[-1].read_bytes == seen[-1].total_bytes == (tmp_path / "x.jsonl").stat().st_size


def test_equal_documents_are_on_one_side(tmp_path: Path) -> None:
    documents = texts(100) * 2
    prepared(tmp_path, plan("x", [jsonl(tmp_path / "x.jsonl", documents)]))
    sides = [set(decoded(tmp_path, "x", "bytes", part)) for part in (TRAIN, VALIDATION)]
    assert sides[0].isdisjoint(sides[1])


@pytest.mark.parametrize("name", ["../x", ".x", "a/b", "", "x" * 65, "x y"])
def test_a_name_cannot_be_a_path(name: str, tmp_path: Path) -> None:
    wanted = plan(name, [jsonl(tmp_path / "x.jsonl", texts(3))])
    with pytest.raises(ValueError, match="a name must match"):
        prepared(tmp_path / "datasets", wanted)
    assert not (tmp_path / "datasets").exists()


def test_what_is_prepared_is_not_prepared_again(tmp_path: Path) -> None:
    wanted = plan("x", [jsonl(tmp_path / "x.jsonl", texts(99))])
    *_, last = prepare(wanted, tmp_path, workers=1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "x").iterdir()}
    (again,) = prepare(wanted, tmp_path, workers=1)
    assert (again.documents, again.text_bytes) == (last.documents, last.text_bytes)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "x").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "x.jsonl"]


def test_a_taken_name_is_refused(tmp_path: Path) -> None:
    prepared(tmp_path, plan("x", [jsonl(tmp_path / "x.jsonl", texts(99))]))
    other = plan("x", [jsonl(tmp_path / "y.jsonl", texts(99))])
    with pytest.raises(ValueError, match=r"a data set 'x' with other sources: give the same, ch"):
        prepared(tmp_path, other)
    with pytest.raises(ValueError, match="'embedded' is the built-in data set"):
        prepared(tmp_path, plan("embedded", [str(tmp_path / "x.jsonl")]))


def test_an_unfinished_data_set_of_another_plan_is_refused(tmp_path: Path) -> None:
    file = jsonl(tmp_path / "x.jsonl", texts(99))
    unfinished = prepare(plan("x", [file]), tmp_path, workers=1)
    while not next(unfinished).shards:
        pass
    with pytest.raises(ValueError, match="another process is at work in"):
        prepared(tmp_path, plan("x", [file]))
    unfinished.close()
    tokenizer = tokenizer_file(tmp_path, "sentencepiece")
    with pytest.raises(ValueError, match="unfinished data set 'x' with other tokenizer: give"):
        prepared(tmp_path, plan("x", [file], tokenizer))
    jsonl(tmp_path / "x.jsonl", texts(98))
    with pytest.raises(ValueError, match="unfinished data set 'x' with other sources"):
        prepared(tmp_path, plan("x", [file]))


def test_nothing_is_in_the_way_of_a_second_try(tmp_path: Path) -> None:
    broken = tmp_path / "x.jsonl"
    broken.write_text('{"text": "whole"}\n{')
    with pytest.raises(ValueError, match="cannot read"):
        prepared(tmp_path, plan("x", [str(broken)]))
    prepared(tmp_path, plan("x", [jsonl(broken, texts(99))]))


def test_a_data_set_wants_documents_on_both_sides(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="none of 1 documents is held out: give --validation FILE"):
        prepared(tmp_path, plan("x", [jsonl(tmp_path / "x.jsonl", ["one"])]))
    with pytest.raises(ValueError, match="there are no documents"):
        prepared(tmp_path, plan("y", [jsonl(tmp_path / "y.jsonl", [])]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.jsonl", "y.jsonl"]
