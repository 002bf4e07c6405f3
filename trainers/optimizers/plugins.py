"""Optimizers that are not ours: from a file of the server's owner, or from an installed package.

A file is named in the environment variable `SWEEPER_PLUGINS` (several are separated like the
folders of `PATH`) and defines `OPTIMIZERS`, a mapping from names to `Entry`. A package names one
`Entry` per entry point of the group `sweeper.optimizers`. Both run with all rights of the process,
so only who starts the server can name them. What is swept is identified by the SHA-256 of the
file, or by the package's release.
"""

import hashlib
import importlib.abc
import importlib.metadata
import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import CodeType, ModuleType

from trainers.optimizers.base import Entry

VARIABLE = "SWEEPER_PLUGINS"
GROUP = "sweeper.optimizers"
NAMES = "OPTIMIZERS"

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


@dataclass(frozen=True)
class Plugin:
    """A file's source and what it defines."""

    source: str
    entries: Mapping[str, Entry]


_sent: dict[str, Entry] = {}
"""What came with the work, in a worker: it needs no file, and one that it has may be another."""


def find(name: str) -> Entry | None:
    """The optimizer of that name, or None; raises ValueError for a file that cannot be used."""
    return _sent.get(name) or _from_files().get(name) or _installed(tuple(sys.path)).get(name)


def names() -> tuple[str, ...]:
    """Every name that a file or a package defines."""
    return tuple(dict.fromkeys([*_sent, *_from_files(), *_installed(tuple(sys.path))]))


def source_of(name: str) -> str | None:
    """The source of the file that defines an optimizer, to be sent with the work; else None."""
    return next((p.source for p in _files() if name in p.entries), None)


def take(source: str) -> None:
    """Makes known what a source defines, in this process and instead of what was of that name."""
    _sent.update(load(source, "the source that came with the work").entries)


def load(source: str, origin: str) -> Plugin:
    """Runs a file's source; raises ValueError if it fails, or does not define what it should."""
    digest = hashlib.sha256(source.encode()).hexdigest()
    module = _module(f"sweeper_plugin_{digest[:12]}", source, origin)
    defined = getattr(module, NAMES, None)
    if not isinstance(defined, Mapping) or not defined:
        raise ValueError(f"{origin} must define {NAMES}, a mapping from names to Entry")
    version = f"sha256:{digest}"
    return Plugin(source, {k: _checked(k, v, origin, version) for k, v in defined.items()})


def _files() -> tuple[Plugin, ...]:
    return _read(os.environ.get(VARIABLE, ""))


@cache
def _read(paths: str) -> tuple[Plugin, ...]:
    """Read once: a file that changes while the server runs is another one at the next start."""
    return tuple(_read_one(Path(path)) for path in paths.split(os.pathsep) if path)


def _read_one(path: Path) -> Plugin:
    try:
        source = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{VARIABLE} names {path}, which cannot be read: {error}") from error
    return load(source, f"{path} ({VARIABLE})")


def _from_files() -> dict[str, Entry]:
    found: dict[str, Entry] = {}
    for plugin in _files():
        if twice := found.keys() & plugin.entries.keys():
            raise ValueError(f"two files of {VARIABLE} define {', '.join(sorted(twice))}")
        found |= plugin.entries
    return found


@cache
def _installed(path: tuple[str, ...]) -> dict[str, Entry]:
    del path  # Packages are looked for along it, so it is what the answer depends on.
    found = {}
    for point in importlib.metadata.entry_points(group=GROUP):
        assert point.dist is not None, "an installed entry point belongs to a package"
        package = f"{point.dist.name} {point.dist.version}"
        origin = f"the package {package} ({GROUP})"
        found[point.name] = _checked(point.name, point.load(), origin, package)
    return found


def _checked(name: object, entry: object, origin: str, version: str) -> Entry:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{origin}: a name must match {_NAME.pattern}, but got {name!r}")
    if not isinstance(entry, Entry):
        raise ValueError(f"{origin}: {name} must be an Entry, but is {type(entry).__name__}")
    return replace(entry, version=version)


class _FromText(importlib.abc.InspectLoader):
    """Loads a module whose source is at hand, wherever its file is."""

    def __init__(self, source: str, origin: str) -> None:
        self._source, self._origin = source, origin

    def get_source(self, fullname: str) -> str:
        """The source."""
        del fullname
        return self._source

    def get_code(self, fullname: str) -> CodeType:
        """The source compiled, with its origin in tracebacks."""
        del fullname
        return self.source_to_code(self._source, self._origin)


def _module(name: str, source: str, origin: str) -> ModuleType:
    spec = importlib.util.spec_from_loader(name, _FromText(source, origin))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # Dataclasses look their module up while it runs.
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise ValueError(f"{origin} fails: {type(error).__name__}: {error}") from error
    return module
