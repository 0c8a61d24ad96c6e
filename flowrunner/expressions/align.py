"""Where each character of a scalar's value stands in the scalar as it is written."""

from __future__ import annotations

import re

Piece = tuple[str, int]
"""A character, or empty for one that an escape stands for, and its offset in what is written."""


def aligned(written: str, value: str) -> list[int]:
    """For each character of `value` its offset in `written`, a scalar with its quotes or its `|`.

    A line break may have become a space, or nothing.
    """
    pieces = _block(written, value) if written[:1] in ("|", ">") else _flow(written)
    found: list[int] = []
    position = 0
    for char in value:
        while position < len(pieces) and not _same(pieces[position][0], char) and pieces[position][0] == "\n":
            position += 1
        found.append(pieces[min(position, len(pieces) - 1)][1] if pieces else 0)
        position += 1
    return found


def _same(written: str, char: str) -> bool:
    return written in ("", char) or (written == "\n" and char == " ")


def _block(written: str, value: str) -> list[Piece]:
    """Behind the first line, without the indentation: what the first line of text has more of is text."""
    offset = written.find("\n") + 1
    lines = written[offset:].split("\n") if offset else []
    deepest = next((_spaces(line) for line in lines if line.strip()), 0)
    indent = deepest - next((_spaces(line) for line in value.split("\n") if line.strip()), 0)
    pieces: list[Piece] = []
    for line in lines:
        pieces += [(char, offset + indent + column) for column, char in enumerate(line[indent:])]
        pieces.append(("\n", offset + len(line)))
        offset += len(line) + 1
    return pieces


def _flow(written: str) -> list[Piece]:
    """Without quotes, escapes resolved, without the white space around line breaks."""
    quote = written[0] if written[:1] in ("'", '"') else ""
    pieces: list[Piece] = []
    for found in _PIECES[quote].finditer(written, len(quote), len(written) - len(quote)):
        kind, text = found.lastgroup, found[0]
        if kind == "break":
            pieces += [("\n", found.start() + at) for at, char in enumerate(text) if char == "\n"]
        elif kind != "gone":
            pieces.append(("" if kind == "escape" else text[:1], found.start()))
    return pieces


def _spaces(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


_BREAK = r"(?P<break>[ \t]*\n[ \t\n]*)"

_PIECES = {
    "": re.compile(rf"{_BREAK}|(?P<char>.)"),
    "'": re.compile(rf"{_BREAK}|(?P<twice>'')|(?P<char>.)"),
    '"': re.compile(
        rf"(?P<gone>\\\n[ \t]*)|(?P<escape>\\(?:x..|u....|U........|.))|{_BREAK}|(?P<char>.)",
    ),
}
"""What stands for one character of the value, by the quotes around it."""
