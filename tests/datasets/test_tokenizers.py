from pathlib import Path

import pytest
from tokenizers import Tokenizer as TokenizerJson
from tokenizers import models

from sweeper.datasets import tokenizers
from sweeper.datasets.tokenizers import Tokenizer, find_tokenizer, load
from tests.datasets.builders import tokenizer_file


def tokenizer(folder: Path, kind: str) -> Tokenizer:
    return load(find_tokenizer(tokenizer_file(folder, kind)))


@pytest.mark.parametrize("kind", ["bytes", "sentencepiece", "json"])
def test_a_text_that_mentions_the_end_of_text_does_not_end(kind: str, tmp_path: Path) -> None:
    chosen = tokenizer(tmp_path, kind)
    text = "a </s> b <|endoftext|> c " + "long " * 50
    (tokens,) = chosen.encode([text])
    assert chosen.end_of_text not in tokens.tolist()
    assert chosen.decode(tokens.tolist()) == text
    assert 0 <= chosen.end_of_text < chosen.size <= chosen.vocabulary


@pytest.mark.parametrize(
    ("size", "vocabulary"), [(256, 256), (257, 384), (32_000, 32_000), (32_100, 32_128)]
)
def test_vocabularies_are_padded_to_a_multiple_of_128(size: int, vocabulary: int) -> None:
    chosen = Tokenizer(size=size, end_of_text=1, encode=lambda texts: [], decode=lambda tokens: "")
    assert chosen.vocabulary == vocabulary


def test_what_is_no_tokenizer_is_one_clear_error(tmp_path: Path) -> None:
    for name in ("x.json", "x.model"):
        with pytest.raises(ValueError, match=f"there is no tokenizer file .*{name}"):
            find_tokenizer(str(tmp_path / name))
        (tmp_path / name).write_text("{}")
    with pytest.raises(ValueError, match=r"x\.json is not a tokenizer\.json"):
        find_tokenizer(str(tmp_path / "x.json"))
    with pytest.raises(ValueError, match=r"x\.model is not a SentencePiece model"):
        find_tokenizer(str(tmp_path / "x.model"))


def test_a_tokenizer_json_without_end_of_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tokenizer.json"
    TokenizerJson(models.BPE(vocab={"a": 0}, merges=[])).save(str(path))
    with pytest.raises(ValueError, match="has no end-of-text token; known: </s>"):
        find_tokenizer(str(path))


def test_the_identity_of_a_tokenizer_is_its_content(tmp_path: Path) -> None:
    first = find_tokenizer(tokenizer_file(tmp_path, "sentencepiece"))
    (tmp_path / "other").mkdir()
    assert find_tokenizer(tokenizer_file(tmp_path / "other", "sentencepiece")) == first
    assert find_tokenizer("bytes").sha256 != first.sha256


def test_a_tokenizer_of_the_hub_with_the_numbers_of_t5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its file is made here, of the same shape: the hub itself is not reached."""
    pieces = ["<pad>", "</s>", "<unk>", *(f"piece{n}" for n in range(32_097))]
    model = TokenizerJson(models.Unigram([(piece, 0.0) for piece in pieces], 2, False))
    monkeypatch.setattr(tokenizers, "_from_hub", lambda name: model.to_str().encode())
    chosen = load(find_tokenizer("t5-base"))
    assert (chosen.size, chosen.end_of_text, chosen.vocabulary) == (32_100, 1, 32_128)
