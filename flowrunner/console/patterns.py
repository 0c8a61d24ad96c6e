"""What can be waited for on a console, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from flowrunner.errors import Blame
from flowrunner.model import Duration


@dataclass(frozen=True, slots=True)
class Line:
    """A regular expression that is searched in each complete line, without its line ending."""

    regex: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Prompt:
    """Text at the very end of the console, behind the last line ending, with nothing following for `settle` seconds.

    `regex` makes `text` a regular expression that must match up to the end.
    """

    text: str
    name: str | None = None
    regex: bool = False
    settle: float = 0.05


Pattern = Line | Prompt


@dataclass(frozen=True, slots=True)
class Reject:
    """A pattern that must not come while another is awaited."""

    pattern: Pattern
    outcome: Literal["failed", "errored"] | None = None
    blame: Blame | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """A hit: which pattern, its text and groups, and where: byte offsets in the raw log, seconds since run start."""

    pattern: Pattern
    index: int
    text: str
    groups: dict[str, str] = field(default_factory=dict)
    start: int = 0
    end: int = 0
    at: Duration = field(default_factory=lambda: Duration(0))
