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

SWEEP_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/SweepSpec"},
                "example": SWEEP,
            }
        },
    }
}
"""The body is read by `api.body` and judged by `sweeper.spec`, so OpenAPI has to be told of it."""
