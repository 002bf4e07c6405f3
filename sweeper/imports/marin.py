"""Result files of Marin's optimizer sweeps (arXiv 2509.02046): a tuned base, and single changes.

`result` maps "Baseline" and "param=value" to losses, `name` the same keys to names of runs,
`best_config` is the base, `min_loss` the lowest loss known. Which optimizer, size and length a file
is about stands only in its path: `{optimizer}/{size}/{ratio}.json`, `ratio` being the training
tokens in multiples of 20 per parameter, or `…/{ratio}/result.json`.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from sweeper.imports.found import Found, Row, bad

BASE = "Baseline"
KEYS = ("result", "name", "best_config", "min_loss")
NAMES = {
    "learning_rate": "lr",
    "beta1": "momentum",
    "epsilon": "eps",
    "max_grad_norm": "grad_clip",
    "min_lr_ratio": "lr_floor",
    "train_batch_size": "batch_size",
    "warmup": "warmup_steps",
}
MUON_NAMES = NAMES | {"beta1": "adam_momentum"}
"""Muon's `momentum` is its own; its `beta1` is that of the AdamW beside it."""
OPTIMIZERS = {"soape": "soap"}
NOT_FINITE = ("NaN", "Infinity", "-Infinity")


class _Cell(NamedTuple):
    """Which optimizer, size and length a file is about."""

    optimizer: str
    size: str
    ratio: str


class _Result(NamedTuple):
    key: str
    value: float | None
    """None for the base."""
    loss: float | None
    """NaN if it diverged; None for a run that was still missing."""
    run: str | None


def is_marin(content: Any) -> bool:
    """Whether a JSON value looks like such a file."""
    return isinstance(content, dict) and {"result", "best_config"} <= content.keys()


def read(content: Mapping[str, Any], path: Path, parameter: str, *, nameless: bool) -> Found:
    """The base and its changes of one hyperparameter, as our names have it, as one variant.

    Missing losses are left out; where the base's is missing, `min_loss` stands for it. NaN is
    divergence. A loss without a name of its run is refused unless `nameless`. The whole file is
    checked, whatever is taken of it.
    """
    cell = _cell(path)
    source = "/".join((*cell[:2], path.name if path.stem == cell.ratio else f"{cell.ratio}.json"))
    _check_shape(content, source)
    names = MUON_NAMES if cell.optimizer == "muon" else NAMES
    theirs = {names.get(key, key): key for key in content["best_config"]}
    if parameter not in theirs or not _is_number(content["best_config"][theirs[parameter]]):
        known = sorted(k for k, v in theirs.items() if _is_number(content["best_config"][v]))
        raise bad(source, f"there is no {parameter!r} in best_config; known: {', '.join(known)}")
    taken = [
        result
        for result in _results(content, source, nameless)
        if result.key == BASE or result.key.startswith(f"{theirs[parameter]}=")
    ]
    known = [r for r in taken if r.loss is not None or r.key == BASE]
    rows = [_row(result, cell, content, names, theirs[parameter]) for result in known]
    missing = len(taken) - len(known)
    return Found(
        source=f"Marin {source}",
        rows=tuple(rows),
        places=tuple(f"{source}, result[{result.key!r}]" for result in known),
        left_out=(f"{source}: {missing} runs without a loss",) if missing else (),
        parameter=parameter,
    )


def _cell(path: Path) -> _Cell:
    parts = path.absolute().with_suffix("").parts
    named = parts[-4:-1] if path.stem == "result" else parts[-3:]
    if len(named) < 3 or not named[2].isdigit():
        raise bad(
            str(path),
            "the path must tell the optimizer, size and ratio, as adamw/130m/1.json or "
            "adamw/130m/1/result.json does",
        )
    optimizer, size, ratio = named
    return _Cell(OPTIMIZERS.get(optimizer, optimizer), size, ratio)


def _check_shape(content: Mapping[str, Any], source: str) -> None:
    for key in KEYS:
        if key not in content:
            raise bad(source, f"{key!r} is required")
    for key in KEYS[:3]:
        if not isinstance(content[key], dict):
            raise bad(f"{source}, {key}", f"an object is needed, but got {_shown(content[key])}")
    if not _is_number(content["min_loss"]):
        raise bad(
            f"{source}, min_loss", f"a number is needed, but got {_shown(content['min_loss'])}"
        )


def _results(content: Mapping[str, Any], source: str, nameless: bool) -> Iterator[_Result]:
    for key, loss in content["result"].items():
        place = f"{source}, result[{key!r}]"
        _, equals, text = key.partition("=")
        if key != BASE and not equals:
            raise bad(place, f"a key is {BASE!r} or 'param=value', but got {key!r}")
        if not (loss is None or _is_number(loss) or loss in NOT_FINITE):
            raise bad(place, f"a loss, 'NaN' or null is needed, but got {_shown(loss)}")
        run = content["name"].get(key)
        if loss is not None and not nameless and not (isinstance(run, str) and run):
            raise bad(
                f"{source}, name[{key!r}]",
                f"every loss needs the name of its run, but got {_shown(run)}"
                "; --allow-null-ids takes it without one",
            )
        yield _Result(key, _number(text), _number(loss), run if isinstance(run, str) else None)


def _row(
    result: _Result,
    cell: _Cell,
    content: Mapping[str, Any],
    names: Mapping[str, str],
    theirs: str,
) -> Row:
    base = content["best_config"]
    value = base[theirs] if result.key == BASE else result.value
    row: dict[str, Any] = {
        "label": f"{cell.optimizer} {cell.ratio}x",
        "optimizer": cell.optimizer,
        "scale": cell.size,
        "value": result.key.partition("=")[2] if value is None else value,
        "config": _config({**base, theirs: value}, names) | {"tokens_ratio": int(cell.ratio)},
    }
    loss = content["min_loss"] if result.loss is None else result.loss
    if math.isfinite(loss):
        row |= {"outcome": "finite", "final_loss": loss}
    else:
        row |= {"outcome": "diverged"}
    if result.key == BASE:
        row |= {"best_loss": content["min_loss"]}
    if result.loss is None:
        row |= {"provenance": {"loss_is": "min_loss, as that of the base is missing"}}
    return row if result.run is None else row | {"id": result.run}


def _config(settings: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Numbers as hyperparameters in our words; switches and texts beside them."""
    ours = {names.get(key, key): setting for key, setting in settings.items()}
    numbers = {key: setting for key, setting in ours.items() if _is_number(setting)}
    others = {key: setting for key, setting in ours.items() if key not in numbers}
    size = numbers.pop("batch_size", None)
    batch = {} if size is None else {"batch_size": int(size)}
    return {"hyperparameters": numbers, **batch, **({"options": others} if others else {})}


def _shown(cell: Any) -> str:
    return "null" if cell is None else f"{cell!r:.80}"


def _is_number(cell: Any) -> bool:
    return isinstance(cell, int | float) and not isinstance(cell, bool)


def _number(cell: Any) -> float | None:
    """A number, also of a text; None for what is none."""
    try:
        return None if cell is None or cell == "" else float(cell)
    except ValueError:
        return None
