"""The commands on data sets, on files."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import environment, only_line, run_sweeper
from tests.datasets.builders import jsonl, texts, tokenizer_file


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    return run_sweeper("data", *arguments, cwd=cwd)


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    """A folder whose home has the data set `words`."""
    file, held_out = jsonl(tmp_path / "x.jsonl", texts(50)), jsonl(tmp_path / "v.jsonl", ["end"])
    tokenizer = tokenizer_file(tmp_path, "sentencepiece")
    options = ["--name", "words", "--tokenizer", tokenizer, "--validation", held_out]
    shown = run("prepare", file, *options, cwd=tmp_path)
    assert (shown.returncode, shown.stdout) == (0, "")
    assert "prepared 'words'" in shown.stderr
    return tmp_path


def test_what_was_prepared_is_listed_and_whole(prepared: Path) -> None:
    shown = run("ls", "--json", cwd=prepared)
    words = {item["name"]: item for item in json.loads(shown.stdout)}
    assert list(words) == ["embedded", "words"]
    assert (words["words"]["vocabulary"], words["words"]["tokenizer"]) == (384, "tokenizer.model")
    assert "tokenizer.model" in run("ls", cwd=prepared).stdout
    verified = run("verify", "words", "--json", cwd=prepared)
    assert (verified.returncode, json.loads(verified.stdout)) == (0, words["words"])
    assert run("verify", "embedded", cwd=prepared).returncode == 0


@pytest.mark.parametrize("damage", ["is missing", "is truncated", "has been altered"])
def test_a_damaged_data_set_is_one_line(damage: str, prepared: Path) -> None:
    shard = prepared / ".sweeper/datasets/words/train-00000.bin"
    content = shard.read_bytes()
    shard.unlink()
    if damage != "is missing":
        shard.write_bytes(content[:-2] + (b"" if damage == "is truncated" else b"\1\1"))
    shown = run("verify", "words", cwd=prepared)
    assert f"sweeper: 'train-00000.bin' of data set 'words' {damage}" in only_line(shown)
    assert shown.returncode == 2
    (prepared / ".sweeper/datasets/words/manifest.json").write_text("{")
    listed = run("ls", "--json", cwd=prepared)
    assert (listed.returncode, "'words' cannot be read" in listed.stderr) == (2, True)
    assert [item["name"] for item in json.loads(listed.stdout)] == ["embedded"]


BAD = {
    "x.jsonl --name words --tokenizer bytes": "there is a data set 'words' with other sources",
    "x.jsonl --name a/b --tokenizer bytes": "a name must match",
    "y.jsonl --name y --tokenizer bytes": "there is no file or folder y.jsonl",
    "x.jsonl --name y --tokenizer y.model": "there is no tokenizer file y.model",
    "x.jsonl --name y --tokenizer x.jsonl": "x.jsonl is not a SentencePiece model",
    "v.jsonl --name y --tokenizer bytes": "none of 1 documents is left to train on",
    "tokenizer.model --name y --tokenizer bytes": "cannot read",
}


def test_bad_input_is_one_line_and_exit_2(prepared: Path) -> None:
    for arguments, message in BAD.items():
        shown = run("prepare", *arguments.split(), cwd=prepared)
        assert message in only_line(shown)
        assert shown.returncode == 2


def test_a_full_disk_is_one_line_and_the_same_command_goes_on(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk."""
    jsonl(tmp_path / "x.jsonl", texts(3000))
    command = ["data", "prepare", "x.jsonl", "--name", "words", "--tokenizer", "bytes"]
    limited = [
        "bash",
        "-c",
        'ulimit -f 100; exec "$@"',
        "bash",
        sys.executable,
        "-m",
        "sweeper.cli",
    ]
    shown = subprocess.run(
        [*limited, *command], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert "make room, then give the same command again" in only_line(shown)
    assert shown.returncode == 1
    assert run_sweeper(*command, cwd=tmp_path).returncode == 0


def test_an_unknown_data_set_exits_3(tmp_path: Path) -> None:
    shown = run("verify", "c4", cwd=tmp_path)
    assert "unknown data set 'c4' in " in only_line(shown)
    assert shown.returncode == 3
