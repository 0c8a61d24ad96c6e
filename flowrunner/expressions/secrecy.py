"""What a secret flows into is secret."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from flowrunner.model import Secret


def found(names: Mapping[str, Any], words: Sequence[str]) -> tuple[Any, int]:
    """How far a dotted name leads: the last value, and the number of words that lead there."""
    here: Any = names
    for depth, word in enumerate(words):
        if not isinstance(here, Mapping) or word not in here:
            return here, depth
        here = here[word]
    return here, len(words)


def touched(names: Mapping[str, Any], references: Iterable[Sequence[str]]) -> bool:
    """Whether a secret is in what one of the dotted names leads to."""
    for words in references:
        here, depth = found(names, words)
        is_missing = depth < len(words) and isinstance(here, Mapping)
        if not is_missing and _holds_secret(here):
            return True
    return False


def hidden(value: Any) -> Any:
    """`value` with every text in it a secret."""
    if isinstance(value, str):
        return Secret(value)
    if isinstance(value, Mapping):
        return {hidden(key): hidden(item) for key, item in value.items()}
    return [hidden(item) for item in value] if isinstance(value, list | tuple) else value


def _holds_secret(value: Any) -> bool:
    layer = [value]
    while layer:
        below: list[Any] = []
        for item in layer:
            if isinstance(item, Secret):
                return True
            below += _inside(item)
        layer = below
    return False


def _inside(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value
