"""Where the expressions of a text are, and where each character of them stands in the file."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from flowrunner.errors import Span

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
        """Line and column of each character of the value; what stands between them in the file is skipped."""
        lines = _lines(self._source or "")[self._where.line - 1 : self._where.end_line]
        raw = [(char, row, column) for row, line in enumerate(lines) for column, char in enumerate([*line, "\n"])]
        raw = raw[self._where.column - 1 :]
        found: list[tuple[int, int]] = []
        position = 0
        for char in self._value:
            ahead = position
            while ahead < len(raw) and not _same(raw[ahead][0], char):
                ahead += 1
            if ahead < len(raw):
                position = ahead
            row, column = raw[position][1:] if position < len(raw) else (0, self._where.column - 1)
            found.append((self._where.line + row, column + 1))
            position += 1
        return found or [(self._where.line, self._where.column)]


@lru_cache(maxsize=4)
def _lines(source: str) -> list[str]:
    return source.split("\n")


def _same(raw: str, char: str) -> bool:
    return raw == char or (raw == "\n" and char == " ")
