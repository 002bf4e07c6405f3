"""The list of optimizers: what the README shows is what the service answers."""

from pathlib import Path

from sweeper.catalogue import settings, table
from sweeper.optimizer_info import optimizers
from trainers.optimizers import REGISTRY

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
SETTINGS = "docs/optimizers.md"


def test_the_readme_shows_the_table() -> None:
    assert table() in README, "run `python -m sweeper.catalogue` and put what it prints there"


def test_the_readme_leads_to_the_settings() -> None:
    assert f"({SETTINGS})" in README
    command = f"python -m sweeper.catalogue settings > {SETTINGS}"
    assert (ROOT / SETTINGS).read_text() == settings(), f"run `{command}`"


def test_every_setting_has_its_range_and_whose_default_it_is() -> None:
    sections = {part.partition("\n")[0]: part for part in settings().split("\n## ")[1:]}
    assert [*sections] == ["Of every optimizer", *(f"`{name}`" for name in REGISTRY)]
    for info in optimizers():
        for own in info.own_settings if not info.version else ():
            row = f"| `{own.rule}` | {own.help} | {own.origin} |"
            assert own.origin
            assert row in sections[f"`{info.name}`"]
    assert "| `momentum` | 0.98 | `0 <= momentum < 1` | " in sections["`sgd`"]
    assert "| `lr_floor` | 0.1 | `0 <= lr_floor <= 1` | " in sections["Of every optimizer"]


def test_it_has_a_row_per_built_in_optimizer() -> None:
    rows = table().splitlines()[2:]
    assert [row.split("`")[1] for row in rows] == list(REGISTRY)
    adamw = next(row for row in rows if row.startswith("| `adamw` "))
    assert "`lr` 0.00316, `momentum` 0.9, `beta2` 0.95, `eps` 1e-15 | 8 | " in adamw


def test_everything_that_can_be_set_is_told_with_whose_default_it_is() -> None:
    found = {info.name: info for info in optimizers()}
    assert {"torch.AdamW", *REGISTRY} <= found.keys()
    for info in found.values():
        assert info.cost.extra_flops
        assert info.own <= info.hyperparameters.keys()
    assert "in the study" in found["adamw"].notes["momentum"]
    assert found["torch.AdamW"].cost.state_bytes == 8
    assert found["soap"].options["precondition_frequency"].default == 10
