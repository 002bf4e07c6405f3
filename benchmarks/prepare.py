"""How fast a core makes tokens of text: the standard library's modules, a SentencePiece model.

The model has 32,000 pieces, as that of the study, and is trained here. Files, reading and hashing
are part of what is measured, in seconds of CPU time. Prints a line, and JSON on the last one.
"""

import io
import json
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sentencepiece import SentencePieceTrainer

from sweeper.datasets.prepare import Plan, prepare
from sweeper.datasets.sources import find_sources
from sweeper.datasets.tokenizers import find_tokenizer

PIECES = 32_000
TEXT_BYTES = 12 * 2**20
COPIES = 4


def modules() -> Iterator[str]:
    """Texts of modules, up to `TEXT_BYTES`."""
    total = 0
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if total > TEXT_BYTES:
            return
        text = path.read_text(encoding="utf-8", errors="replace")
        total += len(text)
        yield text


def model(texts: list[str]) -> bytes:
    """A SentencePiece model of these texts."""
    written = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=(line for text in texts for line in text.splitlines()),
        model_writer=written,
        vocab_size=PIECES,
        byte_fallback=True,
        num_threads=1,
        minloglevel=2,
    )
    return written.getvalue()


def measured(folder: Path) -> dict[str, float]:
    """Text and CPU time of one worker."""
    texts = list(modules())
    (folder / "pieces.model").write_bytes(model(texts))
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (folder / "train.jsonl").write_text(lines * COPIES, encoding="utf-8")
    (folder / "held_out.jsonl").write_text(lines[: lines.index("\n") + 1], encoding="utf-8")
    plan = Plan(
        name="measured",
        sources=find_sources([str(folder / "train.jsonl")], [str(folder / "held_out.jsonl")]),
        tokenizer=find_tokenizer(str(folder / "pieces.model")),
    )
    started = time.process_time()
    *_, last = prepare(plan, folder, workers=1)
    cpu_s = time.process_time() - started
    megabytes = last.text_bytes / 1e6
    return {"text_mb": megabytes, "cpu_s": cpu_s, "mb_per_core_minute": 60 * megabytes / cpu_s}


def main() -> None:
    """Measures once."""
    with tempfile.TemporaryDirectory() as folder:
        found = measured(Path(folder))
    print(f"{found['mb_per_core_minute']:,.0f} MB of text a minute and core")
    print(json.dumps(found))


if __name__ == "__main__":
    main()
