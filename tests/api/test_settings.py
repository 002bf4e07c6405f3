"""Settings come from documented variables, and nothing is open to a network by accident."""

import inspect
import math
from pathlib import Path

import pytest

from api import settings
from api.settings import LOOPBACK_NAMES, Settings, is_loopback
from sweeper import limits


def test_the_defaults_are_a_file_on_loopback(tmp_path: Path) -> None:
    found = Settings.from_environment({"SWEEPER_DATA": str(tmp_path)})
    assert found.database == f"sqlite:///{tmp_path / 'sweeper.db'}"
    assert (found.host, found.port) == ("127.0.0.1", 8000)
    assert found.allowed_hosts == LOOPBACK_NAMES
    assert found.confirm_above_hours == math.inf


def test_every_variable_is_read(tmp_path: Path) -> None:
    found = Settings.from_environment(
        {
            "SWEEPER_DATA": str(tmp_path),
            "SWEEPER_DATABASE": "postgresql://db/sweeper",
            "SWEEPER_HOST": "0.0.0.0",  # noqa: S104 - the case under test
            "SWEEPER_PORT": "81",
            "SWEEPER_ALLOWED_HOSTS": "Sweeper.lan, other",
            "SWEEPER_TRUSTED_NETWORK": "1",
            "SWEEPER_CONFIRM_ABOVE_HOURS": "2.5",
        }
    )
    assert found.database == "postgresql://db/sweeper"
    assert found.port == 81
    assert found.allowed_hosts == LOOPBACK_NAMES | {"sweeper.lan", "other"}
    assert found.trusted_network
    assert found.confirm_above_hours == 2.5


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.2", "::", "example.org"])  # noqa: S104
def test_other_binds_need_a_trusted_network(host: str) -> None:
    with pytest.raises(ValueError, match="there is no login yet"):
        Settings.from_environment({"SWEEPER_HOST": host})
    trusted = Settings.from_environment({"SWEEPER_HOST": host, "SWEEPER_TRUSTED_NETWORK": "1"})
    assert trusted.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost"])
def test_loopback_has_many_names(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SWEEPER_PORT", "http", "whole number"),
        ("SWEEPER_PORT", "70000", "0 <= port < 65536"),
        ("SWEEPER_TRUSTED_NETWORK", "perhaps", "0, 1, true, false"),
        ("SWEEPER_CONFIRM_ABOVE_HOURS", "many", ">= 0 must hold, in hours, but got 'many'"),
        ("SWEEPER_CONFIRM_ABOVE_HOURS", "-1", ">= 0 must hold"),
        ("SWEEPER_CONFIRM_ABOVE_HOURS", "nan", ">= 0 must hold"),
    ],
)
def test_a_value_that_makes_no_sense_is_told(name: str, value: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Settings.from_environment({name: value})


def test_every_variable_is_documented() -> None:
    sources = [inspect.getsource(module) for module in (settings, limits)]
    assert settings.__doc__ is not None
    names = ("DATABASE", "DATA", "HOST", "PORT", "ALLOWED_HOSTS", "TRUSTED_NETWORK")
    for name in (*names, "CONFIRM_ABOVE_HOURS"):
        assert f'"SWEEPER_{name}"' in "".join(sources)
        assert f"`SWEEPER_{name}`" in settings.__doc__
