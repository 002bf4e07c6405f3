"""What a comparison folds away: pairs, compute, shapes of curves, sizes of models. Pure."""

from collections.abc import Iterable, Sequence

from api.pages import words
from api.pages.cells import (
    Cell,
    Column,
    Fold,
    Table,
    basin_width,
    estimate,
    heading,
    large,
    percent,
    signed,
    stable_edge,
    three,
    two,
)
from sweeper.analysis.compare import Comparison
from sweeper.analysis.estimates import Estimate
from sweeper.analysis.pairs import ComparedPair, Criterion
from sweeper.analysis.transfer import Transfer
from sweeper.analysis.verdict import Judgement

SHOWN_PAIRS = 200


def sentence(criterion: Criterion, *, turned: bool = False) -> str:
    """A verdict in words; `turned` tells it from the other side."""
    verdict = criterion.verdict
    if not turned or verdict.judgement not in _TURNED:
        return verdict.sentence
    return verdict.sentence.replace(verdict.judgement, _TURNED[verdict.judgement], 1)


_TURNED = {Judgement.BETTER: Judgement.WORSE, Judgement.WORSE: Judgement.BETTER}


def pairs(found: Comparison) -> Iterable[Fold]:
    """Every pair of variants, by both criteria."""
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
        estimate(difference, signed),
        Cell(text=words.DASH if test.effect is None else two(test.effect)),
        Cell(text=words.DASH if verdict.p_holm is None else f"{verdict.p_holm:.2g}"),
        Cell(text=pair.over_window.verdict.sentence, number=False),
    ]


def compute(found: Comparison) -> Fold:
    """What each variant costs, and how the others do at the same cost."""
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
            *heading(v),
            Cell(text=large(v.spent.steps)),
            Cell(text=large(v.spent.tokens)),
            Cell(text=large(v.spent.flops), beside=percent(v.spent.optimizer_share)),
            Cell(text=words.duration(v.spent.seconds)),
            Cell(text=large(v.spent.state_bytes)),
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
            *heading(v),
            Cell(text=words.short(v.token_speed_up), reason=v.token_speed_up_reason or ""),
        ]
        for v in found.variants
    ]
    yield Table(caption="Tokens that the baseline would need", columns=columns, rows=rows)


def shapes(found: Comparison) -> Fold:
    """Basins, edges, asymmetry and curvature of each curve."""
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
            *heading(v),
            *(basin_width(basin) for basin in v.estimates.basins),
            estimate(v.estimates.sensitivity.loss, three),
            estimate(v.estimates.asymmetry, signed),
            estimate(v.estimates.curvature, words.short),
            stable_edge(v.estimates.smallest_stable),
            stable_edge(v.estimates.largest_stable),
        ]
        for v in found.variants
    ]
    table = Table(caption="Shapes of the curves", columns=columns, rows=rows)
    return Fold(id="shapes", title="Shape", hint=f"widths in {found.unit}", tables=[table])


def sizes(found: Comparison) -> Iterable[Fold]:
    """Best values over sizes of the model, where there are several."""
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
            estimate(transfer.exponent, two),
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
    return estimate(Estimate(value=found.value, low=found.low, high=found.high), words.rounded)


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
            estimate(paid.excess, words.loss),
        ]
        for transfer in transfers
        for paid in transfer.paid
    ]
    return Table(
        caption="Loss paid for using a smaller scale's best value", columns=columns, rows=rows
    )
