"""The list of optimizers: what the README shows is what the service answers."""

from pathlib import Path

from sweeper.catalogue import table
from sweeper.service import optimizers
from trainers.optimizers import REGISTRY

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_readme_shows_the_table() -> None:
    assert table() in README, "run `python -m sweeper.catalogue` and put what it prints there"


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
