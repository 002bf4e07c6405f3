"""docs/sweeps.md: every example is previewed, and asks for as many points as it says."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from sweeper import presets
from sweeper.cli.plain_yaml import load
from sweeper.service import Service
from sweeper.spec import AxisSpec, Grid, SweepSpec
from sweeper.storage.store import open_store

DOCUMENT = (Path(__file__).parents[1] / "docs" / "sweeps.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(# (\d+) points.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("home")
    with open_store(f"sqlite:///{home}/sweeper.db") as store:
        yield Service(store, home)


@pytest.mark.parametrize(("text", "points"), EXAMPLES)
def test_an_example_asks_for_the_points_it_says(service: Service, text: str, points: str) -> None:
    body = load(text)
    found = service.preview(body)
    assert found.points == int(points)
    trials = re.search(r"of which (\d+) trials", text.splitlines()[0])
    assert found.total == int(trials[1] if trials else points)


def test_every_block_is_an_example() -> None:
    assert len(EXAMPLES) == DOCUMENT.count("```yaml") > 10


def test_every_key_is_documented() -> None:
    keys = {*SweepSpec.model_fields, *AxisSpec.model_fields, *Grid.model_fields}
    assert {key for key in keys if not re.search(rf"[`{{ ]{key}[`:]", DOCUMENT)} == set()


@pytest.mark.parametrize("name", presets.names())
def test_every_preset_is_listed_with_its_trials(name: str) -> None:
    preset = presets.preset(name)
    count = presets.trials(preset)
    row = f"| `{name}` | {preset.summary} | {count.total} | {count.distinct} |"
    assert row in DOCUMENT.splitlines()
