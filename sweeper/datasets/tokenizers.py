"""Tokenizers: bytes, SentencePiece models, and `tokenizer.json` files, also from the hub."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

VOCABULARY_MULTIPLE = 128
"""Token tables are padded to this: matrix products of such widths are faster on a GPU."""

END_OF_TEXT = ("</s>", "<|endoftext|>", "<|end_of_text|>", "<eos>", "[SEP]")
"""What ends a document in a `tokenizer.json`, which does not say so: the first that it has."""

Encode = Callable[[Sequence[str]], list[NDArray[Any]]]


@dataclass(frozen=True, kw_only=True)
class TokenizerFile:
    """A tokenizer that can be sent to another process: its kind, and the content of its file."""

    name: str
    kind: str
    content: bytes

    @property
    def sha256(self) -> str:
        """Of the kind and the content."""
        return hashlib.sha256(self.kind.encode() + b"\0" + self.content).hexdigest()


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """Texts to tokens, without special ones. `size` counts tokens, unpadded."""

    size: int
    end_of_text: int
    encode: Encode
    decode: Callable[[Sequence[int]], str]

    @property
    def vocabulary(self) -> int:
        """Rows of a token table, padded."""
        return -(-self.size // VOCABULARY_MULTIPLE) * VOCABULARY_MULTIPLE


def find_tokenizer(name: str) -> TokenizerFile:
    """What `bytes`, a file, or a name on the hub stands for; raises ValueError for all else."""
    path = Path(name)
    if name == "bytes":
        found = TokenizerFile(name=name, kind="bytes", content=b"")
    elif path.is_file():
        kind = "tokenizer.json" if path.suffix == ".json" else "sentencepiece"
        found = TokenizerFile(name=path.name, kind=kind, content=path.read_bytes())
    elif path.suffix in (".json", ".model"):
        raise ValueError(f"there is no tokenizer file {name}")
    else:
        found = TokenizerFile(name=name, kind="tokenizer.json", content=_from_hub(name))
    load(found)
    return found


def load(file: TokenizerFile) -> Tokenizer:
    """The tokenizer of a file; raises ValueError if it cannot be used."""
    return _LOADERS[file.kind](file)


def _bytes(file: TokenizerFile) -> Tokenizer:
    del file
    # 255 does not occur in UTF-8, so it can end a text without another token.
    return Tokenizer(
        size=256,
        end_of_text=255,
        encode=lambda texts: [np.frombuffer(text.encode(), np.uint8) for text in texts],
        decode=lambda tokens: bytes(tokens).decode(),
    )


def _sentencepiece(file: TokenizerFile) -> Tokenizer:
    from sentencepiece import SentencePieceProcessor

    try:
        model = SentencePieceProcessor(model_proto=file.content)
    except RuntimeError as error:
        raise ValueError(f"{file.name} is not a SentencePiece model") from error
    if model.eos_id() < 0:
        raise ValueError(f"the SentencePiece model {file.name} has no end-of-text piece")
    return Tokenizer(
        size=model.get_piece_size(),
        end_of_text=model.eos_id(),
        encode=lambda texts: model.encode(list(texts), return_type="numpy", num_threads=1),
        decode=lambda tokens: str(model.decode(list(tokens))),
    )


def _tokenizer_json(file: TokenizerFile) -> Tokenizer:
    from tokenizers import Tokenizer as Model

    try:
        model = Model.from_buffer(file.content)
    except Exception as error:  # The library raises nothing narrower.
        raise ValueError(f"{file.name} is not a tokenizer.json: {error}") from error
    # Some files carry the settings of a model's input, which would cut or fill documents.
    model.no_truncation()
    model.no_padding()
    # A text that mentions "</s>" does not end there.
    model.encode_special_tokens = True
    return Tokenizer(
        # Not their number: the ids may have holes.
        size=max(model.get_vocab().values()) + 1,
        end_of_text=_end_of_text(file.name, model.token_to_id),
        encode=lambda texts: [
            np.array(found.ids)
            for found in model.encode_batch_fast(list(texts), add_special_tokens=False)
        ],
        decode=lambda tokens: str(model.decode(list(tokens), skip_special_tokens=False)),
    )


_LOADERS: Mapping[str, Callable[[TokenizerFile], Tokenizer]] = {
    "bytes": _bytes,
    "sentencepiece": _sentencepiece,
    "tokenizer.json": _tokenizer_json,
}


def _end_of_text(name: str, token_to_id: Callable[[str], int | None]) -> int:
    for token in END_OF_TEXT:
        if (found := token_to_id(token)) is not None:
            return found
    raise ValueError(f"{name} has no end-of-text token; known: {', '.join(END_OF_TEXT)}")


# Not exercised: there was no hub to try it on.
def _from_hub(name: str) -> bytes:
    from tokenizers import Tokenizer as Model

    try:
        return Model.from_pretrained(name).to_str().encode()
    except Exception as error:  # The library raises nothing narrower.
        raise ValueError(
            f"unknown tokenizer '{name}': neither `bytes`, nor a file, nor to be had from the hub"
        ) from error
