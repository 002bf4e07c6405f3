"""The section of a sweep's page that sets its variants side by side: texts in tables. Pure."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from api.pages import words
from sweeper.analysis.compare import ComparedVariant, Comparison
from sweeper.analysis.edges import StableEdge
from sweeper.analysis.estimates import BasinEstimate, Estimate
from sweeper.analysis.pairs import ComparedPair, Criterion
from sweeper.analysis.transfer import Transfer
from sweeper.analysis.verdict import Judgement
from sweeper.comparing import MOST_CURVES

SHOWN_PAIRS = 200

_TURNED = {Judgement.BETTER: Judgement.WORSE, Judgement.WORSE: Judgement.BETTER}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A text, what stands small beside it, and why there is none."""

    text: str
    beside: str = ""
    reason: str = ""
    number: bool = True


@dataclass(frozen=True, kw_only=True)
class Column:
    """A heading, and its unit or what it means."""

    title: str
    small: str = ""
    number: bool = True


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells in rows; the first one of each row is its heading."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]


@dataclass(frozen=True, kw_only=True)
class Fold:
    """A table that is folded away; `id` tells the address whether it is open."""

    id: str
    title: str
    hint: str
    tables: Sequence[Table]
    figure: bool = False


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
            *_pairs(found),
            _compute(found),
            _shapes(found),
            *_sizes(found),
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
            *_heading(variant),
            _estimate(variant.estimates.heldout_loss, words.loss),
            _estimate(variant.estimates.best_loss, words.loss, interval=False),
            _estimate(variant.estimates.optimum_value, words.rounded),
            _estimate(variant.estimates.sensitivity_centred.loss, _three),
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
    return _sentence(pair.at_optimum, turned=pair.first == best)


def _sentence(criterion: Criterion, *, turned: bool = False) -> str:
    verdict = criterion.verdict
    if not turned or verdict.judgement not in _TURNED:
        return verdict.sentence
    return verdict.sentence.replace(verdict.judgement, _TURNED[verdict.judgement], 1)


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


def _pairs(found: Comparison) -> Iterable[Fold]:
    if not found.pairs:
        return
    shown = found.pairs[:SHOWN_PAIRS]
    columns = [
        Column(title="Curve", number=False),
        Column(title="At its optimum", number=False),
        Column(title="Against", number=False),
        Column(title="Scale", number=False),
        Column(title="Difference", small="nats, 95 % interval"),
        Column(title="Effect", small="deviations"),
        Column(title="p", small="after Holm"),
        Column(title="Over the window", number=False),
    ]
    count = words.count(len(found.pairs))
    yield Fold(
        id="pairs",
        title="All pairs",
        hint=count if len(shown) == len(found.pairs) else f"first {len(shown)} of {count}",
        tables=[
            Table(
                caption="Verdicts on all pairs of variants",
                columns=columns,
                rows=[_pair(p) for p in shown],
            )
        ],
    )


def _pair(pair: ComparedPair) -> list[Cell]:
    test, verdict = pair.at_optimum.test, pair.at_optimum.verdict
    difference = Estimate(value=test.difference, low=test.low, high=test.high, reason=test.reason)
    return [
        Cell(text=pair.first, number=False),
        Cell(text=verdict.sentence, number=False),
        Cell(text=pair.second, number=False),
        Cell(text=pair.scale, number=False),
        _estimate(difference, _signed),
        Cell(text=words.DASH if test.effect is None else _two(test.effect)),
        Cell(text=words.DASH if verdict.p_holm is None else f"{verdict.p_holm:.2g}"),
        Cell(text=pair.over_window.verdict.sentence, number=False),
    ]


def _compute(found: Comparison) -> Fold:
    columns = [
        Column(title="Curve", number=False),
        Column(title="Scale", number=False),
        Column(title="Steps"),
        Column(title="Tokens"),
        Column(title="Operations", small="share of the optimizer"),
        Column(title="Device time"),
        Column(title="State", small="bytes"),
        Column(title="Loss", small="at equal operations"),
        Column(title="Loss", small="at equal time"),
        Column(title="Speed-up", small="steps to the target"),
        Column(title="Speed-up", small="operations"),
        Column(title="Speed-up", small="time"),
    ]
    rows = [
        [
            *_heading(v),
            Cell(text=_large(v.spent.steps)),
            Cell(text=_large(v.spent.tokens)),
            Cell(text=_large(v.spent.flops), beside=_percent(v.spent.optimizer_share)),
            Cell(text=words.duration(v.spent.seconds)),
            Cell(text=_large(v.spent.state_bytes)),
            Cell(text=words.loss(v.spent.loss_at_equal.get("flops"))),
            Cell(text=words.loss(v.spent.loss_at_equal.get("seconds"))),
            *(
                Cell(text=words.short(v.spent.speed_up.get(resource)))
                for resource in ("steps", "flops", "seconds")
            ),
        ]
        for v in found.variants
    ]
    baselines = [*found.baselines.values()]
    against = baselines[0] if len(baselines) == 1 else "the first curve of each scale"
    tables = [Table(caption="What the best runs used", columns=columns, rows=rows)]
    tables += _tokens(found)
    return Fold(id="compute", title="Equal compute", hint=f"against {against}", tables=tables)


def _tokens(found: Comparison) -> Iterable[Table]:
    """What the variants are worth in the baseline's tokens, where that was trained long enough."""
    if all(v.token_speed_up is None for v in found.variants):
        return
    columns = [
        Column(title="Curve", number=False),
        Column(title="Scale", number=False),
        Column(title="Speed-up in tokens", small="for the same best loss"),
    ]
    rows = [
        [
            *_heading(v),
            Cell(text=words.short(v.token_speed_up), reason=v.token_speed_up_reason or ""),
        ]
        for v in found.variants
    ]
    yield Table(caption="Tokens that the baseline would need", columns=columns, rows=rows)


def _shapes(found: Comparison) -> Fold:
    tolerances = [basin.tolerance for basin in found.variants[0].estimates.basins]
    columns = [
        Column(title="Curve", number=False),
        Column(title="Scale", number=False),
        *(Column(title="Basin", small=f"within {tolerance:g} nats") for tolerance in tolerances),
        Column(title="Sensitivity", small="whole grid"),
        Column(title="Asymmetry", small="above less below, nats"),
        Column(title="Curvature", small="nats per unit squared"),
        Column(title="Trains from", small="smallest stable value"),
        Column(title="Trains up to", small="largest stable value"),
    ]
    rows = [
        [
            *_heading(v),
            *(_width(basin) for basin in v.estimates.basins),
            _estimate(v.estimates.sensitivity.loss, _three),
            _estimate(v.estimates.asymmetry, _signed),
            _estimate(v.estimates.curvature, words.short),
            _edge(v.estimates.smallest_stable),
            _edge(v.estimates.largest_stable),
        ]
        for v in found.variants
    ]
    table = Table(caption="Shapes of the curves", columns=columns, rows=rows)
    return Fold(id="shapes", title="Shape", hint=f"widths in {found.unit}", tables=[table])


def _sizes(found: Comparison) -> Iterable[Fold]:
    if found.transfers:
        yield Fold(
            id="sizes",
            title="Over model sizes",
            hint=f"best {found.parameter} against parameters",
            tables=[_fits(found.transfers), _paid(found.transfers)],
            figure=True,
        )


def _fits(transfers: Sequence[Transfer]) -> Table:
    columns = [
        Column(title="Curve", number=False),
        Column(title="Exponent", small="95 % interval"),
        Column(title="Predicted", small="95 % interval"),
        Column(title="At scale", number=False),
    ]
    rows = [
        [
            Cell(text=transfer.label, number=False),
            _estimate(transfer.exponent, _two),
            _predicted(transfer),
            Cell(text=transfer.prediction.scale if transfer.prediction else "", number=False),
        ]
        for transfer in transfers
    ]
    return Table(caption="Best value as a power of the size", columns=columns, rows=rows)


def _predicted(transfer: Transfer) -> Cell:
    found = transfer.prediction
    if found is None:
        return Cell(text=words.DASH, reason=transfer.exponent.reason or "no larger scale is known")
    return _estimate(Estimate(value=found.value, low=found.low, high=found.high), words.rounded)


def _paid(transfers: Sequence[Transfer]) -> Table:
    columns = [
        Column(title="Curve", number=False),
        Column(title="Tuned at", number=False),
        Column(title="Used at", number=False),
        Column(title="Value"),
        Column(title="Loss paid", small="nats, 95 % interval"),
    ]
    rows = [
        [
            Cell(text=transfer.label, number=False),
            Cell(text=paid.tuned_at, number=False),
            Cell(text=paid.used_at, number=False),
            Cell(text=words.value(paid.value)),
            _estimate(paid.excess, words.loss),
        ]
        for transfer in transfers
        for paid in transfer.paid
    ]
    return Table(
        caption="Loss paid for using a smaller scale's best value", columns=columns, rows=rows
    )


def _heading(variant: ComparedVariant) -> tuple[Cell, Cell]:
    plain = variant.architecture == "standard"
    scale = variant.scale if plain else f"{variant.scale} {variant.architecture}"
    return Cell(text=variant.label, number=False), Cell(text=scale, number=False)


def _estimate(
    estimate: Estimate, written: Callable[[float], str], *, interval: bool = True
) -> Cell:
    if estimate.value is None:
        return Cell(text=words.DASH, reason=estimate.reason or "")
    beside = ""
    if interval and estimate.low is not None and estimate.high is not None:
        # A dash before a minus sign is hard to read.
        between = "to" if estimate.low < 0 else words.DASH
        beside = f"{written(estimate.low)} {between} {written(estimate.high)}"
    reason = (estimate.reason or "") if interval else ""
    return Cell(text=written(estimate.value), beside=beside, reason=reason)


def _width(basin: BasinEstimate) -> Cell:
    cell = _estimate(basin.width, words.short)
    open_side = basin.low_open or basin.high_open
    return Cell(text=f"≥ {cell.text}", beside=cell.beside) if open_side else cell


def _edge(edge: StableEdge) -> Cell:
    if edge.value is None:
        return Cell(text=words.DASH, reason=edge.reason or "")
    beside = "" if edge.beyond is None else f"unstable by {words.value(edge.beyond)}"
    return Cell(text=words.value(edge.value), beside=beside, reason=edge.reason or "")


def _large(number: float | None) -> str:
    if number is None:
        return words.DASH
    return words.count(round(number)) if number < 1e6 else f"{number:.3g}".replace("e+", "e")


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.2g} %"


def _three(number: float) -> str:
    return words.short(number, 3)


def _two(number: float) -> str:
    return words.short(number).replace("-", "\N{MINUS SIGN}")


def _signed(number: float) -> str:
    return f"{number:+.4f}".replace("-", "\N{MINUS SIGN}")
