"""Settings of the web process, from the environment.

`SWEEPER_DATABASE`         address of the database; default a SQLite file in the home folder
`SWEEPER_DATA`             home folder: database, data sets, checkpoints; default `.sweeper`
`SWEEPER_HOST`             address to bind; default 127.0.0.1
`SWEEPER_PORT`             port to bind; default 8000
`SWEEPER_ALLOWED_HOSTS`    further names, by comma, that requests may be addressed to
`SWEEPER_TRUSTED_NETWORK`  1: everybody who reaches a bind off loopback may do everything
`SWEEPER_CONFIRM_ABOVE_HOURS`  device-hours beyond which a sweep has to be confirmed; default none
"""

import ipaddress
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sweeper.limits import confirm_above_hours

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})

_SWITCH = {"": False, "0": False, "false": False, "no": False, "1": True, "true": True, "yes": True}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the service keeps its data and whom it answers; the module lists the variables."""

    database: str
    data_dir: Path
    host: str = "127.0.0.1"
    port: int = 8000
    allowed_hosts: frozenset[str] = LOOPBACK_NAMES
    """Host names without port, lower case, that a request may be addressed to."""
    trusted_network: bool = False
    confirm_above_hours: float = math.inf

    def __post_init__(self) -> None:
        if not 0 <= self.port < 2**16:
            raise ValueError(f"0 <= port < 65536 must hold, but got port={self.port}")
        if not (self.trusted_network or is_loopback(self.host)):
            raise ValueError(
                f"there is no login yet, so host must be loopback, but got host={self.host!r}; "
                "known: 127.0.0.1, ::1, localhost, or any with SWEEPER_TRUSTED_NETWORK=1"
            )

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> "Settings":
        """The settings of this process; ValueError names a variable that makes no sense."""
        env = os.environ if environment is None else environment
        data_dir = Path(env.get("SWEEPER_DATA") or ".sweeper").absolute()
        host = env.get("SWEEPER_HOST") or "127.0.0.1"
        return cls(
            database=env.get("SWEEPER_DATABASE") or f"sqlite:///{data_dir / 'sweeper.db'}",
            data_dir=data_dir,
            host=host,
            port=_port(env.get("SWEEPER_PORT") or "8000"),
            allowed_hosts=LOOPBACK_NAMES | _names(env.get("SWEEPER_ALLOWED_HOSTS", "")),
            trusted_network=_switch(env, "SWEEPER_TRUSTED_NETWORK"),
            confirm_above_hours=confirm_above_hours(env),
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"SWEEPER_PORT must be a whole number, but got {text!r}")
    return int(text)


def _names(text: str) -> frozenset[str]:
    return frozenset(name.strip().lower() for name in text.split(",") if name.strip())


def _switch(env: Mapping[str, str], name: str) -> bool:
    value = env.get(name, "").strip().lower()
    if value not in _SWITCH:
        raise ValueError(f"{name} must be one of 0, 1, true, false, but got {value!r}")
    return _SWITCH[value]
