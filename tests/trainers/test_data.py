import dataclasses
import json
import math
import multiprocessing
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from trainers.data import (
    EMBEDDED,
    TRAIN,
    VALIDATION,
    Batches,
    _write_data_set,
    bigram_entropy,
    dataset,
    open_tokens,
    prepare_embedded,
    shuffled,
    validation_windows,
)
from trainers.token_files import MANIFEST, DataError, Manifest, token_dtype


def test_the_embedded_corpus_is_the_standard_librarys_text(data_dir: Path) -> None:
    config = dataset(data_dir, EMBEDDED)
    (train,) = open_tokens(data_dir, config, TRAIN)
    (held_out,) = open_tokens(data_dir, config, VALIDATION)
    assert config.vocabulary == 256
    assert 10 < len(train) / len(held_out) < 30
    assert b"import " in train[:100_000].tobytes()
    assert len(held_out) > 128 * 512


def test_preparing_again_only_reads_the_manifest(data_dir: Path) -> None:
    before = {p.name: p.stat().st_mtime_ns for p in (data_dir / EMBEDDED).iterdir()}
    assert prepare_embedded(data_dir) == dataset(data_dir, EMBEDDED)
    assert {p.name: p.stat().st_mtime_ns for p in (data_dir / EMBEDDED).iterdir()} == before


def test_processes_may_prepare_at_the_same_time(tmp_path: Path, data_dir: Path) -> None:
    with multiprocessing.get_context("fork").Pool(3) as pool:
        configs = pool.map(prepare_embedded, [tmp_path] * 3)
    assert configs == [dataset(data_dir, EMBEDDED)] * 3
    assert [p.name for p in tmp_path.iterdir()] == [EMBEDDED]


def test_unknown_data_sets_are_refused_by_name(data_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown data set 'c4' in .*; known: embedded"):
        dataset(data_dir, "c4")


def _alter(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[1000] ^= 1
    file.write_bytes(content)


def _truncate(file: Path) -> None:
    with file.open("r+b") as opened:
        opened.truncate(1000)


DAMAGES: Mapping[str, Callable[[Path], None]] = {
    "is missing": Path.unlink,
    "is truncated or not whole: 1,000 bytes instead of ": _truncate,
    "has been altered: its SHA-256 is not the manifest's": _alter,
}


@pytest.mark.parametrize("message", DAMAGES)
@pytest.mark.parametrize("part", [TRAIN, VALIDATION])
def test_a_damaged_file_is_one_clear_error(
    message: str, part: str, data_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_dir / EMBEDDED, tmp_path / EMBEDDED)
    config = dataset(tmp_path, EMBEDDED)
    assert open_tokens(tmp_path, config, TRAIN)
    DAMAGES[message](tmp_path / EMBEDDED / part)
    # It was whole a moment ago, and read in this process: that is not taken for granted.
    with pytest.raises(ValueError, match=f"'{part}' of data set 'embedded' {message}"):
        open_tokens(tmp_path, config, TRAIN)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read"), ("{}", "cannot be read"), (None, "has been altered")],
)
def test_a_manifest_that_is_none_is_refused(
    text: str | None, message: str, data_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_dir / EMBEDDED, tmp_path / EMBEDDED)
    manifest = json.loads((tmp_path / EMBEDDED / MANIFEST).read_text())
    altered = json.dumps(manifest | {"files": {}}) if text is None else text
    (tmp_path / EMBEDDED / MANIFEST).write_text(altered)
    with pytest.raises(ValueError, match=f"manifest.json of data set 'embedded' {message}"):
        dataset(tmp_path, EMBEDDED)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("vocabulary", "256", "must have a vocabulary from 1 to 2[*][*]32, but has '256'"),
        ("vocabulary", 0, "must have a vocabulary from 1 to 2[*][*]32, but has 0"),
        ("tokens", {}, "must have the tokens of each of its files"),
        ("tokens", [1], "must have the tokens of each of its files"),
    ],
)
def test_a_manifest_says_what_its_hash_does_not_cover(
    field: str, value: object, message: str, data_dir: Path, tmp_path: Path
) -> None:
    shutil.copytree(data_dir / EMBEDDED, tmp_path / EMBEDDED)
    path = tmp_path / EMBEDDED / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(DataError, match=f"manifest.json of data set 'embedded' {message}"):
        dataset(tmp_path, EMBEDDED)


@pytest.mark.parametrize("name", ["./embedded", "..", "embedded/", "", "x" * 65])
def test_a_name_is_never_a_path(name: str, data_dir: Path) -> None:
    with pytest.raises(ValueError, match=r"unknown data set .*; known: embedded"):
        dataset(data_dir, name)


def test_tokens_take_as_many_bytes_as_the_vocabulary_needs() -> None:
    sizes = {256: 1, 257: 2, 32_128: 2, 65_536: 2, 65_537: 4}
    assert {v: token_dtype(v).itemsize for v in sizes} == sizes


def test_shards_come_in_the_order_of_their_numbers() -> None:
    names = ["validation.bin", "train-00010.bin", "train-00002.bin", "trainer-00001.bin"]
    manifest = Manifest(sha256="", vocabulary=2, files=dict.fromkeys(names, ""), tokens={})
    assert manifest.shards(TRAIN) == ["train-00002.bin", "train-00010.bin"]


def test_another_version_of_a_data_set_is_refused(data_dir: Path) -> None:
    config = dataclasses.replace(dataset(data_dir, EMBEDDED), sha256="0" * 64)
    with pytest.raises(ValueError, match="is not the one that was asked for"):
        open_tokens(data_dir, config, TRAIN)


@pytest.mark.parametrize("size", [1, 2, 3, 16, 17, 1000, 4097])
def test_an_epoch_is_a_permutation(size: int) -> None:
    position = np.arange(2 * size, dtype=np.uint64)
    order = shuffled(position, size, np.full(2 * size, 5, np.uint64)).tolist()
    assert sorted(order[:size]) == sorted(order[size:]) == list(range(size))


def test_epochs_and_seeds_have_their_own_order() -> None:
    position = np.arange(2000, dtype=np.uint64)
    orders = [shuffled(position, 1000, np.full(2000, seed, np.uint64)) for seed in (0, 1)]
    pieces = [order[i : i + 1000] for order in orders for i in (0, 1000)]
    for i, first in enumerate(pieces):
        for second in pieces[:i]:
            # Two random orders agree at one place on average.
            assert np.sum(first == second) < 12
    assert abs(np.corrcoef(position[:1000], pieces[0])[0, 1]) < 0.1


def test_batches_are_a_function_of_seed_and_step() -> None:
    tokens = np.arange(1000, dtype=np.uint8)
    stack = Batches([tokens], [4, 9, 4], batch_size=3, window=10)
    alone = Batches([tokens], [9], batch_size=3, window=10)
    for step in (1, 2, 40):
        batch = stack.batch(step)
        assert batch.shape == (3, 3, 10)
        assert batch.dtype == np.int64
        assert np.array_equal(batch[0], batch[2])
        assert np.array_equal(batch[1], alone.batch(step)[0])
        assert not np.array_equal(batch[0], batch[1])


def test_an_epoch_reads_every_window_once() -> None:
    tokens = np.repeat(np.arange(12, dtype=np.uint8), 5)
    batches = Batches([tokens], [1], batch_size=4, window=5)
    read = np.concatenate([batches.batch(step)[0] for step in (1, 2, 3)])
    assert sorted(read[:, 0].tolist()) == list(range(12))
    assert (read == read[:, :1]).all()


def test_an_epoch_over_several_shards_reads_every_window_of_each_once() -> None:
    shards = [np.arange(i * 100, i * 100 + size, dtype=np.uint16) for i, size in enumerate(SIZES)]
    expected = [shard[i : i + 5].tolist() for shard in shards for i in range(0, len(shard) - 4, 5)]
    batches = Batches(shards, [3, 4], batch_size=5, window=5)
    read = np.concatenate([batches.batch(step) for step in range(1, len(expected) // 5 + 1)], 1)
    assert len(expected) % 5 == 0
    for slot in range(2):
        assert sorted(read[slot].tolist()) == expected
    assert read[0].tolist() != read[1].tolist()


SIZES = (22, 4, 30, 0, 25)
"""A shard shorter than a window and an empty one among them."""


def test_where_the_text_is_cut_in_shards_does_not_change_the_batches() -> None:
    text = np.arange(600, dtype=np.uint16)
    whole = Batches([text], [7, 8], batch_size=4, window=10)
    cut = Batches([text[:50], text[50:400], text[400:]], [7, 8], batch_size=4, window=10)
    for step in (1, 2, 30):
        assert np.array_equal(whole.batch(step), cut.batch(step))
    shards = [text[:50], text[50:]]
    assert np.array_equal(validation_windows(shards, 7, 10), validation_windows([text], 7, 10))


def test_validation_windows_are_spread_over_the_text() -> None:
    tokens = np.arange(100, dtype=np.uint8)
    assert validation_windows([tokens], 2, 10).tolist() == [[*range(10)], [*range(50, 60)]]
    assert len(validation_windows([tokens], 1000, 10)) == 10


def test_a_window_longer_than_the_text_is_refused() -> None:
    with pytest.raises(ValueError, match="a window of 10 tokens is longer than the text of 5"):
        validation_windows([np.zeros(5, np.uint8)], 1, 10)


def test_bigram_entropy_of_texts_that_can_be_solved_by_hand(tmp_path: Path) -> None:
    texts = {"coin": np.random.default_rng(0).integers(0, 2, 100_000), "turns": np.arange(1000) % 2}
    expected = {"coin": math.log(2), "turns": 0.0}
    for name, text in texts.items():
        content = text.astype(np.uint8).tobytes()
        _write_data_set(tmp_path / name, {TRAIN: content, VALIDATION: content})
        config = dataset(tmp_path, name)
        assert bigram_entropy(tmp_path, config) == pytest.approx(expected[name], abs=2e-3)
