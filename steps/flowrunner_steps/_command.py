"""What is made of a command that has ended: whether it passed, and what it printed."""

from __future__ import annotations

import json
from typing import Any, Literal

from flowrunner.console.text import last_lines
from flowrunner.errors import ExpectationError

Parse = Literal["json", "lines"]


def judge(what: str, status: int, how: str, expected: int | list[int], stdout: bytes, stderr: bytes) -> None:
    """Raise an `ExpectationError` when `status` is not the expected one.

    `what` is the command for people, `how` how it ended; the error has the last lines, of standard error if any.
    """
    wanted = [expected] if isinstance(expected, int) else expected
    if status not in wanted:
        said = last_lines(stderr) or last_lines(stdout)
        raise ExpectationError(f"{what} {how}, expected {' or '.join(map(str, wanted))}", said=said)


def parsed(how: Parse | None, stdout: bytes, *, cut: str | None, advice: str) -> Any:
    """Standard output as JSON or as lines; `cut` says how much of it was kept when there was more.

    Raises:
        ExpectationError: it was cut, or is not JSON.
    """
    if how is None:
        return None
    if cut:
        raise ExpectationError(f"the command printed more than {cut}, so it cannot be parsed", help=advice)
    if how == "lines":
        return as_text(stdout).splitlines()
    try:
        return json.loads(stdout)
    except ValueError as error:
        raise ExpectationError(f"the command's output is not JSON: {error}", said=as_text(stdout)[:200]) from error


def as_text(data: bytes) -> str:
    """Output as text, without the last line ending; bytes that are no UTF-8 as their numbers."""
    return data.decode(errors="backslashreplace").removesuffix("\n").removesuffix("\r")
