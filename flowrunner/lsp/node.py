"""What stands at a place of a file that can be read."""

from __future__ import annotations

from dataclasses import dataclass

from flowrunner.errors import Span
from flowrunner.source import Mapping, Node, Scalar, Sequence

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """The key or value at a place. `path` leads to it, or to the value of the key; `around`: outer first."""

    scalar: Scalar
    path: Path
    key: bool
    around: tuple[Mapping, ...]


def hit_at(root: Node, line: int, column: int) -> Hit | None:
    """What stands at line and column, both from 1; None when nothing does."""
    return _hit(root, line, column, (), ())


def _hit(node: Node, line: int, column: int, path: Path, around: tuple[Mapping, ...]) -> Hit | None:
    if isinstance(node, Scalar):
        return Hit(node, path, False, around) if _covers(node.where, line, column) else None
    if isinstance(node, Sequence):
        for index, item in enumerate(node.items):
            if _near(item.where, line) and (found := _hit(item, line, column, (*path, index), around)):
                return found
        return None
    for key, value in node.entries:
        below = (*path, str(key.value))
        if _covers(key.where, line, column):
            return Hit(key, below, True, (*around, node))
        if _near(value.where, line) and (found := _hit(value, line, column, below, (*around, node))):
            return found
    return None


def _near(where: Span, line: int) -> bool:
    return where.line <= line <= where.end_line


def _covers(where: Span, line: int, column: int) -> bool:
    return (where.line, where.column) <= (line, column) <= (where.end_line, where.end_column)
