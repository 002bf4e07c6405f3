"""Reading a JSON body strictly: what is not JSON is refused before anybody looks at it."""

import json
import math
from collections import Counter
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from api.problems import BrokenJson
from sweeper.errors import InvalidRequest, Problem

MAX_DEPTH = 16
"""Levels of nesting; a sweep needs five."""


async def json_object(request: Request) -> dict[str, Any]:
    """The body, an object free of NaN and infinities; BrokenJson or InvalidRequest otherwise."""
    return parse(await request.body())


async def large_json_object(request: Request) -> dict[str, Any]:
    """The same for megabytes, whose reading must not hold up other requests."""
    return await run_in_threadpool(parse, await request.body())


def parse(body: bytes) -> dict[str, Any]:
    """The object that the text encodes; an empty text counts as broken."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BrokenJson(f"byte {error.start} is not UTF-8") from None
    _limit_depth(text)
    try:
        value = json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise BrokenJson(f"{error.msg} at {place}") from None
    except ValueError as error:  # more digits in a number than Python converts
        raise BrokenJson(str(error).split(":")[0]) from None
    if "\\u" in text:
        _refuse_half_characters(value)
    if not isinstance(value, dict):
        message = f"must be an object, but got {_name(value)}"
        raise InvalidRequest((Problem("", message),))
    problems = tuple(
        Problem(pointer, f"must be a finite number, but got {number}")
        for pointer, number in _non_finite(value, "")
    )
    if problems:
        raise InvalidRequest(problems)
    return value


def _limit_depth(text: str) -> None:
    """Refuse deep nesting before the parser recurses into it; brackets in texts do not count."""
    depth, inside, escaped = 0, False, False
    for character in text:
        if inside:
            inside = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            inside = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise BrokenJson(f"nested more than {MAX_DEPTH} levels deep")
        elif character in "]}":
            depth -= 1


def _refuse_half_characters(value: Any) -> None:
    """Only escapes can write half of a surrogate pair, which no answer could repeat as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        half = error.object[error.start]
        raise BrokenJson(f"{half!r} is half of a surrogate pair") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    seen = dict(pairs)
    if len(seen) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"key {twice!r} occurs twice in one object")
    return seen


def _non_finite(value: Any, pointer: str) -> list[tuple[str, float]]:
    if isinstance(value, float) and not math.isfinite(value):
        return [(pointer, value)]
    if isinstance(value, dict):
        items = [(key.replace("~", "~0").replace("/", "~1"), v) for key, v in value.items()]
    elif isinstance(value, list):
        items = [(str(i), v) for i, v in enumerate(value)]
    else:
        return []
    return [found for key, item in items for found in _non_finite(item, f"{pointer}/{key}")]


def _name(value: Any) -> str:
    names = {list: "a list", str: "a text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
