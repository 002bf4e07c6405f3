"""Examples of the OpenAPI document; a test sends every one of them."""

from typing import Any

SWEEP: dict[str, Any] = {
    "name": "learning rate at nano",
    "axis": {"parameter": "lr", "low": 1e-4, "high": 1e-1, "points": 7, "scale": "log"},
    "optimizers": ["adamw", "lion", {"name": "sgd", "values": [0.01, 0.1, 1.0]}],
    "scales": ["nano"],
    "seeds": [0, 1],
    "base": {"steps": 500},
}


def _body(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    """A body is read by `api.body` and judged by `sweeper`, so OpenAPI has to be told of it."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


SWEEP_BODY = _body("SweepSpec", SWEEP)
EXTENSION_BODY = _body("ExtensionSpec", {"values": [0.316, 1.0], "seeds": [0, 1]})
