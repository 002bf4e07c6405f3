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
    # the study's name of the file; its trials, and distinct ones: identical jobs are one trial
    "lr": ("lr", 54, 54),
    "lr_plain": ("lr_no_qkz", 54, 54),
    "momentum": ("momentum", 42, 42),
    "momentum_plain": ("momentum_no_qkz", 42, 42),
    "beta2": ("beta", 30, 22),
    "eps": ("eps", 20, 17),
    "weight_decay": ("wd", 42, 42),
    "warmup": ("warmup", 42, 42),
    "batch": ("bs", 24, 24),
    "adalayer_sgd": ("adalayer+sgd", 10, 10),
    "adafactor_sgd": ("adafactor+sgd", 10, 10),
    "adalayer_frozen": ("adalayer_freeze", 9, 9),
}
"""The files of rosieyzh/optimizers-llm@a1f8a3f, configs/sweeps."""
OTHERS = {
    "demo": (35, 35),
    "signum_adam": (21, 20),
    "adalayer": (57, 57),
    "soap": (15, 15),
    "soap_frequency": (15, 11),
    "qk_norm_z_loss": (36, 36),
    "lr_momentum": (119, 119),
    "schedule_free": (24, 24),
    "adam_mini": (18, 18),
}


def at_150m(name: str) -> Expansion:
    return expand(parse({**presets.preset(name).sweep, "scales": ["150m"]}), DATA)


def jobs(name: str) -> list[TrainConfig]:
    """Configurations of the points in order, so that job number n of the study is `jobs[n - 1]`."""
    expansion = at_150m(name)
    configs = {trial.fingerprint: trial.config for trial in expansion.trials}
    return [configs[point.fingerprint] for point in expansion.points]


def test_every_file_of_the_study_is_a_preset_of_its_size() -> None:
    found = [(p, presets.trials(p)) for p in presets.presets()]
    ours = {p.name: (p.study, n.total, n.distinct) for p, n in found if p.study}
    assert ours == STUDY
    assert {p.name: (n.total, n.distinct) for p, n in found if not p.study} == OTHERS
    sweeps = {name: at_150m(name) for name in STUDY}
    sizes = {name: (len(e.points), len(e.trials)) for name, e in sweeps.items()}
    assert sizes == {name: (total, distinct) for name, (_, total, distinct) in STUDY.items()}
    assert sum(len(e.points) for e in sweeps.values()) == 379
    assert len({t.fingerprint for e in sweeps.values() for t in e.trials}) == 328


def test_a_preset_says_in_one_line_where_it_is_from() -> None:
    for preset in presets.presets():
        assert "\n" not in preset.summary
        assert "arXiv" in preset.summary or preset.name == "demo"


@pytest.mark.parametrize("name", presets.names())
def test_a_preset_can_be_trained_at_any_scale(name: str) -> None:
    nano = presets.trials(presets.preset(name))
    for scale in ("micro", "300m"):
        expansion = expand(parse({**presets.preset(name).sweep, "scales": [scale]}), DATA)
        assert (len(expansion.points), len(expansion.trials)) == (nano.total, nano.distinct)


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
        ("lr", 28, "adafactor", "lr", 1e-4),
        ("lr_plain", 19, "signum", "lr", 1e-5),
        ("lr", 46, "sgd", "lr", 1e-3),
        ("lr", 54, "sgd", "lr", 10.0),
        ("momentum", 41, "sgd", "momentum", 0.98),
        ("momentum", 42, "sgd", "momentum", 0.99),
        ("momentum", 8, "signum", "momentum", 0.0),
        ("beta2", 6, "lion", "beta2", 0.8),
        ("eps", 4, "adamw", "eps", 1e-5),
        ("adalayer_frozen", 9, "adalayer_frozen", "lr", 1.0),
        ("adalayer_sgd", 10, "adalayer_sgd", "lr", 3160.0),
        ("adafactor_sgd", 1, "adafactor_sgd", "last_layer_lr", 3.16e-3),
        ("weight_decay", 1, "adafactor", "weight_decay", 0.0),
        ("weight_decay", 42, "adalayer_star", "weight_decay", 0.1),
        ("warmup", 8, "sgd", "warmup_fraction", 0.02),
    ],
)
def test_a_job_is_the_studys_of_that_number(
    name: str, job: int, optimizer: str, key: str, value: float
) -> None:
    found = jobs(name)[job - 1]
    assert (found.optimizer, found.hyperparameters[key]) == (optimizer, value)


def test_jobs_are_in_the_order_of_the_studys_files() -> None:
    orders = {
        "lr": "adamw lion signum adafactor adalayer_star sgd",
        "lr_plain": "adamw lion signum adafactor adalayer_star sgd",
        "momentum": "adamw signum lion adafactor adalayer_star sgd",
        "momentum_plain": "adamw signum lion adafactor adalayer_star sgd",
        "beta2": "adamw lion adafactor adalayer_star sgd signum",
        "eps": "adamw lion adafactor adafactor adalayer_star",
        "weight_decay": "adafactor adamw sgd signum lion adalayer_star",
        "warmup": "adamw sgd signum lion adafactor adalayer_star",
    }
    found = {name: [variant.optimizer for variant in at_150m(name).variants] for name in orders}
    assert found == {name: order.split() for name, order in orders.items()}


def test_the_frozen_run_updates_what_the_studys_does() -> None:
    assert {(*job.options.items(),) for job in jobs("adalayer_frozen")} == {
        (("update_last", True), ("update_norm", True))
    }


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


def test_maps_and_comparisons_share_trials_with_the_study() -> None:
    study = {trial.fingerprint for name in STUDY for trial in at_150m(name).trials}
    shared = {name: len({t.fingerprint for t in at_150m(name).trials} & study) for name in OTHERS}
    # rows of the learning rate and columns of the momentum; curves that both have
    assert shared["lr_momentum"] == 5 + 5 + 5 + 3 * 6
    assert shared["adalayer"] == 9 + 9 + 10 + 10
    assert shared["signum_adam"] == 7 + 7 + 1
    assert shared["qk_norm_z_loss"] == 9 + 9
