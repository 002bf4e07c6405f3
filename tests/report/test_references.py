"""Sources as BibTeX: every built-in optimizer's is known."""

import re

from sweeper.report.references import ALWAYS, MARIN, MUP, bibtex, cited
from trainers.optimizers import REGISTRY

EVERYTHING = (*ALWAYS, MARIN, MUP, *(entry.source for entry in REGISTRY.values()))


def test_the_source_of_every_built_in_optimizer_is_known() -> None:
    text = bibtex(EVERYTHING)
    assert "no entry" not in text
    keys = re.findall(r"^@\w+\{(\w+),$", text, flags=re.MULTILINE)
    assert len(keys) == len(set(keys)) == len(set(EVERYTHING))
    assert text.count("{") == text.count("}")


def test_entries_are_whole() -> None:
    entries = re.findall(r"^@.*?^\}\n", bibtex(EVERYTHING), flags=re.MULTILINE | re.DOTALL)
    assert len(entries) == len(set(EVERYTHING))
    for entry in entries:
        assert {"title", "author", "year"} <= set(re.findall(r"(\w+) = \{", entry))
        assert "and others" not in entry
        for number in re.findall(r"eprint = \{(.+?)\}", entry):
            assert f"url = {{https://arxiv.org/abs/{number}}}" in entry


def test_a_sweep_cites_what_it_rests_on() -> None:
    assert cited({"optimizers": ["adamw"]}, ["a"]) == (*ALWAYS, "a")
    assert cited({"base": {"parameterisation": "mup"}, "optimizers": []}, []) == (*ALWAYS, MUP)
    own = {"optimizers": ["lion", {"name": "adamw", "parameterisation": "mup"}]}
    assert cited(own, []) == (*ALWAYS, MUP)
    assert cited({"imported_from": "Marin adamw 130m"}, []) == (*ALWAYS, MARIN)
    assert cited({"imported_from": "table 3 of arXiv 2505.21829"}, [])[2:] == ("arXiv 2505.21829",)
    assert cited({"imported_from": None}, []) == ALWAYS


def test_others_are_named_as_missing() -> None:
    assert bibtex(["", "a blog"]) == "% no entry is known for: a blog\n"
