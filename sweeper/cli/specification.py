"""Where `submit` and `preview` take a sweep from, and what of it their options replace."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sweeper import presets
from sweeper.cli.output import UsageError

Source = Annotated[
    str | None, typer.Argument(help="A JSON or YAML file with the sweep; `-` reads stdin.")
]
Preset = Annotated[
    str | None, typer.Option(help="A ready-made sweep instead; `sweeper presets` lists them.")
]
Name = Annotated[str | None, typer.Option(help="Another name.")]
Scales = Annotated[list[str] | None, typer.Option("--scale", help="Other scales; repeatable.")]
Seeds = Annotated[list[int] | None, typer.Option("--seed", help="Other seeds; repeatable.")]
Steps = Annotated[int | None, typer.Option(help="Another length, in optimizer steps.")]
Priority = Annotated[int | None, typer.Option(help="Higher goes first; from -100 to 100.")]
Centre = Annotated[
    str | None, typer.Option(help="A search: its best values become the settings of the sweep.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Train anew what is there already.")]


def sweep_body(
    source: str | None,
    preset: str | None,
    *,
    name: str | None = None,
    scales: list[str] | None = None,
    seeds: list[int] | None = None,
    steps: int | None = None,
    priority: int | None = None,
    fresh: bool = False,
    centre: str | None = None,
) -> dict[str, Any]:
    """The sweep as REST takes it; whatever is given replaces that part of the source."""
    body = _load(source, preset)
    given = {
        "name": name,
        "scales": scales or None,
        "seeds": seeds or None,
        "priority": priority,
        "fresh": fresh or None,
        "centre": centre,
    }
    body |= {key: value for key, value in given.items() if value is not None}
    base = body.get("base") or {}
    # What is no mapping is sent as it is: the service says which rule it breaks.
    if steps is not None and isinstance(base, dict):
        others = {"tokens", "tokens_per_parameter", "length_multiple"}
        body["base"] = {k: v for k, v in base.items() if k not in others} | {"steps": steps}
    return body


def _load(source: str | None, preset: str | None) -> dict[str, Any]:
    if (source is None) == (preset is None):
        raise UsageError("give either a file or --preset; `sweeper presets` lists the presets")
    if preset is not None:
        try:
            return dict(presets.preset(preset).sweep)
        except ValueError as error:
            raise UsageError(str(error)) from None
    assert source is not None
    return _parse(_text(source), source)


def _text(source: str) -> str:
    try:
        return sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UsageError(f"cannot read {source}: {why}") from None


def _parse(text: str, source: str) -> dict[str, Any]:
    import json

    import yaml

    from sweeper.cli.plain_yaml import load

    # JSON first: YAML is slow to read, and refuses tabs where JSON may have them.
    try:
        body = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError:
        try:
            body = load(text)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise UsageError(f"{source} is neither JSON nor YAML: {error}") from None
    # JSON, but nested too deeply, with too many digits in a number, or with a key twice.
    except (ValueError, RecursionError) as error:
        raise UsageError(f"cannot read {source}: {error}") from None
    if not isinstance(body, dict):
        raise UsageError(f"{source} must hold one sweep, but got {type(body).__name__}")
    return body


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object; ValueError where the last of equal keys would silently win."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"key {key!r} occurs twice in one object")
        found[key] = value
    return found
