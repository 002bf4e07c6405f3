"""What an optimizer's docstring says about its arguments: range, default, and whose it is."""

import inspect
import re
from collections.abc import Callable, Mapping

_SECTION = re.compile(r"^Args:\n(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
_ARGUMENT = re.compile(r"^    (\w+): (.*?)(?=^    \S|\Z)", re.MULTILINE | re.DOTALL)


def argument_notes(build: Callable[..., object]) -> Mapping[str, str]:
    """One line of text per argument that the docstring explains."""
    section = _SECTION.search(inspect.getdoc(build) or "")
    if section is None:
        return {}
    return {name: " ".join(text.split()) for name, text in _ARGUMENT.findall(section[1])}
