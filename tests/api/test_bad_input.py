"""What a user can get wrong: field, rule, value and choices are told, and nothing is stored."""

import copy
from typing import Any

import pytest
from starlette.testclient import TestClient

from api import body as body_reader
from sweeper.storage.store import Store
from tests.api.conftest import SPEC


def changed(**changes: Any) -> dict[str, Any]:
    """The good sweep with parts replaced; `axis` entries are merged, None takes a key out."""
    spec = copy.deepcopy(SPEC)
    axis = changes.pop("axis", {})
    spec["axis"] = {k: v for k, v in (spec["axis"] | axis).items() if v is not None}
    return {k: v for k, v in (spec | changes).items() if v is not None}


def listed(*values: Any, **axis: Any) -> dict[str, Any]:
    return {"low": None, "high": None, "points": None, "values": list(values)} | axis


CASES: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "unknown optimizer": (
        changed(optimizers=["adamw", "adamx"]),
        "/optimizers/1",
        ("unknown optimizer 'adamx'", "known:", "adamw", "lion"),
    ),
    "unknown scale": (changed(scales=["huge"]), "/scales/0", ("unknown scale 'huge'", "nano")),
    "unknown architecture": (
        changed(architectures=["deep"]),
        "/architectures/0",
        ("unknown architecture 'deep'", "standard", "plain"),
    ),
    "unknown data set": (changed(data="mine"), "/data", ("'mine'", "known: embedded")),
    "unknown key": (changed(nmae="x"), "/nmae", ("unknown key 'nmae'", "name")),
    "unknown key of the axis": (changed(axis={"lo": 1}), "/axis/lo", ("unknown key 'lo'", "low")),
    "unknown setting": (changed(base={"stpes": 5}), "/base/stpes", ("'stpes'", "steps")),
    "unknown hyperparameter": (
        changed(axis={"parameter": "speed"}),
        "/axis/parameter",
        ("'speed'", "lr", "momentum"),
    ),
    "a hyperparameter the optimizer lacks": (
        changed(axis={"parameter": "eps", "low": 1e-12, "high": 1e-3}),
        "/optimizers/1",
        ("lion has no 'eps'", "beta2", "momentum", "inert: true"),
    ),
    "an override the optimizer lacks": (
        changed(optimizers=[{"name": "lion", "eps": 1e-8}]),
        "/optimizers/0/eps",
        ("lion has no 'eps'", "momentum"),
    ),
    "zero on a log axis": (
        changed(axis=listed(0, 0.1)),
        "/axis/values/0",
        ("`lr > 0` must hold", "lr=0", "zero: true"),
    ),
    "a negative value": (
        changed(axis=listed(0.1, -0.1)),
        "/axis/values/1",
        ("`lr > 0` must hold", "lr=-0.1"),
    ),
    "a negative end of the range": (
        changed(axis={"low": -1e-4}),
        "/axis/low",
        ("`low > 0` must hold", "low=-0.0001"),
    ),
    "a range upside down": (
        changed(axis={"low": 0.1, "high": 0.01}),
        "/axis/high",
        ("`low < high` must hold", "0.1"),
    ),
    "momentum of one": (
        changed(axis={"parameter": "momentum"} | listed(0.9, 1.0)),
        "/axis/values/1",
        ("momentum < 1", "momentum=1"),
    ),
    "momentum above one, set": (
        changed(optimizers=[{"name": "adamw", "momentum": 1.5}]),
        "/optimizers/0/momentum",
        ("0 <= momentum < 1", "momentum=1.5"),
    ),
    "no values": (changed(axis=listed()), "/axis/values", ("at least 1 item", "[]")),
    "neither values nor a range": (
        changed(axis={"low": None, "high": None, "points": None}),
        "/axis",
        ("`values`", "`low` and `high` with either `points`"),
    ),
    "both values and a range": (changed(axis={"values": [0.1]}), "/axis", ("in one way",)),
    "repeated values": (changed(axis=listed(0.1, 0.2, 0.1)), "/axis/values", ("repeat", "0.1")),
    "values that coincide after rounding": (
        changed(axis={"low": 0.1, "high": 0.1001, "points": 5}),
        "/axis",
        ("repeat", "0.1"),
    ),
    "too many points": (
        changed(axis={"points": 5001}, seeds=[0, 1, 2]),
        "",
        ("10000", "30006"),
    ),
    "no optimizers": (changed(optimizers=[]), "/optimizers", ("at least 1 item",)),
    "no name": (changed(name=None), "/name", ("required",)),
    "markup in a name": (
        changed(name="<b>x</b>"),
        "/name",
        ("must match", "no <, >, & or double quotes", "<b>x</b>"),
    ),
    "a text for a number": (changed(axis={"low": "small"}), "/axis/low", ("number", "'small'")),
    "repeated seeds": (changed(seeds=[1, 1]), "/seeds", ("repeat", "1")),
    "a setting that is swept": (changed(base={"lr": 0.1}), "/base/lr", ("swept", "lr")),
    "no steps": (changed(base={"steps": 0}), "/base/steps", ("1 <= steps", "steps=0")),
    "half a step": (changed(base={"steps": 1.5}), "/base/steps", ("whole number", "1.5")),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("path", ["/api/v1/sweeps", "/api/v1/sweeps/preview"])
def test_a_broken_rule_is_told_by_field_and_stores_nothing(
    client: TestClient, store: Store, path: str, case: str
) -> None:
    body, pointer, words = CASES[case]
    answer = client.post(path, json=body)
    problem = answer.json()
    assert answer.status_code == 422, problem
    assert answer.headers["content-type"] == "application/problem+json"
    assert problem["type"] == "urn:sweeper:problem:invalid-request"
    messages = {error["pointer"]: error["message"] for error in problem["errors"]}
    assert pointer in messages, problem["errors"]
    for word in words:
        assert word in messages[pointer]
    assert store.sweeps.list().items == ()
    assert store.queue.free_trials() == []


@pytest.mark.parametrize(
    ("text", "pointer", "value"),
    [
        ('{"axis": {"low": NaN}}', "/axis/low", "nan"),
        ('{"axis": {"values": [1, Infinity]}}', "/axis/values/1", "inf"),
        ('{"axis": {"values": [-Infinity]}}', "/axis/values/0", "-inf"),
        ('{"base": {"a/b~c": 1e999}}', "/base/a~1b~0c", "inf"),
    ],
)
def test_numbers_that_are_not_finite_are_told_by_place(
    client: TestClient, store: Store, text: str, pointer: str, value: str
) -> None:
    answer = send(client, text)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [
        {"pointer": pointer, "message": f"must be a finite number, but got {value}"}
    ]
    assert store.sweeps.list().items == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "line 1, column 1"),
        ("{", "line 1, column 2"),
        ('{"name": }', "column 10"),
        (b'{"name": "\xff"}', "byte 10 is not UTF-8"),
        ("[" * 20_000, "16 levels"),
        ('{"a": 1, "a": 2}', "'a' occurs twice"),
        ('{"a": ' + "9" * 5000 + "}", "digits"),
        ('{"name": "\\ud800"}', r"'\ud800' is half of a surrogate pair"),
        ('{"base": {"\\uDC00": 1e999}}', r"'\udc00' is half"),
    ],
    ids=[
        *("empty", "cut off", "no value", "encoding", "deep", "twice", "digits"),
        *("half a character", "half a character in a key"),
    ],
)
def test_what_is_not_json_is_refused_before_it_is_read(
    client: TestClient, store: Store, text: str | bytes, words: str
) -> None:
    answer = send(client, text)
    assert answer.status_code == 400, answer.text
    assert answer.json()["type"] == "urn:sweeper:problem:broken-json"
    assert words in answer.json()["detail"]
    assert store.sweeps.list().items == ()


def test_a_pair_of_escapes_is_a_character(client: TestClient) -> None:
    answer = send(client, '{"\\ud83d\\ude00": 1}')
    assert answer.status_code == 422
    assert "/\U0001f600" in [error["pointer"] for error in answer.json()["errors"]]


def test_a_repeated_key_among_many_is_found_in_one_pass() -> None:
    compared = 0

    class Key(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            nonlocal compared
            compared += 1
            return str.__eq__(self, other)

        __hash__ = str.__hash__

    pairs = [(Key(i), i) for i in range(2000)]
    with pytest.raises(ValueError, match="'1999' occurs twice"):
        body_reader._unique([*pairs, (Key(1999), 0)])
    assert compared < 4 * len(pairs)


def test_brackets_in_texts_are_not_depth(client: TestClient) -> None:
    spec = changed(name="((" + "[" * 50 + "]" * 50 + "))")
    assert client.post("/api/v1/sweeps", json=spec).status_code == 201


@pytest.mark.parametrize("text", ["[]", "1", "null", '"x"', "true"])
def test_the_body_is_an_object(client: TestClient, text: str) -> None:
    answer = send(client, text)
    assert answer.status_code == 422
    assert "must be an object" in answer.json()["errors"][0]["message"]


def send(client: TestClient, text: str | bytes) -> Any:
    headers = {"content-type": "application/json"}
    return client.post("/api/v1/sweeps", content=text, headers=headers)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/sweeps/none"),
        ("GET", "/api/v1/sweeps/none/curves"),
        ("GET", "/api/v1/sweeps/none/figure"),
        ("GET", "/api/v1/sweeps/none/figure.html"),
        ("GET", "/api/v1/sweeps/none/report.html"),
        ("GET", "/api/v1/sweeps/none/stability"),
        ("GET", "/api/v1/sweeps/none/trials"),
        ("GET", "/api/v1/sweeps/none/results"),
        ("GET", "/api/v1/sweeps/none/results.csv"),
        ("GET", "/api/v1/sweeps/none/events"),
        ("POST", "/api/v1/sweeps/none/cancel"),
        ("POST", "/api/v1/sweeps/none/pause"),
        ("POST", "/api/v1/sweeps/none/resume"),
        ("POST", "/api/v1/sweeps/none/retry"),
        ("GET", "/api/v1/trials/none"),
        ("GET", "/api/v1/trials/none/metrics"),
        ("GET", "/api/v1/trials/none/log"),
        ("GET", "/api/v1/trials/none/figure"),
    ],
)
def test_an_unknown_id_is_not_found(client: TestClient, method: str, path: str) -> None:
    answer = client.request(method, path)
    assert answer.status_code == 404
    assert answer.json()["type"] == "urn:sweeper:problem:not-found"
    assert "'none'" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        ("/api/v1/sweeps?limit=0", "query/limit"),
        ("/api/v1/sweeps?limit=many", "query/limit"),
        ("/api/v1/sweeps?search=a%00b", "query/search"),
        ("/api/v1/sweeps/x/figure?theme=pink", "query/theme"),
        ("/api/v1/sweeps/x/events?after=99999999999999999999", "query/after"),
    ],
)
def test_queries_are_judged_like_bodies(client: TestClient, path: str, pointer: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_an_id_no_event_can_have_is_refused(client: TestClient, sweep_id: str) -> None:
    headers = {"last-event-id": str(2**63)}
    answer = client.get(f"/api/v1/sweeps/{sweep_id}/events", headers=headers)
    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == ["header/last-event-id"]


@pytest.mark.parametrize(
    "path", ["/api/v1/sweeps/a%00b", "/api/v1/trials/a%00b/log", "/api/v1/sweeps?cursor=a%00b"]
)
def test_an_id_with_nul_never_reaches_the_database(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "ids hold no NUL" in answer.json()["detail"]


def test_an_unknown_cursor_is_not_found(client: TestClient, sweep_id: str) -> None:
    answer = client.get("/api/v1/sweeps?cursor=nonsense")
    assert answer.status_code == 404
    assert "'nonsense'" in answer.json()["detail"]
