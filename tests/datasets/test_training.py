"""A prepared data set trains, and a damaged one does not."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import InvalidRequest
from sweeper.service import Service
from sweeper.storage.store import Store
from tests.datasets.builders import jsonl, plan, prepared, texts, tokenizer_file
from tests.sweeps import body
from trainers.__main__ import main
from trainers.data import TRAIN, dataset, open_tokens


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """A folder with the data set `words`: SentencePiece tokens in several shards."""
    file = jsonl(tmp_path / "x.jsonl", texts(600))
    tokenizer = tokenizer_file(tmp_path, "sentencepiece")
    prepared(tmp_path / "datasets", plan("words", [file], tokenizer))
    return tmp_path / "datasets"


def one_run(**changes: Any) -> dict[str, Any]:
    return body(axis={"parameter": "lr", "values": [0.01]}, **changes)


def test_a_model_learns_from_several_shards(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(open_tokens(data_dir, dataset(data_dir, "words"), TRAIN)) > 5
    arguments = ["--data", "words", "--data-dir", str(data_dir), "--steps", "60", "--json"]
    assert main(arguments) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])["result"]
    assert result["outcome"] == "finite"
    assert result["initial_loss"] > math.log(200)
    assert result["final_loss"] < 3.5


def test_a_sweep_names_its_data_set_and_is_another_one_with_another_text(
    data_dir: Path, sqlite_store: Store, tmp_path: Path
) -> None:
    service = Service(sqlite_store, data_dir)
    asked = one_run(data="words")
    assert (service.submit(asked).new, service.submit(asked).new) == (1, 0)
    (trial_id,) = service.results(service.sweeps().items[0].id)["trial_id"]
    config = service.trial(trial_id).config
    assert config["data"]["sha256"] == dataset(data_dir, "words").sha256
    assert config["model"]["vocabulary"] == config["data"]["vocabulary"] == 384
    (data_dir / "words").rename(tmp_path / "old")
    prepared(data_dir, plan("words", [jsonl(tmp_path / "y.jsonl", texts(600, seed=2))]))
    assert service.submit(asked).new == 1


def test_a_damaged_data_set_is_refused_before_anything_is_stored(
    data_dir: Path, sqlite_store: Store
) -> None:
    service = Service(sqlite_store, data_dir)
    service.preview(body(data="words"))
    shard = data_dir / "words" / "train-00003.bin"
    shard.write_bytes(shard.read_bytes()[:-1])
    for ask in (service.submit, service.preview):
        with pytest.raises(InvalidRequest, match=r"^/data: 'train-00003\.bin' of data set 'words'"):
            ask(body(data="words"))
    (data_dir / "words" / "manifest.json").write_text("{")
    with pytest.raises(InvalidRequest, match=r"^/data: manifest\.json of data set 'words' cannot"):
        service.submit(body(data="words"))
    assert service.sweeps().items == ()
    assert set(service.datasets()) == {"embedded"}
    assert service.submit(one_run()).new == 1


def test_a_data_set_that_is_shorter_than_a_window_is_refused(
    data_dir: Path, sqlite_store: Store
) -> None:
    service = Service(sqlite_store, data_dir)
    assert service.submit(one_run(data="words")).new == 1
    with pytest.raises(
        InvalidRequest, match=r"^/data: windows of 512 tokens are read, but no "
    ) as e:
        service.submit(one_run(data="words", scales=["nano", "150m"]))
    assert "scales with shorter windows: nano" in str(e.value)


def test_the_trainer_refuses_a_damaged_data_set_in_one_line(
    data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (data_dir / "words" / "validation-00001.bin").unlink()
    assert main(["--data", "words", "--data-dir", str(data_dir), "--steps", "5"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "'validation-00001.bin' of data set 'words' is missing; restore it" in line
