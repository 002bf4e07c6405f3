"""The use cases on a real database: what is stored, shared, refused and shown."""

import json
from pathlib import Path
from typing import Any

import pytest

from sweeper.errors import InvalidRequest, KeyReused, NotFound
from sweeper.optimizer_info import optimizers
from sweeper.service import Service, all_presets
from sweeper.storage.store import Store
from sweeper.trials import SweepState, TrialState
from tests.sweeps import body
from tests.test_grids import BAD_GRIDS
from tests.test_rules import BAD
from tests.test_second_axis import BAD_MAPS
from tests.test_setting_rules import BAD_SETTINGS
from tests.trainers.optimizers.test_plugins import example


def sweep(*values: float, **changes: Any) -> dict[str, Any]:
    return body(axis={"parameter": "lr", "values": list(values)}, **changes)


def test_a_second_sweep_shares_the_trials_of_the_first(service: Service) -> None:
    first = service.submit(sweep(1e-3, 1e-2))
    assert (first.total, first.new, first.shared) == (2, 2, 0)
    preview = service.preview(sweep(1e-2, 1e-1))
    assert (preview.points, preview.total, preview.new, preview.shared) == (2, 2, 1, 1)
    second = service.submit(sweep(1e-2, 1e-1))
    assert (second.total, second.new, second.shared) == (2, 1, 1)


def test_a_fresh_sweep_shares_nothing(service: Service) -> None:
    service.submit(sweep(1e-3))
    assert service.preview(sweep(1e-3, fresh=True)).new == 1
    assert service.submit(sweep(1e-3, fresh=True)).new == 1


def test_a_preview_stores_nothing_and_counts_the_cost(service: Service) -> None:
    preview = service.preview(sweep(1e-3, 1e-2))
    assert service.sweeps().items == ()
    assert preview.tokens == 2 * 10 * 8 * 64
    assert [variant.label for variant in preview.variants] == ["adamw"]
    # Per token: 6 x (12 L D^2 + V D) for the weights, 6 L D T for causal attention.
    assert preview.flops == preview.tokens * (6 * (12 * 2 * 64**2 + 256 * 64) + 6 * 2 * 64 * 64)


def test_a_submission_with_a_key_is_stored_once(service: Service) -> None:
    first = service.submit(sweep(1e-3), key="k")
    again = service.submit(sweep(1e-3), key="k")
    assert (again.sweep_id, again.replayed) == (first.sweep_id, True)
    with pytest.raises(KeyReused):
        service.submit(sweep(1e-2), key="k")
    assert len(service.sweeps().items) == 1


@pytest.mark.parametrize(
    "changes", [changes for changes, _, _ in (*BAD, *BAD_SETTINGS, *BAD_GRIDS, *BAD_MAPS)]
)
def test_a_bad_sweep_stores_nothing(service: Service, changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        service.submit(body(**changes))
    assert service.sweeps().items == ()


def test_curves_of_an_untrained_sweep_say_how_far_it_is(service: Service) -> None:
    view = service.curves(service.submit(sweep(1e-3, 1e-2, seeds=[0, 1])).sweep_id)
    assert view.sweep.state is SweepState.QUEUED
    assert view.sweep.counts[TrialState.PENDING] == view.sweep.total == 4
    assert view.curves[0].pending == (2, 2)
    assert view.stabilities[0].best_value is None


def test_figures_are_plotly_json_and_a_page_of_their_own(service: Service) -> None:
    sweep_id = service.submit(sweep(1e-3, name="a figure")).sweep_id
    assert {"data", "layout"} <= json.loads(service.figures.sweep(sweep_id)).keys()
    page = service.figures.sweep_page(sweep_id)
    assert "<title>a figure</title>" in page
    trial_id = str(service.results(sweep_id)["trial_id"].iloc[0])
    assert {"data", "layout"} <= json.loads(service.figures.training(trial_id)).keys()


def test_unknown_ids_are_not_found(service: Service) -> None:
    for ask in (service.sweep, service.curves, service.results, service.trials, service.trial):
        with pytest.raises(NotFound):
            ask("nothing")


def test_every_preset_is_a_sweep_that_can_be_submitted(service: Service) -> None:
    for preset in all_presets():
        assert service.preview(preset.sweep).points > 0


def test_optimizers_list_every_hyperparameter_with_its_default() -> None:
    by_name = {info.name: info for info in optimizers()}
    assert by_name["adamw"].hyperparameters["beta2"].default == 0.95
    assert by_name["sgd"].hyperparameters["lr"].default == 1.0
    assert "eps" not in by_name["lion"].hyperparameters


def test_data_sets_are_found_by_their_manifest(service: Service) -> None:
    assert set(service.datasets()) == {"embedded"}


def test_an_optimizer_from_a_file_is_swept_by_its_name_and_identified_by_its_source(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = sweep(1e-3, optimizers=[{"name": "soft_sign", "softness": 0.1}])
    with pytest.raises(InvalidRequest, match="unknown optimizer 'soft_sign'"):
        service.submit(asked)
    for name, more in (("first", ""), ("second", "# Another source.\n")):
        path = tmp_path / f"{name}.py"
        path.write_text(example() + more)
        monkeypatch.setenv("SWEEPER_PLUGINS", str(path))
        assert (service.submit(asked).new, service.preview(asked).new) == (1, 0)
    assert "soft_sign" in {info.name for info in optimizers()}


def test_a_file_that_cannot_be_used_is_told_at_the_start(
    sqlite_store: Store, datasets_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWEEPER_PLUGINS", "nowhere.py")
    with pytest.raises(ValueError, match=r"SWEEPER_PLUGINS names nowhere\.py, which cannot be re"):
        Service(sqlite_store, datasets_dir)
