"""The optimizers in Markdown: `python -m sweeper.catalogue` prints the README's table.

`python -m sweeper.catalogue settings` prints `docs/optimizers.md`: what can be set on each of them.
"""

import sys
from collections.abc import Iterable, Iterator

from sweeper.optimizer_info import OptimizerInfo, SettingInfo, optimizers

COLUMNS = ("name", "what it is", "defaults", "state", "update", "source")
SETTINGS_COLUMNS = ("setting", "default", "range", "what it is", "whose default")
INTRODUCTION = """# Settings of the optimizers

Printed by `python -m sweeper.catalogue settings`. `GET /api/v1/optimizers` answers the same, also
for the classes of `torch.optim` and for what you add; what each optimizer costs is in the
[README](../README.md#optimizers).
"""


def table() -> str:
    """One row per built-in optimizer; those of torch and of plug-ins depend on the installation."""
    return _table(COLUMNS, map(_row, _built_in()))


def settings() -> str:
    """Every setting of every built-in optimizer: default, range, and whose default it is."""
    return "\n".join([INTRODUCTION, *_sections()])


def _sections() -> Iterator[str]:
    first, *_ = _built_in()
    shared = [first.setting(k) for k in first.hyperparameters if k not in first.own | {"lr"}]
    yield _section(
        "Of every optimizer", "Of the training loop; the defaults are the study's.", shared
    )
    for info in _built_in():
        yield _section(f"`{info.name}`", f"{info.summary} ({info.source})", info.own_settings)


def _section(title: str, text: str, rows: Iterable[SettingInfo]) -> str:
    return f"## {title}\n\n{text}\n\n{_table(SETTINGS_COLUMNS, map(_setting, rows))}"


def _built_in() -> list[OptimizerInfo]:
    return [info for info in optimizers() if not info.version]


def _row(info: OptimizerInfo) -> tuple[str, ...]:
    defaults = ", ".join(f"`{own.name}` {_text(own.default)}" for own in info.own_settings)
    size = "?" if info.cost.state_bytes is None else f"{info.cost.state_bytes:g}"
    return (f"`{info.name}`", info.summary, defaults, size, info.cost.extra_flops, info.source)


def _setting(setting: SettingInfo) -> tuple[str, ...]:
    name, rule = f"`{setting.name}`", f"`{setting.rule}`"
    return (name, _text(setting.default), rule, setting.help, setting.origin)


def _text(default: float) -> str:
    return ("off", "on")[default] if isinstance(default, bool) else f"{default:.4g}"


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [columns, ("---",) * len(columns), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


if __name__ == "__main__":
    sys.stdout.write(settings() if sys.argv[1:] == ["settings"] else table())
