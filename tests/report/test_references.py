"""Sources as BibTeX: every built-in optimizer's is known."""

import re

from sweeper.report.references import ALWAYS, MARIN, bibtex
from trainers.optimizers import REGISTRY


def test_the_source_of_every_built_in_optimizer_is_known() -> None:
    sources = [entry.source for entry in REGISTRY.values()]
    text = bibtex([*ALWAYS, MARIN, *sources])
    assert "no entry" not in text
    keys = re.findall(r"^@\w+\{(\w+),$", text, flags=re.MULTILINE)
    assert len(keys) == len(set(keys)) == len({*ALWAYS, MARIN, *sources})
    assert text.count("{") == text.count("}")


def test_entries_are_whole() -> None:
    sources = [entry.source for entry in REGISTRY.values()]
    text = bibtex([*ALWAYS, MARIN, *sources])
    for entry in re.findall(r"^@.*?^\}\n", text, flags=re.MULTILINE | re.DOTALL):
        assert {"title", "author", "year"} <= set(re.findall(r"(\w+) = \{", entry))
        assert "and others" not in entry
        for number in re.findall(r"eprint = \{(.+?)\}", entry):
            assert f"url = {{https://arxiv.org/abs/{number}}}" in entry


def test_others_are_named_as_missing() -> None:
    assert bibtex(["", "a blog"]) == "% no entry is known for: a blog\n"
