"""What a reader sees over a mark of the stability figure; every name escaped."""

from sweeper.analysis.curves import Curve
from sweeper.analysis.seeds import SeedLoss
from sweeper.plots import style


def mean(curve: Curve, i: int) -> str:
    """The mean of the finite seeds of a value that has one."""
    loss = curve.finite_mean[i]
    assert loss is not None, i
    low, high = curve.loss_low[i], curve.loss_high[i]
    finite = curve.seeds[i] - curve.diverged[i]
    notes = [_heading(curve, i)]
    if curve.total[i] == 1:
        seed = curve.losses[i][0]
        notes += [f"loss {loss:.4f} nats", f"seed {seed.seed}, trial {style.escape(seed.trial_id)}"]
    else:
        notes += [f"mean loss {loss:.4f} nats", f"{finite} of {curve.total[i]} seeds finite"]
    if low is not None and high is not None:
        notes.append(f"95 % interval {low:.4f} to {high:.4f}")
    return "<br>".join(notes + _warnings(curve, i))


def single(curve: Curve, i: int, seed: SeedLoss) -> str:
    """One finite seed of a value that has several."""
    return f"{_heading(curve, i)}<br>loss {seed.final_loss:.4f} nats<br>{_trial_text(seed)}"


def diverged(curve: Curve, i: int) -> str:
    """How many seeds of a value diverged, and when."""
    seeds = [seed for seed in curve.losses[i] if seed.outcome == "diverged"]
    steps = sorted(seed.diverged_at_step for seed in seeds if seed.diverged_at_step is not None)
    notes = [_heading(curve, i), f"{len(seeds)} of {curve.total[i]} diverged"]
    if steps:
        notes.append(f"at step {', '.join(map(str, steps))}")
    if len(seeds) == 1:
        notes.append(_trial_text(seeds[0]))
    return "<br>".join(notes)


def _warnings(curve: Curve, i: int) -> list[str]:
    counts = {
        "diverged": curve.diverged[i],
        "not finished yet": curve.pending[i],
        "failed or cancelled": curve.failed[i],
        "above the initial loss": curve.above_initial[i],
    }
    return [f"{n} of {curve.total[i]} {what}" for what, n in counts.items() if n]


def _heading(curve: Curve, i: int) -> str:
    parameter = style.escape(curve.parameter)
    return f"<b>{style.escape(curve.label)}</b><br>{parameter} {style.short(curve.values[i])}"


def _trial_text(seed: SeedLoss) -> str:
    flag = ", above the initial loss" if seed.above_initial else ""
    return f"seed {seed.seed}, trial {style.escape(seed.trial_id)}{flag}"
