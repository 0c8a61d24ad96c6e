"""Reading what is being typed: the lines that a parser cannot take are left out, the rest is read."""

from __future__ import annotations

import re

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from flowrunner.source.nodes import Document
from flowrunner.source.reading import composed

TRIES = 8
"""Lines that are left out before giving up."""


def recovered(text: str, name: str) -> Document:
    """Compose as much of `text` as can be read; places are those of the whole text. The root is None if nothing can."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n")
    for _ in range(TRIES):
        try:
            return Document(name, text, composed("\n".join(lines), name))
        except (MarkedYAMLError, ReaderError, UnicodeEncodeError) as error:
            if not _leave_out(lines, error):
                break
    return Document(name, text, None)


def _leave_out(lines: list[str], error: Exception) -> bool:
    """Take out the line that the parser stopped at, or where what it could not end began; false when there is none."""
    marks = [getattr(error, name, None) for name in ("problem_mark", "context_mark")]
    places = [mark.line for mark in marks if mark is not None]
    nearby = [line for place in places for line in (place, place - 1)]
    for line in nearby:
        if 0 <= line < len(lines) and lines[line].strip():
            key = re.match(r"\s*(?:- )*[\w.]+:(?= )", lines[line])
            kept = key[0] if key and key[0] != lines[line] else ""
            lines[line] = kept
            return True
    return False
