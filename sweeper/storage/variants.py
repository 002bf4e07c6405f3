"""Storing the variants of a sweep."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert

from sweeper.storage.tables import variant
from sweeper.trials import Variant


def insert_variants(
    connection: Connection, key: int, variants: Sequence[Variant], *, rounds_open: bool = False
) -> list[int]:
    """Insert them in the order of their positions; their keys. See `tables` for `rounds_open`."""
    rows = [
        {
            "sweep_id": key,
            "position": position,
            "label": v.label,
            "optimizer": v.optimizer,
            "scale": v.scale,
            "architecture": v.architecture,
            "overrides": v.overrides,
            "rounds_open": rounds_open,
        }
        for position, v in enumerate(variants)
    ]
    if not rows:
        return []
    statement = insert(variant).returning(variant.c.id, sort_by_parameter_order=True)
    return list(connection.scalars(statement, rows))
