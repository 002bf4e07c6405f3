"""What a stability figure shows, as plain numbers and texts: no plotly in sight."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sweeper.analysis.curves import Curve
from sweeper.analysis.stability import Stability
from sweeper.plots import hover, style
from sweeper.plots.axes import ValueAxis, value_axis
from sweeper.plots.losses import LossAxis, loss_axis


@dataclass(frozen=True, kw_only=True)
class Mark:
    """One mark. `trial_id` is what a click opens, empty where there is not exactly one trial."""

    x: float
    y: float
    value: float
    text: str
    trial_id: str = ""
    clipped: bool = False
    """Drawn at the upper end of the losses, because it lies above."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve as it is drawn; marks of `mean` are None where the line has a gap."""

    label: str
    inert: bool
    """A reference: the hyperparameter does not affect it."""
    facet: int
    style: int
    """Place of the label in the legend."""
    mean: tuple[Mark | None, ...]
    dots: tuple[Mark, ...]
    """Single seeds, where a value has more than one."""
    interval: tuple[tuple[tuple[float, float, float], ...], ...]
    """Runs of neighbouring values as (x, low, high)."""
    diverged: tuple[Mark, ...]
    to_diverged: tuple[tuple[Mark, Mark], ...]
    """Neighbours of which one has a loss and the other only diverged trials."""
    best: Mark | None
    basin: tuple[tuple[float, float], ...]
    """The line within the basin as (x, y), from edge to edge."""


@dataclass(frozen=True, kw_only=True)
class StabilityInfo:
    """Everything a stability figure shows; all texts are escaped."""

    facets: tuple[str, ...]
    labels: tuple[str, ...]
    lines: tuple[Line, ...]
    x: ValueAxis
    y: LossAxis
    tolerance: float
    """Depth of the basins."""
    finished: int
    total: int

    @property
    def clipped(self) -> bool:
        """Whether any loss lies above what is drawn."""
        return any(mark is not None and mark.clipped for line in self.lines for mark in line.mean)


@dataclass(frozen=True, kw_only=True)
class _Canvas:
    """Both axes, and the height of one label's row in the band."""

    x: ValueAxis
    y: LossAxis
    row: float

    def clip(self, loss: float) -> float:
        return min(loss, self.y.high)


def stability_info(curves: Sequence[Curve], stabilities: Sequence[Stability]) -> StabilityInfo:
    """The figure of at least one curve; all of one parameter, with a stability for each."""
    facet_of, label_of = _facet_names(curves), _labels(curves)
    facets, labels = tuple(dict.fromkeys(facet_of)), tuple(dict.fromkeys(label_of))
    labelled = [*zip(curves, label_of, strict=True)]
    diverging = list(dict.fromkeys(label for curve, label in labelled if any(curve.diverged)))
    values = [value for curve in curves for value in curve.values]
    x = value_axis(values, curves[0].axis_scale, curves[0].parameter)
    y = loss_axis(curves, len(diverging))
    lines = tuple(
        _line(
            curve,
            numbers,
            canvas=_Canvas(x=x, y=y, row=_row(y, diverging, label)),
            label=label,
            facet=facets.index(facet),
            style_index=labels.index(label),
        )
        for (curve, label), numbers, facet in zip(labelled, stabilities, facet_of, strict=True)
    )
    return StabilityInfo(
        facets=tuple(style.escape(facet) for facet in facets),
        labels=tuple(style.escape(label) for label in labels),
        lines=lines,
        x=x,
        y=y,
        tolerance=stabilities[0].tolerance,
        finished=sum(curve.finished_points for curve in curves),
        total=sum(curve.total_points for curve in curves),
    )


def _facet_names(curves: Sequence[Curve]) -> list[str]:
    """One facet per scale and architecture; `standard` is said only beside another one."""
    usual = {curve.architecture for curve in curves} <= {"standard", ""}
    return [curve.scale if usual else f"{curve.scale}, {curve.architecture}" for curve in curves]


def _labels(curves: Sequence[Curve]) -> list[str]:
    """Without the architecture that all of them have, so that a colour is one optimizer's.

    The facets say it.
    """
    told = all(curve.architecture in curve.label.split(", ")[1:] for curve in curves)
    return [_without(curve) if told else curve.label for curve in curves]


def _without(curve: Curve) -> str:
    name, *parts = curve.label.split(", ")
    parts.remove(curve.architecture)
    return ", ".join([name, *parts])


def _row(y: LossAxis, diverging: Sequence[str], label: str) -> float:
    """The height at which a label's diverged trials are drawn, the first label uppermost."""
    if label not in diverging:
        return y.top
    rows = len(diverging) + 0.5
    return y.top - (y.top - y.high) * (diverging.index(label) + 0.75) / rows


def _line(
    curve: Curve, numbers: Stability, *, canvas: _Canvas, label: str, facet: int, style_index: int
) -> Line:
    mean = tuple(_mean_mark(curve, canvas, i) for i in range(len(curve.values)))
    diverged = {i: _diverged_mark(curve, canvas, i) for i, n in enumerate(curve.diverged) if n}
    return Line(
        label=style.escape(label),
        inert=curve.inert,
        facet=facet,
        style=style_index,
        mean=mean,
        dots=tuple(_dots(curve, canvas)),
        interval=tuple(_interval_runs(curve, canvas)),
        diverged=tuple(diverged.values()),
        to_diverged=tuple(_to_diverged(mean, diverged)),
        best=_best_mark(curve, numbers, mean),
        basin=tuple(_basin(curve, numbers, canvas)),
    )


def _mean_mark(curve: Curve, canvas: _Canvas, i: int) -> Mark | None:
    """The mean of the finite seeds of a value."""
    loss = curve.finite_mean[i]
    if loss is None:
        return None
    trials = [seed.trial_id for seed in curve.losses[i]]
    return Mark(
        x=canvas.x.place(curve.values[i]),
        y=canvas.clip(loss),
        value=curve.values[i],
        text=hover.mean(curve, i),
        trial_id=trials[0] if len(trials) == 1 else "",
        clipped=loss > canvas.y.high,
    )


def _dots(curve: Curve, canvas: _Canvas) -> Iterable[Mark]:
    """Every finite seed of the values that have several."""
    for i, seeds in enumerate(curve.losses):
        for seed in seeds:
            if len(seeds) > 1 and seed.final_loss is not None:
                yield Mark(
                    x=canvas.x.place(curve.values[i]),
                    y=canvas.clip(seed.final_loss),
                    value=curve.values[i],
                    text=hover.single(curve, i, seed),
                    trial_id=seed.trial_id,
                    clipped=seed.final_loss > canvas.y.high,
                )


def _interval_runs(
    curve: Curve, canvas: _Canvas
) -> Iterable[tuple[tuple[float, float, float], ...]]:
    """Runs of neighbouring values that have an interval around what is drawn, clipped."""
    run: list[tuple[float, float, float]] = []
    ends = zip(curve.values, curve.loss_low, curve.loss_high, curve.above_initial, strict=True)
    for value, low, high, flagged in [*ends, (0.0, None, None, 0)]:
        if low is not None and high is not None and not flagged:
            run.append((canvas.x.place(value), max(low, canvas.y.low), canvas.clip(high)))
            continue
        if len(run) > 1:
            yield tuple(run)
        run = []


def _diverged_mark(curve: Curve, canvas: _Canvas, i: int) -> Mark:
    seeds = [seed for seed in curve.losses[i] if seed.outcome == "diverged"]
    return Mark(
        x=canvas.x.place(curve.values[i]),
        y=canvas.row,
        value=curve.values[i],
        text=hover.diverged(curve, i),
        trial_id=seeds[0].trial_id if len(seeds) == 1 else "",
    )


def _to_diverged(
    mean: Sequence[Mark | None], diverged: dict[int, Mark]
) -> Iterable[tuple[Mark, Mark]]:
    for i, mark in diverged.items():
        for neighbour in (i - 1, i + 1):
            if mean[i] is None and 0 <= neighbour < len(mean):
                beside = mean[neighbour]
                if beside is not None:
                    yield beside, mark


def _best_mark(curve: Curve, numbers: Stability, mean: Sequence[Mark | None]) -> Mark | None:
    if numbers.best_value is None:
        return None
    best = mean[curve.values.index(numbers.best_value)]
    assert best is not None, numbers.best_value
    return best


def _basin(curve: Curve, numbers: Stability, canvas: _Canvas) -> Iterable[tuple[float, float]]:
    low, high = numbers.basin_low, numbers.basin_high
    if low is None or high is None or numbers.best_loss is None:
        return
    edge = numbers.best_loss + numbers.tolerance
    if not numbers.basin_low_censored:
        yield canvas.x.place(low), edge
    for value, loss in zip(curve.values, curve.loss_mean, strict=True):
        # a hair of room: a censored edge is a value that went through a logarithm and back
        if loss is not None and low * (1 - 1e-9) <= value <= high * (1 + 1e-9):
            yield canvas.x.place(value), loss
    if not numbers.basin_high_censored:
        yield canvas.x.place(high), edge
