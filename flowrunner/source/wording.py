"""What a parser of YAML says, in words that help."""

from __future__ import annotations

from typing import Any

from flowrunner.errors import PipelineError, Span

_FITS_NOT = "this line does not fit what is above it"

_WORDS: tuple[tuple[str, str, str], ...] = (
    ("cannot start any token", "this cannot stand here", "indent with spaces, and quote text with @, % or `"),
    ("did not find expected", _FITS_NOT, "check its indentation, and brackets"),
    ("expected <block end>", _FITS_NOT, "check its indentation, and brackets"),
    ("mapping values are not allowed", "a ':' is not allowed here", "quote the text, or check the indentation"),
    ("block sequence entries are not allowed", "a '-' is not allowed here", "begin the list on a line of its own"),
    ("could not find expected ':'", "there is no ':' behind this key", "write 'key: value', or indent the text"),
    (
        "unknown escape character",
        "the text has a backslash that means nothing",
        r"in double quotes write \\, or use '...'",
    ),
    ("while scanning a quoted scalar", "the quote that begins here is not closed", "close it"),
    ("control characters are not allowed", "a control character is not allowed here", r"write \x.. in double quotes"),
)
"""What parsers say, what we say, and what to do."""

_FROM_CONTEXT = ("could not find expected ':'", "unexpected end of stream while scanning a quoted scalar")
"""What is better shown where it began."""


def syntax_error(error: Exception, text: str, name: str) -> PipelineError:
    """What a parser of YAML said, in our words."""
    said = " ".join(str(part) for part in (_said(error), getattr(error, "context", None)) if part)
    where = _marked(error, said, text, name)
    line = text.split("\n")[where.line - 1]
    tab = line[: where.column].find("\t")
    if tab >= 0 and not line[:tab].strip(" -?:"):
        where = Span(name, where.line, tab + 1, where.line, tab + 2)
        return PipelineError("a tab cannot indent", code="syntax", where=where, help="use spaces")
    unknown = f"not YAML: {said}", "put text with special characters in quotes"
    what, help = next(((ours, help) for theirs, ours, help in _WORDS if theirs in said), unknown)
    begun: Any = getattr(error, "context_mark", None)
    if what == _FITS_NOT and "flow" in said:
        bracket = "{" if "mapping" in said else "["
        help = f"a ',' is missing, or the '{bracket}' at {begun.line + 1}:{begun.column + 1} is not closed"
        if "${{" in line:
            help = "inside { } and [ ] put an expression in quotes"
    return PipelineError(what, code="syntax", where=where, help=help)


def _said(error: Exception) -> object:
    return getattr(error, "problem", None) or getattr(error, "reason", None) or error


def _marked(error: Exception, said: str, text: str, name: str) -> Span:
    """The place that a parser names, kept inside the text."""
    begun, mark = getattr(error, "context_mark", None), getattr(error, "problem_mark", None)
    if begun is not None and (mark is None or any(theirs in said for theirs in _FROM_CONTEXT)):
        mark = begun
    if mark is None:
        return place_of(name, text, getattr(error, "position", 0))
    line = min(mark.line + 1, text.count("\n") + 1)
    return Span(name, line, mark.column + 1, line, mark.column + 2)


def place_of(name: str, text: str, offset: int) -> Span:
    """The place of the character at `offset`."""
    line, column = text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)
    return Span(name, line, column, line, column + 1)
