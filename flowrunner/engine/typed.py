"""Outputs in the journal and back: JSON has no durations, sizes and versions, so their kinds stand beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowrunner.model import Duration, Size, Version

_KINDS: Mapping[str, Any] = {"duration": Duration, "size": Size, "version": Version}

Way = tuple[str | int, ...]


def kinds(value: Any) -> list[list[Any]]:
    """What JSON does not tell: the kind of each value that is a quantity or a version, with the way to it."""
    return [[kind, *way] for way, kind in _found(value, ())]


def _found(value: Any, way: Way) -> Iterator[tuple[Way, str]]:
    for kind, make in _KINDS.items():
        if isinstance(value, make):
            yield way, kind
            return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _found(item, (*way, key))
    elif isinstance(value, list | tuple):
        for position, item in enumerate(value):
            yield from _found(item, (*way, position))


def restored(value: Any, told: list[list[Any]]) -> Any:
    """`value` as it was before it was written, with the kinds that were `told`. It is changed in place."""
    for kind, *way in told:
        inner = value
        for part in way[:-1]:
            inner = inner[part]
        inner[way[-1]] = _KINDS[kind](inner[way[-1]])
    return value
