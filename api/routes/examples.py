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

IMPORT: dict[str, Any] = {
    "name": "learning rate of a published run",
    "imported_from": "arXiv 2509.02046, AdamW, 130m, 1x",
    "axis": {"parameter": "lr"},
    "rows": [
        {
            "label": "adamw 1x",
            "optimizer": "adamw",
            "scale": "130m",
            "value": 0.008,
            "outcome": "finite",
            "final_loss": 3.5291,
            "id": "sweep-130m-2B-adamw5098e9",
        },
        {
            "label": "adamw 1x",
            "optimizer": "adamw",
            "scale": "130m",
            "value": 0.064,
            "outcome": "diverged",
        },
    ],
}


def _body(schema: str, example: dict[str, Any]) -> dict[str, Any]:
    """A body is read by `api.body` and judged by `sweeper`, so OpenAPI has to be told of it."""
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"requestBody": {"required": True, "content": {"application/json": content}}}


SWEEP_BODY = _body("SweepSpec", SWEEP)
EXTENSION_BODY = _body("ExtensionSpec", {"values": [0.316, 1.0], "seeds": [0, 1]})
IMPORT_BODY = _body("ImportSpec", IMPORT)
EDIT_BODY = _body("EditSpec", {"note": "the baseline", "tags": ["lr", "nano"], "priority": 5})
