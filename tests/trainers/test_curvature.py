import dataclasses
import json
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainers import oracle
from tests.trainers.builders import tiny_config
from trainers.curvature import drawn_labels
from trainers.data import TRAIN, Batches, open_tokens
from trainers.effective_lr import split_states
from trainers.loop import StackRun
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Context, Curvature, Entry, Optimizer, ParamRole, State
from trainers.optimizers.transforms import descend
from trainers.updating import ALL

LOGITS = torch.tensor([[1.0, 3.0, 2.0]]).log()


def test_labels_are_drawn_in_proportion_to_their_probability() -> None:
    labels = drawn_labels(LOGITS.expand(1, 60_000, 3), [0], 7)
    shares = torch.bincount(labels[0], minlength=3) / 60_000
    torch.testing.assert_close(shares, torch.tensor([1, 3, 2]) / 6, atol=0.01, rtol=0)


def test_draws_depend_on_seed_and_step_and_not_on_the_slot() -> None:
    logits = LOGITS.expand(2, 50, 3)
    first, second = drawn_labels(logits, [3, 4], 7)
    swapped = drawn_labels(logits, [4, 3], 7)
    assert torch.equal(torch.stack([second, first]), swapped)
    assert not torch.equal(first, second)
    assert not torch.equal(drawn_labels(logits, [3, 4], 8)[0], first)


def test_logits_that_are_no_numbers_give_some_label() -> None:
    logits = torch.full((1, 4, 3), torch.nan)
    assert (
        drawn_labels(logits, [0], 1).tolist() == [[2] * 4]
        or (drawn_labels(logits, [0], 1) >= 0).all()
    )


def counted(seen: list[tuple[int, float]]) -> Optimizer:
    """Descends, and keeps the squares of what the second look returned."""

    def init(value: Tensor, role: ParamRole | None) -> State:
        return {"h": torch.zeros_like(value)}

    def update(grad: Tensor, state: State, value: Tensor, context: Context) -> tuple[Tensor, State]:
        delta, _ = descend().update(grad, {}, value, context)
        return delta, dict(state)

    def look(grad: Tensor, state: State, value: Tensor, context: Context) -> State:
        seen.append((context.step, grad.norm().item()))
        return {"h": torch.lerp(state["h"], grad.square(), 0.5)}

    def effective_lr(state: State, value: Tensor, context: Context) -> Tensor:
        return state["h"].flatten(1).amax(1, keepdim=True)

    curvature = Curvature(3, look)
    return Optimizer(init, update, elementwise=True, curvature=curvature, effective_lr=effective_lr)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, float]]:
    seen: list[tuple[int, float]] = []
    monkeypatch.setitem(REGISTRY, "counted", Entry(lambda: counted(seen), 0.1, "", ""))
    return seen


def test_the_second_look_comes_after_every_third_step_and_is_clipped(
    data_dir: Path, seen: list[tuple[int, float]]
) -> None:
    config = tiny_config(data_dir, "counted", steps=8, changes={"grad_clip": 1e-3})
    run = StackRun([config], data_dir=data_dir)
    while not run.finished:
        run.advance()
    assert [step for step, _ in seen] == [3, 6]
    assert [norm for _, norm in seen] == pytest.approx([1e-3] * 2, rel=2e-3)


def test_the_second_look_is_at_the_next_batch_with_drawn_labels_and_no_z_loss(
    data_dir: Path,
) -> None:
    """After step 10 of Sophia: its h by the textbook's model, one trial at a time."""
    base = tiny_config(data_dir, "sophia", steps=12, changes={"z_loss": 0.5, "grad_clip": 0.3})
    configs = [base, dataclasses.replace(base, seed=1)]
    run = StackRun(configs, data_dir=data_dir)
    while run.step < 10:
        run.advance()
    window = base.model.sequence_length
    batches = Batches(
        open_tokens(data_dir, base.data, TRAIN), [0, 1], batch_size=base.batch_size, window=window
    )
    found = split_states(run._optimizer.states, ALL, run._network.shapes)
    for k in range(2):
        params = {
            n: p[k].clone().requires_grad_() for n, p in run._network.params(run._flat).items()
        }
        sequences = torch.from_numpy(batches.batch(11))[k]
        predicted = [oracle.logits(params, row[:-1], layers=2, heads=2) for row in sequences]
        logits = torch.cat(predicted)
        labels = drawn_labels(logits[None], [k], 10)[0]
        assert (labels != sequences[:, 1:].flatten()).any()
        loss = torch.nn.functional.cross_entropy(logits, labels)
        grads = dict(zip(params, torch.autograd.grad(loss, [*params.values()]), strict=True))
        norm = sum(grad.square().sum() for grad in grads.values()) ** 0.5
        assert norm > 0.3
        for name, grad in grads.items():
            expected = 0.01 * (grad * 0.3 / (norm + 1e-6)).square()
            torch.testing.assert_close(found[name]["h"][k], expected, rtol=1e-3, atol=1e-12)


def test_details_of_a_step_are_from_before_the_second_look(
    data_dir: Path, seen: list[tuple[int, float]]
) -> None:
    run = StackRun([tiny_config(data_dir, "counted", steps=4)], data_dir=data_dir)
    largest = {}
    while not run.finished:
        metrics = run.advance()
        assert metrics is not None
        for text in metrics.details.get("effective_lr", ()):
            largest[metrics.step] = max(row[-1] for row in json.loads(text).values())
    assert [step for step, _ in seen] == [3]
    assert {step for step, value in largest.items() if value > 0} == {4}


def test_the_second_look_resumes_bit_for_bit(
    data_dir: Path, tmp_path: Path, seen: list[tuple[int, float]]
) -> None:
    config = tiny_config(data_dir, "counted", steps=8)
    configs = [config, dataclasses.replace(config, seed=1)]
    whole, part = (StackRun(configs, data_dir=data_dir) for _ in range(2))
    while whole.step < 5:
        whole.advance()
    whole.save(tmp_path / "5")
    part.load(tmp_path / "5")
    for run in (whole, part):
        while not run.finished:
            run.advance()
    assert seen[1] == seen[2]
    states = []
    for i, run in enumerate((whole, part)):
        run.save(tmp_path / f"end{i}")
        states.append((tmp_path / f"end{i}" / "tensors.safetensors").read_bytes())
    assert states[0] == states[1]
