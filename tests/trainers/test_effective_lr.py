import json
from pathlib import Path

import pytest
import torch

from tests.trainers.builders import tiny_config
from tests.trainers.optimizers.harness import context
from trainers.effective_lr import QUANTILES, quantiles_by_role, split_states
from trainers.loop import StackRun
from trainers.metrics import is_metric_step
from trainers.optimizers import REGISTRY
from trainers.optimizers.base import Context, ParamRole, State
from trainers.optimizers.transforms import scale_by_adam


def told(state: State, value: torch.Tensor, context: Context) -> torch.Tensor:
    return state["v"]


def test_quantiles_are_those_of_all_blocks_of_a_role() -> None:
    blocks = torch.arange(101.0).flip(0)
    states = {
        "a": {"v": blocks[None, :50]},
        "b": {"v": blocks[None, 50:]},
        "c": {"v": blocks[None]},
    }
    roles = {"a": ParamRole.MLP, "b": ParamRole.MLP, "c": ParamRole.NORM}
    values = dict.fromkeys(states, torch.zeros(1, 3))
    contexts = {role: context(1, 1, role=role) for role in (None, *roles.values())}
    (text,) = quantiles_by_role(told, states, values, roles, contexts)
    assert json.loads(text) == {
        "mlp": [100 * q for q in QUANTILES],
        "norm": [0, 5, 25, 50, 75, 95, 100],
    }


def test_what_is_no_number_is_null_and_stays_with_its_trial() -> None:
    states = {"a": {"v": torch.tensor([[1.0, torch.nan], [2.0, 2.0]])}}
    contexts: dict[ParamRole | None, Context] = {ParamRole.MLP: context(1, 2)}
    texts = quantiles_by_role(
        told, states, {"a": torch.zeros(2, 2)}, {"a": ParamRole.MLP}, contexts
    )
    assert None in json.loads(texts[0])["mlp"]
    assert json.loads(texts[1]) == {"mlp": [2.0] * 7}


def test_the_state_of_all_parameters_is_cut_into_theirs() -> None:
    flat = torch.arange(10.0)[None]
    states = {"all": {"v": flat, "scale": torch.ones(1, 1)}}
    found = split_states(states, "all", {"a": (2, 3), "b": (4,)})
    assert found["a"]["v"].tolist() == [[[0, 1, 2], [3, 4, 5]]]
    assert found["b"]["v"].tolist() == [[6, 7, 8, 9]]
    assert found["a"]["scale"].shape == found["b"]["scale"].shape == (1, 1)


def test_adam_tells_its_corrected_average() -> None:
    adam = scale_by_adam(0.9, 0.95, 0.0)
    grad = torch.tensor([[[3.0, 4.0], [3.0, 0.0]]])
    now = context(1, 1, lr=0.5, role=ParamRole.LAST_LAYER)
    _, state = adam.update(grad, adam.init(grad, None), grad, now)
    assert adam.effective_lr is not None
    found = adam.effective_lr(state, grad, now)
    torch.testing.assert_close(found, torch.tensor([[0.5 / 3, 0.5 / 8**0.5]]))


@pytest.mark.parametrize("optimizer", REGISTRY)
def test_metric_steps_tell_it_for_every_role_and_every_logit(
    data_dir: Path, optimizer: str
) -> None:
    configs = [tiny_config(data_dir, optimizer, steps=3, seed=k) for k in range(2)]
    run = StackRun(configs, data_dir=data_dir)
    adaptive = run._optimizer.rule.effective_lr is not None
    seen = []
    while not run.finished:
        metrics = run.advance()
        assert metrics is not None
        for texts in metrics.details.values():
            seen.append(metrics.step)
            assert len(texts) == 2
            for text in texts:
                table = json.loads(text)
                assert {"last_layer", "norm", "embedding", "mlp"} <= table.keys()
                for row in table.values():
                    assert len(row) == len(QUANTILES)
                    finite = [x for x in row if x is not None]
                    assert finite == sorted(finite)
    assert seen == ([s for s in range(1, 4) if is_metric_step(s, 3)] if adaptive else [])
