"""The section of a sweep's page that sets its variants side by side: texts in tables. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from api.pages import words
from api.pages.cells import Cell, Column, Fold, Table, estimate, heading, three
from api.pages.comparison_folds import compute, pairs, sentence, shapes, sizes
from sweeper.analysis.compare import ComparedVariant, Comparison
from sweeper.comparing import MOST_CURVES


@dataclass(frozen=True, kw_only=True)
class ComparisonSection:
    """The section: a sentence, or a table with its explanation and what is folded away."""

    sentence: str = ""
    summary: Table | None = None
    notes: Sequence[str] = ()
    folds: Sequence[Fold] = ()


WAITING = ComparisonSection(
    sentence="Drawn up when all points are finished: a test that is repeated on the way finds "
    "differences that are not there."
)


TOO_MANY = ComparisonSection(
    sentence=f"More than {MOST_CURVES} curves: too many to judge in pairs. "
    "The tables and downloads have them all."
)


def comparison_section(found: Comparison) -> ComparisonSection:
    """The section of a sweep that has ended."""
    return ComparisonSection(
        summary=_summary(found),
        notes=_notes(found),
        folds=[
            *pairs(found),
            compute(found),
            shapes(found),
            *sizes(found),
        ],
    )


def _summary(found: Comparison) -> Table:
    window = "" if found.half_width is None else f"best ± {found.half_width:.2g} {found.unit}"
    columns = [
        Column(title="Curve", number=False),
        Column(title="Scale", number=False),
        Column(title="Held-out loss", small="95 % interval"),
        Column(title="Best of the grid", small="biased low"),
        Column(title="Optimum", small="95 % interval"),
        Column(title="Sensitivity", small=window),
        Column(title="Against the best", number=False),
    ]
    rows = [
        [
            *heading(variant),
            estimate(variant.estimates.heldout_loss, words.loss),
            estimate(variant.estimates.best_loss, words.loss, interval=False),
            estimate(variant.estimates.optimum_value, words.rounded),
            estimate(variant.estimates.sensitivity_centred.loss, three),
            Cell(text=_against_the_best(variant, found), number=False),
        ]
        for variant in found.variants
    ]
    return Table(caption="Variants with their intervals", columns=columns, rows=rows)


def _against_the_best(variant: ComparedVariant, found: Comparison) -> str:
    """The verdict against the variant of the scale with the lowest held-out loss."""
    losses = {
        other.name: loss
        for other in found.variants
        if other.scale == variant.scale and (loss := other.estimates.heldout_loss.value) is not None
    }
    if not losses:
        return "one seed: no verdict" if variant.estimates.seeds < 2 else "not known yet"
    best = min(losses, key=lambda name: losses[name])
    if variant.name == best:
        return "lowest held-out loss"
    pair = next(pair for pair in found.pairs if {pair.first, pair.second} == {variant.name, best})
    return sentence(pair.at_optimum, turned=pair.first == best)


def _notes(found: Comparison) -> list[str]:
    notes = [
        "Held-out loss: the value is chosen on all seeds but one and judged on that one, in turn. "
        "The best of the grid was chosen for being low, so it promises too much.",
        f"Equivalent: certainly within {found.margin:g} nats. Better and worse: paired t-tests "
        "over seeds, corrected for the number of pairs (Holm), at 5 %.",
    ]
    if all(variant.estimates.seeds < 2 for variant in found.variants):
        notes.append("With one seed there is no spread, and so no interval and no verdict.")
    return notes
