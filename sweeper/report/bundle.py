"""Everything about a sweep that a paper needs, as files: pure, and the same bytes every time."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import pandas as pd
from jinja2 import Environment, StrictUndefined

from sweeper import export
from sweeper.report import facts
from sweeper.report.references import bibtex, cited

Json = Mapping[str, Any]

SUMS = "SHA256SUMS"
TRIAL = ("trial_id", "optimizer", "scale", "outcome", "final_loss", "diverged_at_step")


@dataclass(frozen=True, kw_only=True)
class Material:
    """What the service answers about a sweep. `figures` are files: plotly JSON, and pictures."""

    sweep: Json
    results: pd.DataFrame
    curves: pd.DataFrame
    stability: pd.DataFrame
    figures: Mapping[str, bytes]
    report: str
    sources: Mapping[str, str]
    """What each optimizer is from, by its name."""


def files(material: Material) -> dict[str, bytes]:
    """The content of every file by its path, the hashes of all others in `SHA256SUMS`."""
    results = material.results
    texts = {
        "README.md": _readme(material),
        "sweep.yaml": facts.specification(material.sweep["spec"]),
        "trials.jsonl": _trials(results),
        "versions.json": _versions(results),
        "references.bib": bibtex(_sources(material)),
        "report.html": material.report,
        "data/results.csv": export.to_csv(results),
        "data/curves.csv": export.to_csv(material.curves),
        "data/stability.csv": export.to_csv(material.stability),
    }
    found = {path: text.encode() for path, text in texts.items()}
    found |= {f"figures/{name}": content for name, content in material.figures.items()}
    sums = [f"{hashlib.sha256(found[path]).hexdigest()}  {path}\n" for path in sorted(found)]
    return found | {SUMS: "".join(sums).encode()}


def _trials(results: pd.DataFrame) -> str:
    """One trial to a line: how it ended, its whole configuration, and where it is from."""
    rows = json.loads(export.to_json(results.drop_duplicates("trial_id")))
    lines = (
        {name: row[name] for name in TRIAL}
        | {name: json.loads(row[name]) if row[name] else None for name in ("config", "provenance")}
        for row in rows
    )
    return "".join(json.dumps(line, sort_keys=True) + "\n" for line in lines)


def _versions(results: pd.DataFrame) -> str:
    """Every fact of the provenance, with the number of trials that have each of its values."""
    found = {fact.name: dict(fact.values) for fact in facts.provenance(results)}
    written = {"sweeper": version("sweeper"), "plotly": version("plotly")}
    return json.dumps({"trials": found, "written_with": written}, indent=2, sort_keys=True) + "\n"


def _sources(material: Material) -> Sequence[str]:
    used = dict.fromkeys(variant["optimizer"] for variant in material.sweep["variants"])
    return cited(material.sweep["spec"], [material.sources.get(name, "") for name in used])


def _readme(material: Material) -> str:
    commonest = {fact.name: fact.values[0][0] for fact in facts.provenance(material.results)}
    is_dirty = commonest.get("git.dirty") == "True"
    template = _environment().from_string(README)
    text: str = template.render(
        sweep=material.sweep,
        figures=[name.removesuffix(".json") for name in material.figures if ".json" in name],
        pictures=any(name.endswith(".svg") for name in material.figures),
        sums=SUMS,
        one=next(iter(material.results.dropna(subset=["outcome"])["trial_id"]), "TRIAL"),
        commonest=commonest,
        dirty="  # and changes that were not committed" if is_dirty else "",
    )
    return text


def _environment() -> Environment:
    return Environment(  # noqa: S701 - Markdown, in which nothing is escaped
        undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )


README = """\
# {{ sweep.name }}

Final loss against `{{ sweep.parameter }}`, sweep `{{ sweep.id }}`: {{ sweep.points.total }} points,
{{ sweep.points.diverged }} of them diverged, {{ sweep.points.failed }} failed.

- `report.html`: all of it as one page, which needs no network
{% for figure in figures %}
- `figures/{{ figure }}.*`: the {{ "heat maps" if figure == "heatmap" else "figure" }}
{%- if pictures %} as SVG, PDF, PNG, and as plotly JSON
{% else %} as plotly JSON; no pictures were drawn
{% endif %}
{% endfor %}
- `data/curves.csv`, `data/stability.csv`: the numbers behind the figure, and those of its curves
- `data/results.csv`: every point with its losses, configuration and provenance
- `trials.jsonl`: every trial's configuration and provenance, one to a line
- `sweep.yaml`: what was asked for
- `versions.json`: code, packages and devices, with the number of trials
- `references.bib`: sources of the optimizers and of the measures
- `{{ sums }}`: `sha256sum -c {{ sums }}` checks all of it

{% if sweep.imported_from %}
The results were imported from {{ sweep.imported_from }} and not trained here. A service takes them
in with

```sh
sweeper import data/results.csv --name again
```
{% else %}
{% if commonest.code is defined %}
Most trials were trained by sweeper {{ commonest.code }} on torch {{ commonest["packages.torch"] }}
({{ commonest.device_class }}).
{% endif %}
To train it all again:

```sh
{% if commonest["git.revision"] is defined %}
git checkout {{ commonest["git.revision"] }}{{ dirty }}
{% endif %}
sweeper serve &
sweeper submit sweep.yaml --wait
sweeper export latest --paper again
```

Where the trials still are, `sweeper reproduce {{ one }}` repeats one of them in the stack that
it was trained in and compares it bit for bit.
{% endif %}
"""
