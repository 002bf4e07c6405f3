"""Optimizers and training functions of others: files of the server's owner, installed packages.

A file is named in the environment variable `SWEEPER_PLUGINS` (several are separated like the
folders of `PATH`) and defines `OPTIMIZERS`, a mapping from names to `Entry`, or `TRAINERS`, one to
`TrainingFunction`, or both. A package names one `Entry` per entry point of the group
`sweeper.optimizers`, one `TrainingFunction` per entry point of `sweeper.trainers`. Both run with
all rights of the process, so only who starts the server can name them. What is swept is identified
by the SHA-256 of the file, or by the package's release.
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

from trainers.functions import TrainingFunction
from trainers.optimizers.base import Entry
from trainers.optimizers.soundness import check

VARIABLE = "SWEEPER_PLUGINS"

Registered = Entry | TrainingFunction
"""What a sweep can name."""

IN_FILES: Mapping[str, type[Registered]] = {"OPTIMIZERS": Entry, "TRAINERS": TrainingFunction}
GROUPS: Mapping[str, type[Registered]] = {
    "sweeper.optimizers": Entry,
    "sweeper.trainers": TrainingFunction,
}
"""What a mapping of a file, or a group of entry points, must hold."""

_NAME = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


@dataclass(frozen=True)
class Plugin:
    """A file's source and what it defines."""

    source: str
    entries: Mapping[str, Registered]


_sent: dict[str, Registered] = {}
"""What came with the work, in a worker: it needs no file, and one that it has may be another."""
_sources: dict[str, str] = {}
"""Where each of these is defined: a worker may have to hand it on."""


def find(name: str) -> Registered | None:
    """What has that name, or None; raises ValueError for a file that cannot be used."""
    return _sent.get(name) or _from_files().get(name) or _installed(tuple(sys.path)).get(name)


def names() -> tuple[str, ...]:
    """Every name that a file or a package defines; raises ValueError if both define one."""
    if twice := _from_files().keys() & _installed(tuple(sys.path)).keys():
        raise ValueError(f"a file of {VARIABLE} and a package define {', '.join(sorted(twice))}")
    return tuple(dict.fromkeys([*_sent, *_from_files(), *_installed(tuple(sys.path))]))


def source_of(name: str) -> str | None:
    """The source of the file that defines a name, to be sent with the work; else None."""
    if name in _sources:
        return _sources[name]
    return next((p.source for p in _files() if name in p.entries), None)


def take(source: str) -> None:
    """Makes known what a source defines, in this process and instead of what was of that name."""
    # Tracebacks look a line up by the origin, and a worker gets many sources in its time.
    sent = load(source, f"{_version(source)}, which came with the work").entries
    _sent.update(sent)
    _sources.update(dict.fromkeys(sent, source))


def load(source: str, origin: str) -> Plugin:
    """Runs a file's source; raises ValueError if it fails, or does not define what it should."""
    version, found = _version(source), dict[str, Registered]()
    module = _module(f"sweeper_plugin_{version[7:19]}", source, origin)
    for variable, kind in IN_FILES.items():
        for name, defined in _mapping(module, variable, kind, origin).items():
            if name in found:
                raise ValueError(f"{origin} defines {name} twice, in {' and in '.join(IN_FILES)}")
            found[name] = _checked(name, defined, kind, origin, version)
    if not found:
        described = " or ".join(f"{name}, {_described(kind)}" for name, kind in IN_FILES.items())
        raise ValueError(f"{origin} must define {described}")
    return Plugin(source, found)


def _version(source: str) -> str:
    return f"sha256:{hashlib.sha256(source.encode()).hexdigest()}"


def _mapping(
    module: ModuleType, variable: str, kind: type[Registered], origin: str
) -> Mapping[str, object]:
    defined = getattr(module, variable, {})
    if not isinstance(defined, Mapping):
        raise ValueError(f"{origin}: {variable} must be {_described(kind)}, but got {defined!r}")
    return defined


def _described(kind: type[Registered]) -> str:
    return f"a mapping from names to {kind.__name__}"


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


def _from_files() -> dict[str, Registered]:
    found: dict[str, Registered] = {}
    for plugin in _files():
        if twice := found.keys() & plugin.entries.keys():
            raise ValueError(f"two files of {VARIABLE} define {', '.join(sorted(twice))}")
        found |= plugin.entries
    return found


@cache
def _installed(path: tuple[str, ...]) -> dict[str, Registered]:
    del path  # Packages are looked for along it, so it is what the answer depends on.
    found: dict[str, Registered] = {}
    for group, kind in GROUPS.items():
        for point in importlib.metadata.entry_points(group=group):
            assert point.dist is not None, "an installed entry point belongs to a package"
            package = f"{point.dist.name} {point.dist.version}"
            origin = f"the package {package} ({group})"
            if point.name in found:
                raise ValueError(
                    f"{origin} declares {point.name}, which a package declares already"
                )
            found[point.name] = _checked(point.name, _loaded(point, origin), kind, origin, package)
    return found


def _loaded(point: importlib.metadata.EntryPoint, origin: str) -> object:
    try:
        return point.load()
    except Exception as error:
        raise ValueError(
            f"{origin}: {point.value} cannot be loaded: {type(error).__name__}: {error}"
        ) from error


def _checked(
    name: object, defined: object, kind: type[Registered], origin: str, version: str
) -> Registered:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{origin}: a name must match {_NAME.pattern}, but got {name!r}")
    if not isinstance(defined, kind):
        wanted, got = kind.__name__, type(defined).__name__
        raise ValueError(f"{origin}: {name} must be of type {wanted}, but is of type {got}")
    if isinstance(defined, Entry):
        try:
            check(defined)
        except ValueError as error:
            raise ValueError(f"{origin}: {name}: {error}") from error
    return replace(defined, version=version)


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
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        raise ValueError(f"{origin} fails: {type(error).__name__}: {error}") from error
    return module
