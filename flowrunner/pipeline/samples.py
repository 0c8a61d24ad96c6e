"""Values that stand in for expressions while a mapping is checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flowrunner.model import Duration, Secret, Size, Type, Version

SAMPLES: Mapping[Type, Sequence[Any]] = {
    "string": ("x", "", "10"),
    "int": (1, 0, 1000),
    "float": (1.5, 0.0, 1000.0),
    "bool": (True, False),
    "duration": (Duration(1), Duration(0), Duration(3600)),
    "size": (Size(1024), Size(0), Size(1 << 30)),
    "version": (Version("1.0"), Version("0"), Version("99.9")),
    "regex": ("x", ".*"),
    "file": ("x", "/x"),
    "directory": ("x", "/x"),
    "list": ([], ["x"], [1]),
    "map": ({}, {"x": "x"}),
    "secret": (Secret("secret"), Secret("")),
    "any": ("x", 1, True, [], {}, None),
}
"""For each type, values of it that differ in what a rule between several keys may ask for."""

ROUNDS = max(len(values) for values in SAMPLES.values())


def sample(kind: Type, round: int = 0) -> Any:
    """A value of `kind`; a different one in another round, as long as there are any."""
    values = SAMPLES[kind]
    return values[round % len(values)]
