"""YAML whose plain scalars are what JSON has: 1e-8 is a number and 2026-01-01 a text."""

import re
from typing import Any

import yaml

FLOAT = "tag:yaml.org,2002:float"
TIMESTAMP = "tag:yaml.org,2002:timestamp"
# Section 10.3.2 of YAML 1.2.2, less the whole numbers, which have a rule of their own.
NUMBER = re.compile(
    r"""[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?$
    |[-+]?[0-9]+[eE][-+]?[0-9]+$
    |[-+]?\.(inf|Inf|INF)$
    |\.(nan|NaN|NAN)$""",
    re.VERBOSE,
)


class _Loader(yaml.SafeLoader):
    """YAML 1.1 wants a dot in every float and a sign in its exponent, and reads dates.

    Of equal keys it takes the last, although YAML wants them unique (section 3.2.1.1 of 1.2.2).
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for twice in (name for i, name in enumerate(names) if name in names[:i]):
            raise ValueError(f"key {twice!r} occurs twice in one mapping")
        return super().construct_mapping(node, deep)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, rule) for tag, rule in rules if tag not in (FLOAT, TIMESTAMP)]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(FLOAT, NUMBER, list("-+.0123456789"))


def load(text: str) -> Any:
    """The one document of a text; `yaml.YAMLError` if it is none."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
