import dataclasses

import pytest

from sweeper.analysis.runs import larger_scale, run_of
from tests.test_update_cost import config
from trainers.flops import training_flops


def test_operations_are_those_of_the_model_and_of_the_optimizer() -> None:
    adamw = config("adamw", steps=100)
    run = run_of(adamw, seconds=2.5, losses={0: 5.0, 100: 3.0})
    assert run.tokens == 100 * 8 * 64
    assert run.optimizer_flops == pytest.approx(100 * 9 * adamw.model.num_parameters(), rel=1e-3)
    assert run.flops == pytest.approx(training_flops(adamw) + (run.optimizer_flops or 0))
    assert run.state_bytes == 8 * adamw.model.num_parameters()
    assert (run.parameters, run.seconds) == (adamw.model.num_parameters(embeddings=False), 2.5)


def test_a_second_look_at_the_loss_is_paid_for() -> None:
    sophia = config("sophia", steps=100)
    run = run_of(sophia, seconds=None, losses={})
    assert run.flops == pytest.approx(1.1 * training_flops(sophia) + (run.optimizer_flops or 0))


def test_what_cannot_be_counted_is_not_made_up() -> None:
    foreign = run_of(config("torch.AdamW", steps=10), seconds=1.0, losses={})
    assert foreign.flops is foreign.state_bytes is None
    assert foreign.tokens == 10 * 8 * 64
    function = dataclasses.replace(config("adamw", steps=10), schedule="own")
    own = run_of(function, seconds=1.0, losses={})
    assert own.tokens is own.parameters is None


def test_the_next_scale() -> None:
    nano = config("adamw").model.num_parameters(embeddings=False)
    assert larger_scale(nano) == (
        "micro",
        config("adamw", "micro").model.num_parameters(embeddings=False),
    )
    assert larger_scale(10**10) is None
