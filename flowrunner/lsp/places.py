"""Places as the protocol has them: lines from 0, characters in units of UTF-16."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lsprotocol.types import Location, Position, Range

from flowrunner.errors import Span


def units(text: str) -> int:
    """The length of `text` in units of UTF-16."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def column(line: str, character: int) -> int:
    """How many characters of `line` are before `character` units of UTF-16."""
    if line.isascii():
        return min(character, len(line))
    return len(line.encode("utf-16-le", "surrogatepass")[: 2 * character].decode("utf-16-le", "ignore"))


def range_of(span: Span, lines: Sequence[str]) -> Range:
    """The range of a span in a file that has these lines."""
    return Range(_position(span.line, span.column, lines), _position(span.end_line, span.end_column, lines))


def _position(line: int, place: int, lines: Sequence[str]) -> Position:
    text = lines[line - 1] if 0 < line <= len(lines) else ""
    return Position(max(line - 1, 0), units(text[: place - 1]))


def location(span: Span, path: Path, lines: Sequence[str]) -> Location:
    """The place of a span in the file `path`."""
    return Location(path.absolute().as_uri(), range_of(span, lines))


def path_of(uri: str) -> Path:
    """The path of a file; of what is no file yet, one that has no file."""
    parts = urlsplit(uri)
    return Path(unquote(parts.path)) if parts.scheme == "file" else Path("/untitled") / unquote(parts.path).lstrip("/")
