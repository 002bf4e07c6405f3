"""The report of a sweep: one page that needs nothing else, to read, to print and to keep."""

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from sweeper.analysis.curves import Curve
from sweeper.analysis.stability import Stability
from sweeper.plots import style
from sweeper.report import facts
from sweeper.report.references import bibtex, cited
from sweeper.search.rounds import Searched
from sweeper.storage.records import SweepRecord
from trainers.optimizers import names, registered

DASH = "\N{EN DASH}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of a report; `figure` is HTML with its scripts, and only a search has `searched`."""

    sweep: SweepRecord
    curves: Sequence[tuple[Curve, Stability]]
    searched: Sequence[Searched]
    figure: str
    points: pd.DataFrame
    trials: pd.DataFrame


def sources(sweep: SweepRecord) -> tuple[str, ...]:
    """What to cite: what the sweep rests on, and what each optimizer names."""
    used = dict.fromkeys(variant.optimizer for variant in sweep.variants)
    return cited(sweep.spec, [registered(name).source for name in used if name in names()])


def render(report: Report) -> str:
    """The page. It allows no script but its own and contacts nobody; equal reports, equal bytes."""
    page: str = _template().render(
        sweep=report.sweep,
        curves=report.curves,
        searched=report.searched,
        figure=report.figure,
        specification=facts.specification(report.sweep.spec),
        configuration=facts.configuration(report.points),
        provenance=facts.provenance(report.points),
        diverged=facts.diverged(report.points),
        failed=facts.failed(report.points, report.trials),
        references=bibtex(sources(report.sweep)),
        written_with=f"sweeper {version('sweeper')}, plotly {version('plotly')}",
    )
    return page.replace("SCRIPT-HASHES", " ".join(_script_hashes(page)), 1)


def _script_hashes(page: str) -> list[str]:
    """What a content security policy calls each script of a page."""
    scripts = re.findall(r"<script[^>]*>(.*?)</script>", page, flags=re.DOTALL)
    digests = [hashlib.sha256(script.encode()).digest() for script in scripts]
    return [f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests]


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"value": _value, "rounded": _rounded, "loss": _loss, "width": _width}
    return environment.get_template("report.html")


def _value(number: float | None) -> str:
    return DASH if number is None else style.short(number)


def _rounded(number: float | None) -> str:
    """An interpolated value: three digits, as many as a grid has."""
    return DASH if number is None else style.short(float(f"{number:.2e}"))


def _loss(number: float | None) -> str:
    return DASH if number is None else f"{number:.4f}"


def _width(number: float | None) -> str:
    return DASH if number is None else f"{number:.2f}"
