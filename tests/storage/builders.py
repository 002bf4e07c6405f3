"""Small sweeps and results for tests of the store."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweeper.errors import NotFound
from sweeper.storage.records import Claim, IdempotentRequest, Owner, Submission
from sweeper.storage.store import Store
from sweeper.trials import Expansion, PlannedPoint, PlannedTrial, Variant, fingerprint
from trainers.config import DataConfig, TrainConfig, stack_key
from trainers.scales import SCALES

VALUES = (0.001, 0.01, 0.1)
OWNER = Owner(host="here", pid=1, started=1.0)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A result as a trainer gives it."""

    outcome: str = "finite"
    final_loss: float | None = 2.0
    initial_loss: float | None = 5.5
    best_loss: float | None = 1.9
    train_loss: float | None = 2.1
    last_finite_loss: float | None = 2.0
    diverged_at_step: int | None = None
    busy_s: float | None = 0.5


DIVERGED = Trained(
    outcome="diverged", final_loss=None, best_loss=None, train_loss=None, diverged_at_step=7
)


def config(lr: float, seed: int = 0, optimizer: str = "adamw") -> TrainConfig:
    return TrainConfig(
        optimizer=optimizer,
        model=SCALES["nano"].model(256),
        data=DataConfig(name="embedded", sha256="0" * 64, vocabulary=256),
        steps=10,
        batch_size=8,
        hyperparameters={"lr": lr, "momentum": 0.9, "weight_decay": 0.0},
        seed=seed,
    )


def expansion(
    values: Sequence[float] = VALUES,
    seeds: Sequence[int] = (0,),
    optimizers: Sequence[str] = ("adamw",),
) -> Expansion:
    points = []
    trials = {}
    for position, optimizer in enumerate(optimizers):
        for value in values:
            for seed in seeds:
                one = config(value, seed, optimizer)
                identity = fingerprint(one)
                trials[identity] = PlannedTrial(
                    fingerprint=identity, stack_key=stack_key(one), config=one
                )
                points.append(
                    PlannedPoint(variant=position, value=value, seed=seed, fingerprint=identity)
                )
    variants = tuple(
        Variant(label=name, optimizer=name, scale="nano", architecture="standard")
        for name in optimizers
    )
    return Expansion(variants=variants, points=tuple(points), trials=tuple(trials.values()))


def submit(
    store: Store,
    planned: Expansion | None = None,
    *,
    name: str = "a sweep",
    priority: int = 0,
    fresh: bool = False,
    request: IdempotentRequest | None = None,
) -> Submission:
    return store.sweeps.submit(
        name=name,
        spec={"name": name},
        parameter="lr",
        axis_scale="log",
        priority=priority,
        expansion=planned if planned is not None else expansion(),
        fresh=fresh,
        request=request,
    )


def take_over(store: Store) -> int:
    return store.queue.take_over(store.queue.dispatcher(), OWNER)


def claim_all(store: Store, epoch: int) -> Claim:
    """One new stack of all free trials, started."""
    free = store.queue.free_trials()
    claim = store.queue.claim_new(epoch, [trial.id for trial in free], 1)
    assert claim is not None
    assert store.queue.start(epoch, claim, "tune", "here", 1)
    return claim


def reclaim(store: Store, epoch: int) -> Claim:
    """The next interrupted stack, started."""
    claim = store.queue.claim_interrupted(epoch)
    assert claim is not None
    assert store.queue.start(epoch, claim, "tune", "here", 1)
    return claim


def finish(store: Store, claim: Claim, result: Trained | None = None) -> None:
    """Accept a result for every live member and close the stack."""
    for member in claim.members:
        if member.live:
            assert store.queue.accept(*key(claim), member.trial_id, result or Trained(), {})
    assert store.queue.close(*key(claim))


def key(claim: Claim) -> tuple[int, int, int]:
    return claim.epoch, claim.stack_id, claim.attempt


def counts(store: Store, sweep_id: str) -> dict[str, int]:
    """Points by state, without the zeros."""
    found = store.sweeps.get(sweep_id).counts
    return {str(state): number for state, number in found.items() if number}


def public_ids(store: Store, sweep_id: str) -> list[str]:
    return list(store.results.points(sweep_id)["trial_id"])


def exists(store: Store, sweep_id: str) -> bool:
    try:
        store.sweeps.get(sweep_id)
    except NotFound:
        return False
    return True
