"""One node of a bench."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from flowrunner.driver import Driver


@dataclass(frozen=True, slots=True)
class Part:
    """A driver at its place. `home` is where it really stands: a proxy has another `path` and the same `home`."""

    name: str
    path: str
    home: str
    type: str
    driver: Driver[Any]
    children: dict[str, Part] = field(default_factory=dict)

    def walk(self) -> Iterator[Part]:
        """The part and all below it, parents first."""
        yield self
        for child in self.children.values():
            yield from child.walk()


def join(path: str, name: str) -> str:
    """The path of `name` below `path`."""
    return f"{path}.{name}" if path and name else path or name
