"""Training functions: what may be registered, and the protocol of a run. No Ray, no database."""

import json
import math
import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import pytest
import torch

from tests.trainers.builders import tiny_config
from tests.trainers.optimizers.test_plugins import example
from tests.trainers.test_loop import advance_to, run_to_end
from trainers.__main__ import main
from trainers.config import Hyperparameter, ModelConfig, Option, TrainConfig
from trainers.cost import cost
from trainers.data import TRAIN, open_tokens
from trainers.functions import STAND_INS, Measurements, TrainingFunction
from trainers.loop import StackRun
from trainers.optimizers import entry, hyperparameters, names, options, plugins
from trainers.runs import FunctionRun, start

Lr = Annotated[float, Hyperparameter(default=0.1, open_low=True)]
Loss = "validation_loss"


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "my_training.py"
    path.write_text(example("fit_sine"))
    monkeypatch.setenv(plugins.VARIABLE, str(path))
    return path


Register = Callable[[Callable[..., Measurements]], None]


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Makes a function known under the name `mine`."""

    def known(train: Callable[..., Measurements]) -> None:
        function = TrainingFunction(train, "", "", version="here")
        monkeypatch.setitem(plugins._sent, "mine", function)

    return known


def mine(data_dir: Path, *, steps: int = 4, **more: Any) -> FunctionRun:
    config = tiny_config(data_dir, "mine", steps=steps, **more)
    return FunctionRun(config, data_dir=data_dir)


def yielding(*measured: Any) -> Callable[..., Measurements]:
    def train(*, steps: int, seed: int) -> Measurements:
        yield from measured

    return train


def test_the_documented_example_learns_and_is_the_same_again(file: Path, data_dir: Path) -> None:
    assert "fit_sine" in names()
    assert {k: v.default for k, v in hyperparameters("fit_sine", "own").items()} == {
        "lr": 0.01,
        "momentum": 0.9,
    }
    assert {k: v.default for k, v in options("fit_sine").items()} == {"hidden": 32}
    results = []
    for seed in (0, 0, 1):
        run = start([tiny_config(data_dir, "fit_sine", steps=200, seed=seed)], data_dir=data_dir)
        metrics = run_to_end(run)
        (result,) = run.results()
        assert result is not None
        results.append(result)
    assert results[0].outcome == "finite"
    assert results[0].final_loss is not None
    assert results[0].final_loss < results[0].initial_loss / 5
    assert results[0].train_loss is not None
    assert results[0].busy_s > 0
    losses = [(r.initial_loss, r.final_loss, r.best_loss, r.train_loss) for r in results]
    assert losses[0] == losses[1] != losses[2]
    validated = [m.step for m in metrics if Loss in m.values]
    assert validated == [*range(0, 201, 10)]
    assert len(metrics) == 101


def test_a_loss_that_is_no_number_is_an_outcome(file: Path, data_dir: Path) -> None:
    config = tiny_config(data_dir, "fit_sine", steps=200, changes={"lr": 1e6})
    run = start([config], data_dir=data_dir)
    metrics = run_to_end(run)
    (result,) = run.results()
    assert result is not None
    assert (result.outcome, result.final_loss, result.train_loss) == ("diverged", None, None)
    assert result.diverged_at_step == run.step == metrics[-1].step
    assert 0 < run.step < 200
    assert run.live == (False,)
    assert math.isfinite(result.initial_loss)
    assert result.last_finite_loss is not None


def test_the_result_is_what_was_told(register: Register, data_dir: Path) -> None:
    told = [
        (0, {Loss: 5.0}),
        (20, {Loss: 2.0, "train_loss": 9.0}),
        (38, {"train_loss": 9.0, "accuracy": math.nan}),
        (39, {"train_loss": 3.0}),
        (40, {Loss: torch.tensor(2.5), "train_loss": 1}),
    ]
    register(yielding(*told))
    run = mine(data_dir, steps=40)
    metrics = run_to_end(run)
    result = run.result(0)
    assert result is not None
    assert (result.initial_loss, result.best_loss, result.final_loss) == (5.0, 2.0, 2.5)
    assert (result.train_loss, result.last_finite_loss) == (2.0, 1.0)
    assert (result.outcome, result.diverged_at_step) == ("finite", None)
    assert [m.step for m in metrics] == [0, 20, 38, 39, 40]
    assert metrics[-1].values == {Loss: (2.5,), "train_loss": (1.0,)}


def test_a_masked_run_ends_at_once_and_lets_go(register: Register, data_dir: Path) -> None:
    ended = []

    def train(*, steps: int, seed: int) -> Measurements:
        try:
            for step in range(steps + 1):
                yield step, {Loss: 1.0}
        finally:
            ended.append(seed)

    register(train)
    run = mine(data_dir, seed=7)
    advance_to(run, 2)
    assert run.result(0) is None
    run.mask(0)
    assert (run.finished, run.live, run.results(), ended) == (True, (False,), (None,), [7])


def test_much_is_told_and_a_hundred_are_kept(register: Register, data_dir: Path) -> None:
    def train(*, steps: int, seed: int) -> Measurements:
        for step in range(steps + 1):
            yield step, {Loss: 1.0} if step in (0, 777, steps) else {"train_loss": 1.0}

    register(train)
    kept = [m.step for m in run_to_end(mine(data_dir, steps=5000))]
    assert len(kept) == 102
    assert {0, 50, 777, 5000} <= {*kept}


BAD: list[tuple[list[Any], str]] = [
    ([], "mine ended at step -1 of 4"),
    ([(0, {Loss: 1.0}), (3, {})], "mine ended at step 3 of 4"),
    ([3], r"what is yielded must be \(step, \{name: number\}\), but got 3"),
    ([(1, {Loss: 1.0})], "the first step must be 0, but got 1"),
    ([(0, {})], "step 0 must tell validation_loss, but tells nothing"),
    ([(0, {"loss": 1.0})], "step 0 must tell validation_loss, but tells loss"),
    ([(0, {Loss: math.nan})], "`validation_loss` must be finite at step 0, but is no number"),
    ([(0, {Loss: 1.0}), (0, {})], "steps must ascend to 4, but got 0 after 0"),
    ([(0, {Loss: 1.0}), (5, {})], "steps must ascend to 4, but got 5 after 0"),
    (
        [(0, {Loss: 1.0}), (4, {"train_loss": 1.0})],
        "step 4 must tell validation_loss, but tells ",
    ),
    ([(0, {Loss: 1.0, "a b": 1.0})], "a metric's name must match .*, but got 'a b'"),
]


@pytest.mark.parametrize(("told", "message"), BAD)
def test_what_breaks_the_contract_is_named(
    told: list[Any], message: str, register: Register, data_dir: Path
) -> None:
    register(yielding(*told))
    with pytest.raises(ValueError, match=f"^{message}"):
        run_to_end(mine(data_dir))


def test_it_gets_what_it_asks_for_and_the_seed_is_set(register: Register, data_dir: Path) -> None:
    seen: list[Any] = []

    def train(
        *,
        steps: int,
        seed: int,
        batch_size: int,
        model: ModelConfig,
        data: Any,
        data_dir: Path,
        device: str,
        lr: Lr = 0.5,
        switch: Annotated[bool, Option()] = True,
    ) -> Iterator[tuple[int, Mapping[str, float]]]:
        (tokens,) = open_tokens(data_dir, data, TRAIN)
        seen.append((batch_size, model.width, len(tokens) > 1000, device, lr, switch))
        seen.append((torch.rand(1).item(), random.random()))  # noqa: S311
        yield 0, {Loss: 1.0}
        yield steps, {Loss: 1.0}

    register(train)
    run = mine(data_dir, seed=3, changes={"lr": 0.25})
    run_to_end(run)
    assert seen[0] == (4, 16, True, "cpu", 0.25, True)
    torch.manual_seed(3)
    random.seed(3)
    assert seen[1] == (torch.rand(1).item(), random.random())  # noqa: S311


def test_what_it_does_not_read_has_stand_ins(register: Register, data_dir: Path) -> None:
    register(yielding())
    config = tiny_config(data_dir, "mine")
    assert {name: getattr(config, name) for name in STAND_INS} == STAND_INS
    assert (dict(config.hyperparameters), config.schedule, config.is_function) == ({}, "own", True)
    assert not tiny_config(data_dir).is_function


def takes(**arguments: Any) -> Callable[..., Measurements]:
    source = ", ".join(f"{name}: {text}" for name, text in arguments.items())
    scope: dict[str, Any] = {"Annotated": Annotated, "Hyperparameter": Hyperparameter, "Lr": Lr}
    exec(f"def fit(*, {source}): ...", scope)  # noqa: S102 - signatures as short as their test rows
    fit: Callable[..., Measurements] = scope["fit"]
    return fit


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": "int"}, "fit must take seed, but takes: steps"),
        ({"seed": "int", "lr": "Lr = 1.0"}, "fit must take steps, but takes: seed, lr"),
        (
            {"steps": "int", "seed": "int", "lr": "float", "beta": "float = 0.5"},
            "fit takes beta, lr: neither described by a Hyperparameter or an Option, nor a fact of "
            "a run; facts: steps, seed, batch_size, ",
        ),
        ({"steps": "int", "seed": "int", "lr": "Lr"}, "fit: lr needs a default"),
        (
            {"steps": "int", "seed": "int", "lr": "Lr = 0.0"},
            "fit: `lr > 0` must hold, but got 0.0",
        ),
        (
            {"steps": "int", "seed": "int", "model": "Lr = 1.0"},
            "fit: model is a fact of a run and has no description",
        ),
    ],
)
def test_a_signature_that_cannot_be_served_is_refused(
    arguments: dict[str, str], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        TrainingFunction(takes(**arguments), "", "")


def test_a_function_is_no_optimizer_and_trains_alone(file: Path, data_dir: Path) -> None:
    config = tiny_config(data_dir, "fit_sine")
    with pytest.raises(ValueError, match="fit_sine is a training function, not an optimizer"):
        StackRun([config], data_dir=data_dir)
    with pytest.raises(ValueError, match="trains one run at a time, but got a stack of 2"):
        start([config, config], data_dir=data_dir)
    other = TrainConfig(**{**vars(config), "optimizer_version": "sha256:0"})
    with pytest.raises(ValueError, match=r"fit_sine is here in version 'sha256:.*of version 'sha"):
        start([other], data_dir=data_dir)
    with pytest.raises(ValueError, match="is a training function"):
        entry("fit_sine")
    assert cost("fit_sine").state_bytes is None
    assert isinstance(start([tiny_config(data_dir)], data_dir=data_dir), StackRun)


def test_the_command_trains_it(
    file: Path, data_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed = ["--optimizer", "fit_sine", "--steps", "20", "--data-dir", str(data_dir)]
    assert main([*fixed, "--lr", "0.2", "--hidden", "8", "--batch-size", "16", "--json"]) == 0
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert last["result"]["outcome"] == "finite"
    assert last["member"] == {"slot": 0, "seed": 0, "lr": 0.2, "momentum": 0.9}
    assert main(fixed) == 0
    assert capsys.readouterr().out.split()[:3] == ["lr", "seed", "outcome"]
    for more, message in [
        (["--lr", "0.1", "0.2"], "fit_sine trains one run at a time, but got a stack of 2"),
        (
            ["--weight-decay", "0.1"],
            "fit_sine does not read weight_decay; it reads: lr, momentum",
        ),
        (["--schedule", "constant"], "fit_sine does not read schedule"),
        (
            ["--precision", "bf16"],
            "fit_sine does not read precision; it reads: batch_size, device, seed, steps",
        ),
        (["--decay-convention", "coupled"], "fit_sine has a rule of its own for weight decay"),
        (["--lr", "0"], "`lr > 0` must hold, but got lr=0"),
        (["--hidden", "0"], "`1 <= hidden <= 4096` must hold, but got hidden=0"),
    ]:
        assert main([*fixed, *more]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line
