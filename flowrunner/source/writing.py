"""Plain data as YAML that means the same to every parser, those of YAML 1.1 included."""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

_BARE = re.compile(r"[A-Za-z./][\w ./-]*(?<! )")
_WORDS = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}


def dump(value: Any) -> str:
    """`value`, which is made of mappings, lists and scalars, as a YAML document in block style."""
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    out = StringIO()
    yaml.dump(_marked(value), out)
    return out.getvalue()


def _marked(value: Any) -> Any:
    """`value` with each text marked by how it must be written."""
    if isinstance(value, Mapping):
        return {str(key): _marked(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(item) for item in value]
    if not isinstance(value, str):
        return value
    if "\n" in value:
        return LiteralScalarString(value)
    bare = _BARE.fullmatch(value) and value.lower() not in _WORDS
    return value if bare else DoubleQuotedScalarString(value)
