"""Training a trial once more as it was trained, and whether it comes out the same."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainers import provenance
from trainers.config import TrainConfig, from_dict
from trainers.data import EMBEDDED, prepare_embedded
from trainers.metrics import TrialResult
from trainers.runs import reset_process, start

Json = Mapping[str, Any]

NUMBERS = (
    *("outcome", "final_loss", "best_loss", "train_loss", "initial_loss"),
    *("last_finite_loss", "diverged_at_step"),
)
"""What a run gives but its time."""

FACTS = ("device_class", "threads", "trainer", "code", "git", "packages", "python", "platform")
"""Of the provenance: what may explain other numbers, the likeliest first."""


@dataclass(frozen=True, kw_only=True)
class Original:
    """A trial as it was trained: `configs` are all members of its stack, by slot."""

    id: str
    configs: tuple[TrainConfig, ...]
    slot: int
    threads: int
    device: str
    numbers: Json
    provenance: Json
    remarks: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Something that is not as it was."""

    name: str
    then: Any
    now: Any


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """How the two runs compare. `equal` means equal in every bit of every number."""

    equal: bool
    numbers: tuple[Difference, ...]
    provenance: tuple[Difference, ...]
    remarks: tuple[str, ...]


def original(trial: Json, ask: Callable[[str], Json], *, device: str | None = None) -> Original:
    """What to train, from the answer of REST about a trial; `ask` gives that of another one.

    Raises ValueError for a trial that has no result, or was not trained here, and where this
    machine has no device of the kind that it was trained on.
    """
    _check_trained(trial)
    stack, known = trial["stack"], trial["provenance"]
    own = from_dict(trial["config"])
    members = [
        own if name in (trial["id"], None) else from_dict(ask(name)["config"])
        for name in stack["members"]
    ]
    return Original(
        id=trial["id"],
        configs=tuple(members),
        slot=stack["slot"],
        threads=stack["threads"],
        device=_device(known, device),
        numbers={name: trial[name] for name in NUMBERS},
        provenance=known,
        remarks=tuple(_remarks(own, stack, known)),
    )


def train_again(
    wanted: Original, data_dir: Path, look: Callable[[int, int], None]
) -> TrialResult | None:
    """The result of the same stack, trained in this process; `look` sees every step.

    Raises ValueError for a data set, an optimizer or a function that is not here as it was there.
    """
    reset_process(wanted.threads)
    if wanted.configs[0].data.name == EMBEDDED:
        prepare_embedded(data_dir)
    run = start(wanted.configs, data_dir=data_dir, device=wanted.device)
    while not run.finished:
        run.advance()
        look(run.step, run.steps)
    return run.result(wanted.slot)


def verdict(wanted: Original, result: TrialResult | None) -> Verdict:
    """The comparison, number by number, and what is recorded to be different if they differ."""
    now = {name: getattr(result, name, None) for name in NUMBERS}
    here = provenance.of_process() | provenance.of_device(wanted.device)
    here |= {"threads": wanted.threads}
    numbers = _differences(NUMBERS, wanted.numbers, now)
    recorded = [name for name in FACTS if name in wanted.provenance]
    return Verdict(
        equal=not numbers,
        numbers=numbers,
        provenance=_differences(recorded, wanted.provenance, here),
        remarks=wanted.remarks,
    )


def _check_trained(trial: Json) -> None:
    if trial["fingerprint"].startswith("imported:"):
        source = trial["provenance"].get("imported_from")
        raise ValueError(f"trial {trial['id']} was imported from {source}: it was not trained here")
    if trial["outcome"] is None:
        raise ValueError(f"trial {trial['id']} is {trial['state']}: it has no result to reproduce")


def _device(known: Json, asked: str | None) -> str:
    was = "cpu" if known.get("device", "cpu") == "cpu" else "cuda"
    chosen = asked or was
    if not provenance.has_device(chosen):
        remedy = "; --device cpu trains it anyway, which can only come close"
        raise ValueError(
            f"it was trained on {known.get('device')}, and there is no {chosen} device here"
            f"{remedy if was == 'cuda' else ''}"
        )
    return chosen


def _remarks(own: TrainConfig, stack: Json, known: Json) -> Sequence[str]:
    gone = stack["members"].count(None)
    found = []
    if own.is_function:
        found.append("a training function is repeated as it is: equal bits are its own affair")
    if known.get("resumed_at"):
        found.append(
            f"it went on from a checkpoint at step {known['resumed_at']}, which changes nothing on "
            "a CPU; here it is trained without a break"
        )
    if stack["part_of"] is not None:
        found.append(
            "its stack was split from a larger one on the way, so that only close numbers are "
            "promised"
        )
    if gone:
        found.append(
            f"{gone} of the {len(stack['members'])} trials of its stack are gone; it stands in "
            "their places itself, which changes none of its numbers"
        )
    return found


def _differences(names: Sequence[str], then: Json, now: Json) -> tuple[Difference, ...]:
    return tuple(
        Difference(name=name, then=then.get(name), now=now.get(name))
        for name in names
        if then.get(name) != now.get(name)
    )
