"""The OpenAPI document: stable names, and an example of every operation that is really sent."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from sweeper.storage.store import Store
from tests.api import played
from tests.api.conftest import SPEC

OPERATIONS = {
    "submit_sweep",
    "preview_sweep",
    "import_sweep",
    "list_sweeps",
    "get_sweep",
    "cancel_sweep",
    "pause_sweep",
    "resume_sweep",
    "retry_sweep",
    "extend_sweep",
    "edit_sweep",
    "delete_sweep",
    "get_disk_use",
    "get_curves",
    "compare_sweeps",
    "get_transfer_figure",
    "get_stability",
    "get_heat_maps",
    "get_search",
    "get_figure",
    "get_figure_page",
    "get_report",
    "get_training_figure",
    "get_results",
    "get_results_as",
    "list_trials",
    "get_trial",
    "get_metrics",
    "get_log",
    "list_events",
    "list_optimizers",
    "list_scales",
    "list_presets",
    "list_datasets",
    "get_health",
    "get_readiness",
}

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def document(client: TestClient) -> dict[str, Any]:
    answer = client.get("/openapi.json").json()
    assert isinstance(answer, dict)
    return answer


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def test_operations_have_names_that_stay(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names))
    assert set(names) == OPERATIONS


def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        assert operation.get("description"), path
        for parameter in operation.get("parameters", []):
            assert parameter.get("description"), (path, parameter["name"])


def test_errors_are_documented_in_their_one_shape(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        if path.startswith("/api/"):
            content = operation["responses"]["default"]["content"]
            assert list(content) == ["application/problem+json"], path


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    for reference in re.findall(r'"#/([^"]+)"', json.dumps(document)):
        place: Any = document
        for part in reference.split("/"):
            place = place[part]


def test_every_example_is_answered_as_documented(
    client: TestClient, store: Store, sweep_id: str, document: dict[str, Any]
) -> None:
    played.finish_all(store)
    trial_id = client.get(f"/api/v1/sweeps/{sweep_id}/trials").json()["items"][0]["trial_id"]
    sent = 0
    for method, path, operation in operations(document):
        # What is cancelled can be neither paused nor resumed: each change gets a sweep of its own.
        target = sweep_id if method == "GET" else submitted(client)
        if method == "DELETE":
            client.post(f"/api/v1/sweeps/{target}/cancel")
        filled = path.format(sweep_id=target, trial_id=trial_id, form="csv")
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        assert bool(body) == ("example" in body), path
        needed = [p["name"] for p in operation.get("parameters", []) if p.get("required")]
        query = {"sweep": target} if "sweep" in needed else {}
        answer = client.request(method, filled, params=query, json=body.get("example"))
        documented = set(operation["responses"]) - {"422", "default"}
        assert str(answer.status_code) in documented, (method, path, answer.text)
        media_types = operation["responses"][str(answer.status_code)].get("content", {})
        assert answer.headers["content-type"].partition(";")[0] in media_types, path
        sent += 1
    assert sent == len(OPERATIONS)


def submitted(client: TestClient) -> str:
    return str(client.post("/api/v1/sweeps", json=SPEC).json()["id"])


def test_the_readme_lists_every_route(document: dict[str, Any]) -> None:
    text = README.read_text(encoding="utf-8")
    for method, path, _ in operations(document):
        assert f"{method} {path}" in text, f"the README does not have `{method} {path}`"
