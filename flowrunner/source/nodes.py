"""What a file is made of: scalars, lists and mappings, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flowrunner.errors import Span


@dataclass(frozen=True, slots=True)
class Scalar:
    """A leaf: its value of the core schema, and the text as written; quoted and block scalars are always text."""

    value: bool | int | float | str | None
    where: Span
    text: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Sequence:
    """A list."""

    items: tuple[Node, ...]
    where: Span


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping; keys are text and unique."""

    entries: tuple[tuple[Scalar, Node], ...]
    where: Span

    def get(self, key: str) -> Node | None:
        """The value of `key`, None when it is not there."""
        return next((value for name, value in self.entries if name.value == key), None)

    def key(self, key: str) -> Scalar | None:
        """The key itself, for its place."""
        return next((name for name, _ in self.entries if name.value == key), None)

    def items(self) -> Iterator[tuple[str, Node]]:
        """Each key's text with its value."""
        return ((str(name.value), value) for name, value in self.entries)


Node = Scalar | Sequence | Mapping


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its root (None when it is empty), and its text for excerpts. `name` is what spans call it."""

    name: str
    text: str
    root: Node | None


def plain(node: Node) -> Any:
    """The node as plain Python data."""
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {key: plain(value) for key, value in node.items()}
