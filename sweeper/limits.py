"""Limits that a server sets, from its environment."""

import math
import os
from collections.abc import Mapping

CONFIRM_ABOVE_HOURS = "SWEEPER_CONFIRM_ABOVE_HOURS"


def confirm_above_hours(environment: Mapping[str, str] = os.environ) -> float:
    """Device-hours beyond which a sweep has to be confirmed; ValueError unless it is a time."""
    text = environment.get(CONFIRM_ABOVE_HOURS) or "inf"
    rule = f"{CONFIRM_ABOVE_HOURS} >= 0 must hold, in hours, but got {text!r}"
    try:
        hours = float(text)
    except ValueError:
        raise ValueError(rule) from None
    if math.isnan(hours) or hours < 0:
        raise ValueError(rule)
    return hours
