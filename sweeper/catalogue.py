"""The optimizers as a table in Markdown: `python -m sweeper.catalogue` prints the README's."""

import sys

from sweeper.service import OptimizerInfo, optimizers

COLUMNS = ("name", "what it is", "defaults", "state", "update", "source")


def table() -> str:
    """One row per built-in optimizer; those of torch and of plug-ins depend on the installation."""
    rows = [_row(info) for info in optimizers() if not info.version]
    return "\n".join(_line(row) for row in [COLUMNS, ("---",) * len(COLUMNS), *rows]) + "\n"


def _row(info: OptimizerInfo) -> tuple[str, ...]:
    own = [f"`{name}` {_text(default)}" for name, default in info.own_defaults.items()]
    size = "?" if info.cost.state_bytes is None else f"{info.cost.state_bytes:g}"
    settings = ", ".join([f"`lr` {info.hyperparameters['lr'].default:g}", *own])
    return (f"`{info.name}`", info.summary, settings, size, info.cost.extra_flops, info.source)


def _text(default: float) -> str:
    return ("off", "on")[default] if isinstance(default, bool) else f"{default:.4g}"


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.stdout.write(table())
