"""How a console says what it waited for in vain."""

from __future__ import annotations

from collections.abc import Sequence

from flowrunner.console.log import ConsoleLog
from flowrunner.console.patterns import Line, Match, Pattern, Prompt, Reject
from flowrunner.console.text import last_lines
from flowrunner.errors import ExpectationError
from flowrunner.model import Duration

TAIL = 4096
"""Bytes in which the last lines are looked for."""


def said(log: ConsoleLog, end: int | None = None) -> str | None:
    """The last lines that the console printed, up to `end`."""
    end = log.end if end is None else end
    return last_lines(log.read(max(0, end - TAIL), end))


def missed(log: ConsoleLog, patterns: Sequence[Pattern], within: float, start: int) -> ExpectationError:
    """Time ran out; `start` is where the search began."""
    return ExpectationError(
        f"{_awaited(patterns)}{' not' if len(patterns) == 1 else ''} seen within {Duration(within)}",
        cause="timeout",
        said=said(log),
        help=_advice(log, patterns, start),
    )


def rejected(log: ConsoleLog, reject: Reject, match: Match, patterns: Sequence[Pattern]) -> ExpectationError:
    """A pattern came that must not come."""
    return ExpectationError(
        f"{_quoted(reject.pattern)} was printed before {' or '.join(_named(pattern) for pattern in patterns)}",
        outcome=reject.outcome,
        blame=reject.blame,
        said=said(log, match.end),
    )


def _awaited(patterns: Sequence[Pattern]) -> str:
    if len(patterns) == 1:
        return _named(patterns[0])
    return "none of " + ", ".join(_quoted(pattern) for pattern in patterns)


def _named(pattern: Pattern) -> str:
    return "prompt" if isinstance(pattern, Prompt) else f"pattern {_quoted(pattern)}"


def _quoted(pattern: Pattern) -> str:
    return f"'{pattern.regex if isinstance(pattern, Line) else pattern.text}'"


def _advice(log: ConsoleLog, patterns: Sequence[Pattern], start: int) -> str | None:
    if log.end == 0:
        return "nothing was printed at all: is the power on, and is this the right console?"
    if log.end == start:
        return "nothing was printed since the last match: is the device still running?"
    prompts = [p for p in patterns if isinstance(p, Prompt)]
    if not prompts:
        tail = log.read(max(log.line_start, log.end - TAIL)).decode("utf-8", "replace").strip()
        return "the last line is not complete, and a pattern needs a complete one: use prompt for it" if tail else None
    if len(prompts) == 1 and not prompts[0].regex and prompts[0].text.encode() in log.read(max(start, log.end - TAIL)):
        return (
            f"{_quoted(prompts[0])} was printed and more followed: a prompt is the last thing printed, else use pattern"
        )
    return f"waited for {', '.join(map(_quoted, prompts))} as the last thing printed"
