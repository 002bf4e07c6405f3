"""BibTeX of the sources that are known, found by what an optimizer calls its source."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

ALWAYS = ("arXiv 2407.07972", "arXiv 2309.14322")
"""The study that the defaults are from, and the measure of sensitivity."""
MARIN = "arXiv 2509.02046"
MUP = "arXiv 2203.03466"

_ARXIV = re.compile(r"\barXiv \d{4}\.\d{5}\b")
_KEYS = re.compile(r"(?:eprint|note) = \{([^}]+)\}")


def cited(spec: Mapping[str, Any], optimizers: Iterable[str]) -> tuple[str, ...]:
    """What a sweep rests on, from its specification and the sources that its optimizers name."""
    settings = [spec.get("base") or {}, *spec.get("optimizers", ())]
    mup = any(isinstance(s, Mapping) and s.get("parameterisation") == "mup" for s in settings)
    imported_from = spec.get("imported_from") or ""
    published = [MARIN] if imported_from.startswith("Marin ") else _ARXIV.findall(imported_from)
    return (*ALWAYS, *published, *[MUP] * mup, *optimizers)


def bibtex(sources: Iterable[str]) -> str:
    """The entries of these sources, each once, in their order; comments for those not known."""
    entries = _entries()
    wanted = dict.fromkeys(source for source in sources if source)
    known = [entries[source] for source in wanted if source in entries]
    missing = [f"% no entry is known for: {source}\n" for source in wanted if source not in entries]
    return "".join((*known, *missing))


@cache
def _entries() -> dict[str, str]:
    """Entries by source: `arXiv 2407.07972`, or what their note repeats."""
    text = (Path(__file__).parent / "references.bib").read_text(encoding="utf-8")
    found = {}
    for entry in re.findall(r"^@.*?^\}\n", text, flags=re.MULTILINE | re.DOTALL):
        (key,) = _KEYS.findall(entry)
        found[f"arXiv {key}" if re.fullmatch(r"\d{4}\.\d{5}", key) else key] = entry
    return found
