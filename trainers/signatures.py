"""What a function says about its arguments: the annotations are the schema of a sweep."""

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Annotated, TypeVar, get_args, get_origin

from trainers.config import Hyperparameter, Option

Description = TypeVar("Description", Hyperparameter, Option)


@functools.cache  # As below.
def arguments(build: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    """The arguments by name."""
    return inspect.signature(build).parameters


@functools.cache  # A submission of 10,000 points asks as often.
def described(build: Callable[..., object], kind: type[Description]) -> Mapping[str, Description]:
    """Every `name: Annotated[..., kind(...)] = default` of the signature."""
    found: dict[str, Description] = {}
    for name, parameter in inspect.signature(build, eval_str=True).parameters.items():
        if get_origin(parameter.annotation) is Annotated:
            _, description, *_ = get_args(parameter.annotation)
            if isinstance(description, kind):
                found[name] = replace(description, default=parameter.default)
    return found
