"""The application over a real SQLite store, asked as a program on this machine would."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.settings import Settings
from sweeper.storage.store import Store, open_store

BASE_URL = "http://127.0.0.1:8000"

SPEC: dict[str, Any] = {
    "name": "a sweep",
    "axis": {"parameter": "lr", "low": 1e-4, "high": 1e-1, "points": 4},
    "optimizers": ["adamw", "lion"],
    "base": {"steps": 20},
}


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared, because the embedded corpus is written into it once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty database: to copy it is quicker than to migrate anew for every test."""
    path = tmp_path_factory.mktemp("migrated") / "sweeper.db"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def store(migrated: Path, tmp_path: Path) -> Iterator[Store]:
    path = shutil.copy(migrated, tmp_path / "sweeper.db")
    with open_store(f"sqlite:///{path}") as opened:
        yield opened


@pytest.fixture
def client(store: Store, data_dir: Path) -> Iterator[TestClient]:
    app = create_app(store, Settings(database=store.url, data_dir=data_dir))
    with TestClient(app, base_url=BASE_URL) as opened:
        yield opened


@pytest.fixture
def sweep_id(client: TestClient) -> str:
    answer = client.post("/api/v1/sweeps", json=SPEC)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])
