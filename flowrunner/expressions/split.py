"""Where the expressions of a text are, and where each character of them stands in the file."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache

from flowrunner.errors import Span
from flowrunner.expressions.align import aligned

OPEN, CLOSE = "${{", "}}"


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a text: literal, or the inside of an expression, which begins at `start`."""

    text: str
    start: int
    code: bool


class Unclosed(Exception):
    """An expression that does not end; `offset` is where it begins."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


def split(text: str) -> list[Part]:
    """The parts of `text`.

    Raises:
        Unclosed: a `${{` has no `}}`.
    """
    parts: list[Part] = []
    position = 0
    while (start := text.find(OPEN, position)) >= 0:
        if start > position:
            parts.append(Part(text[position:start], position, code=False))
        inside = start + len(OPEN)
        end = _close(text, inside)
        if end < 0:
            raise Unclosed(start)
        parts.append(Part(text[inside:end], inside, code=True))
        position = end + len(CLOSE)
    if position < len(text):
        parts.append(Part(text[position:], position, code=False))
    return parts


def _close(text: str, position: int) -> int:
    """Offset of the `}}` that ends the expression: not one in quotes, nor one that closes a mapping."""
    depth, quote = 0, ""
    while position < len(text):
        char = text[position]
        if quote:
            if char == "\\":
                position += 1
            elif char == quote:
                quote = ""
        elif char in "'\"":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            if depth == 0 and text.startswith(CLOSE, position):
                return position
            depth -= 1
        position += 1
    return -1


class Place:
    """Maps offsets in a scalar's value to places in the file, through quotes, escapes and folded lines."""

    def __init__(self, value: str, where: Span, source: str | None) -> None:
        self._value = value
        self._where = where
        self._source = source
        self._map: list[tuple[int, int]] | None = None

    @property
    def is_block(self) -> bool:
        """Whether the scalar is written below `|` or `>`."""
        where = self._where
        if where.end_line == where.line or self._source is None:
            return False
        return _lines(self._source)[where.line - 1][where.column - 1 : where.column] in ("|", ">")

    def span(self, start: int, end: int) -> Span:
        """The place of the characters from `start` to `end`."""
        lead = self._lead()
        if lead is not None:
            row, left = self._where.line, self._where.column + lead
            return Span(self._where.file, row, left + start, row, left + max(end, start + 1))
        if self._map is None:
            self._map = self._align()
        line, column = self._map[min(start, len(self._map) - 1)]
        end_line, end_column = self._map[min(max(end, start + 1) - 1, len(self._map) - 1)]
        return Span(self._where.file, line, column, end_line, end_column + 1)

    def _lead(self) -> int | None:
        """Characters before the value in the file, when the value stands there as it is, on one line."""
        where = self._where
        surplus = where.end_column - where.column - len(self._value)
        return surplus // 2 if where.line == where.end_line and surplus in (0, 2) else None

    def _align(self) -> list[tuple[int, int]]:
        """Line and column of each character of the value."""
        written = self._written()
        if written is None:
            return [(self._where.line, self._where.column)]
        rows = _starts(written)
        found = []
        for offset in aligned(written, self._value):
            row = bisect_right(rows, offset) - 1
            indent = self._where.column if row == 0 else 1
            found.append((self._where.line + row, offset - rows[row] + indent))
        return found or [(self._where.line, self._where.column)]

    def _written(self) -> str | None:
        """The scalar as it stands in the file."""
        lines = _lines(self._source or "")[self._where.line - 1 : self._where.end_line]
        if not lines:
            return None
        if self._where.end_line - self._where.line < len(lines):
            lines[-1] = lines[-1][: self._where.end_column - 1]
        return "\n".join(lines)[self._where.column - 1 :]


@lru_cache(maxsize=4)
def _lines(source: str) -> list[str]:
    return source.split("\n")


def _starts(text: str) -> list[int]:
    return [0, *(offset + 1 for offset, char in enumerate(text) if char == "\n")]
