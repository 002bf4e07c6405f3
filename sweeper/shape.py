"""What is wrong with the shape of a body, in words: from pydantic's errors to problems. Pure."""

from collections.abc import Iterable, Mapping

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sweeper.errors import Problem

Model = type[BaseModel]
Parts = Mapping[str, Model]
"""The model of what stands below a key of the body."""


TEXT = r"^[\w .,:;=+\-/()%@#*^~|!?'\[\]]{1,120}$"
NAME = r"^[A-Za-z0-9_.\-]{1,64}$"
TAG = r"^[\w.:/+\-][\w .:/+\-]{0,39}$"
IN_WORDS: Mapping[str, str] = {
    TEXT: "1 to 120 letters, digits, spaces and marks of formulas; no <, >, & or double quotes",
    NAME: "1 to 64 letters, digits, _, . and -",
    TAG: "1 to 40 letters, digits, spaces, _, ., :, /, + and -",
}
"""What the patterns admit, for people."""


def pointer(*path: str | int) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)


def problems(error: ValidationError, model: Model, parts: Parts) -> tuple[Problem, ...]:
    """All that the shape of a body breaks."""
    details = error.errors(include_url=False)
    return tuple(_merged(_problem(detail, model, parts) for detail in details))


def _merged(problems: Iterable[Problem]) -> list[Problem]:
    """One problem per place: a setting that is none of its kinds fails once for each of them."""
    found: dict[str, Problem] = {}
    for problem in problems:
        found.setdefault(problem.pointer, problem)
    return list(found.values())


def _problem(detail: ErrorDetails, model: Model, parts: Parts) -> Problem:
    path = detail["loc"]
    if setting := _setting(path):
        return Problem(pointer(*setting), f"{_setting_rule()}, but got {_shown(detail)}")
    return Problem(pointer(*path), _message(detail, model, parts))


def _setting(path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """The place of the setting that a path of the validator leads into; empty if into none.

    Behind the setting's name the path goes on with the kinds it could have been.
    """
    match path:
        case ("base", name, *_):
            return ("base", name)
        case ("optimizers", int(i), "overrides", name, *_):
            return ("optimizers", i, name)
    return ()


def _setting_rule() -> str:
    return 'a finite number, true or false, the name of a choice, or {"tie": "momentum"} is needed'


def _shown(detail: ErrorDetails) -> str:
    text = repr(detail["input"])
    return text if len(text) <= 80 else text[:77] + "..."


def _message(detail: ErrorDetails, model: Model, parts: Parts) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(detail["loc"], model, parts)
        return f"unknown key {str(detail['loc'][-1])!r}; known: {known}"
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(context["error"])
    if kind == "finite_number":
        return f"a finite number is needed, but got {_shown(detail)}"
    if kind in ("model_type", "dict_type"):
        return f"an object is needed, but got {_shown(detail)}"
    if kind == "too_short":
        return f"must have at least {context['min_length']} item, but got {_shown(detail)}"
    if kind == "literal_error":
        return f"must be one of {context['expected']}, but got {_shown(detail)}"
    if kind == "string_pattern_mismatch":
        words = IN_WORDS.get(context["pattern"])
        meant = f" ({words})" if words else ""
        return f"must match {context['pattern']}{meant}, but got {_shown(detail)}"
    return f"{detail['msg'][0].lower()}{detail['msg'][1:]}, but got {_shown(detail)}"


def _known_keys(path: tuple[str | int, ...], model: Model, parts: Parts) -> str:
    part = parts.get(str(path[0]), model) if len(path) > 1 else model
    return ", ".join(part.model_fields)
