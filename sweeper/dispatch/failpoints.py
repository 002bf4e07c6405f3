"""Named places where a fault test can make a process die, hang or raise. Silent in service.

`SWEEPER_FAILPOINTS` is a JSON list of `{"name", "action", "marker", "when"}`. A failpoint fires in
the first process that gets there with everything in `when` matching, and creates the file `marker`,
by which the test sees that it fired; it never fires twice, unless `always` is set, not before
the file `from` exists, and not once the file `until` does.
"""

import json
import logging
import os
import signal
import time
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

VARIABLE = "SWEEPER_FAILPOINTS"

_log = logging.getLogger(__name__)


def hit(name: str, **context: Any) -> None:
    """Act if the environment asks for a fault here."""
    for rule in _rules():
        if rule["name"] != name or not _is_on(rule):
            continue
        if _matches(rule.get("when", {}), context) and _first(rule):
            _log.info("failpoint %s fires: %s", name, rule["action"])
            _ACTIONS[rule["action"]]()


@cache
def _rules() -> list[dict[str, Any]]:
    rules: list[dict[str, Any]] = json.loads(os.environ.get(VARIABLE, "[]"))
    return rules


def _matches(when: Mapping[str, Any], context: Mapping[str, Any]) -> bool:
    """Whether each wanted value is the one here, or among those here."""
    return all(
        wanted in here if isinstance(here := context[key], tuple) else here == wanted
        for key, wanted in when.items()
    )


def _is_on(rule: Mapping[str, Any]) -> bool:
    has_begun = "from" not in rule or Path(rule["from"]).exists()
    return has_begun and not ("until" in rule and Path(rule["until"]).exists())


def _first(rule: Mapping[str, Any]) -> bool:
    if rule.get("always"):
        Path(rule["marker"]).touch()
        return True
    try:
        Path(rule["marker"]).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _hang() -> None:
    time.sleep(600)


def _raise() -> None:
    raise ValueError("a failpoint raised")


def _slow() -> None:
    time.sleep(0.1)


_ACTIONS: Mapping[str, Callable[[], None]] = {
    "kill": _kill,
    "hang": _hang,
    "raise": _raise,
    "slow": _slow,
}
