"""Every preset is a sweep that can be submitted as it is."""

import itertools
import math

import pytest

from sweeper import presets
from sweeper.expand import expand
from sweeper.spec import parse
from sweeper.trials import Expansion
from trainers.config import DataConfig, TrainConfig
from trainers.schedules import frozen_steps

DATA = {"embedded": DataConfig(name="embedded", sha256="0" * 64, vocabulary=256)}


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_expands(name: str) -> None:
    preset = presets.preset(name)
    expansion = expand(parse(preset.sweep), DATA)
    assert preset.name == name
    assert preset.summary.endswith(".")
    assert len(expansion.points) > len(expansion.variants) > 0


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match="unknown preset 'none'; known: adafactor_sgd, "):
        presets.preset("none")


def test_the_demo_has_seven_half_decades_for_each_of_five_optimizers() -> None:
    expansion = expand(parse(presets.preset("demo").sweep), DATA)
    names = [variant.optimizer for variant in expansion.variants]
    assert sorted(names) == ["adafactor", "adamw", "lion", "sgd", "signum"]
    for i in range(5):
        values = [point.value for point in expansion.points if point.variant == i]
        exponents = [math.log10(value) for value in values]
        gaps = [high - low for low, high in itertools.pairwise(exponents)]
        assert len(values) == 7
        assert gaps == pytest.approx([0.5] * 6, abs=2e-3)


STUDY = {
    # trials of the file, and distinct ones: identical jobs are one trial
    "lr": (54, 54),
    "lr_plain": (54, 54),
    "momentum": (42, 42),
    "momentum_plain": (42, 42),
    "beta2": (30, 22),
    "eps": (20, 17),
    "weight_decay": (42, 42),
    "warmup": (42, 42),
    "batch": (24, 24),
    "adalayer_sgd": (10, 10),
    "adafactor_sgd": (10, 10),
    "adalayer_frozen": (9, 9),
}
"""The files of rosieyzh/optimizers-llm@a1f8a3f, configs/sweeps."""


def at_150m(name: str) -> Expansion:
    return expand(parse({**presets.preset(name).sweep, "scales": ["150m"]}), DATA)


def jobs(name: str) -> list[TrainConfig]:
    """Configurations of the points in order, so that job number n of the study is `jobs[n - 1]`."""
    expansion = at_150m(name)
    configs = {trial.fingerprint: trial.config for trial in expansion.trials}
    return [configs[point.fingerprint] for point in expansion.points]


def test_every_file_of_the_study_is_a_preset_of_its_size() -> None:
    assert {"demo", *STUDY} == {*presets.names()}
    found = {name: presets.trials(presets.preset(name)) for name in STUDY}
    assert {name: (count.total, count.distinct) for name, count in found.items()} == STUDY
    sweeps = {name: at_150m(name) for name in STUDY}
    assert {name: (len(e.points), len(e.trials)) for name, e in sweeps.items()} == STUDY
    assert sum(len(e.points) for e in sweeps.values()) == 379
    assert len({t.fingerprint for e in sweeps.values() for t in e.trials}) == 328


def test_new_trials_of_each_file_are_the_studys() -> None:
    # from top to bottom: the six centres recur, and so do those of the plain architecture
    known: set[str] = set()
    new = {}
    for name in STUDY:
        found = {trial.fingerprint for trial in at_150m(name).trials}
        new[name] = len(found - known)
        known |= found
    assert list(new.values()) == [54, 54, 36, 36, 16, 13, 36, 36, 18, 10, 10, 9]


@pytest.mark.parametrize(
    ("name", "job", "optimizer", "key", "value"),
    [
        ("lr", 1, "adamw", "lr", 1e-4),
        ("lr", 4, "adamw", "lr", 3.16e-3),
        ("lr", 10, "lion", "lr", 1e-5),
        ("lr", 46, "sgd", "lr", 1e-3),
        ("lr", 54, "sgd", "lr", 10.0),
        ("momentum", 41, "sgd", "momentum", 0.98),
        ("momentum", 42, "sgd", "momentum", 0.99),
        ("adalayer_sgd", 10, "adalayer_sgd", "lr", 3160.0),
        ("adafactor_sgd", 1, "adafactor_sgd", "last_layer_lr", 3.16e-3),
        ("weight_decay", 1, "adamw", "weight_decay", 0.0),
    ],
)
def test_a_job_is_the_studys_of_that_number(
    name: str, job: int, optimizer: str, key: str, value: float
) -> None:
    found = jobs(name)[job - 1]
    assert (found.optimizer, found.hyperparameters[key]) == (optimizer, value)


@pytest.mark.parametrize(
    ("name", "first", "last"), [("beta2", 21, 25), ("beta2", 26, 30), ("eps", 5, 8)]
)
def test_jobs_without_the_swept_hyperparameter_are_identical(
    name: str, first: int, last: int
) -> None:
    assert len({id(job) for job in jobs(name)[first - 1 : last]}) == 1


def test_lengths_of_the_study_follow_from_its_files() -> None:
    warmups = [round(job.hyperparameters["warmup_fraction"] * 25_000) for job in jobs("warmup")[:7]]
    assert warmups == [500, 1250, 2500, 5000, 10_000, 15_000, 20_000]
    batches = jobs("batch")
    sizes = [(job.batch_size, job.steps) for job in batches[:4]]
    assert sizes == [(128, 50_000), (256, 25_000), (512, 12_500), (1024, 6250)]
    assert [job.optimizer for job in batches[::4]] == [
        *("adamw", "adafactor", "adalayer_star", "signum", "lion", "sgd")
    ]
    (steps,) = {job.steps for job in jobs("adalayer_frozen")}
    fraction = jobs("adalayer_frozen")[0].hyperparameters["freeze_fraction"]
    assert (steps, frozen_steps(fraction, steps)) == (26_000, 1000)
    epsilons = jobs("eps")
    assert {job.hyperparameters["beta2"] for job in epsilons} == {0.98}
    assert [dict(job.options) for job in epsilons[8::4]] == [
        {"neuron_only": True},
        {"neuron_only": False},
        {},
    ]
