"""What can be waited for on a console, and what comes back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
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


class ConsoleSession(ABC):
    """One console of the run: a cursor over its log. What an expect has matched is never matched again."""

    name: str

    @property
    @abstractmethod
    def cursor(self) -> int:
        """Offset in the raw log up to which everything has been matched."""

    @property
    @abstractmethod
    def end(self) -> int:
        """Offset of the next byte that will arrive."""

    @abstractmethod
    async def send(self, data: bytes, *, delay: float = 0.0, secret: bool = False) -> None:
        """Write to the target; `delay` is in seconds between two bytes."""

    @abstractmethod
    async def expect(
        self, patterns: Sequence[Pattern], *, within: float | None = None, reject: Sequence[Reject] = ()
    ) -> Match:
        """Wait for the earliest match behind the cursor and move the cursor behind it; `within` is in seconds.

        Raises:
            ExpectationError: time ran out, or a rejected pattern came first.
            BenchError: the console is gone.
        """

    @abstractmethod
    async def quiet(self, seconds: float) -> None:
        """Wait until nothing arrived for so long."""

    @abstractmethod
    def word(self) -> str:
        """Eight characters to tell one's own output by: another word after each `send`, and in each run.

        A replay of a run gets the same words.
        """

    @abstractmethod
    def skip(self) -> int:
        """Move the cursor to the end; returns the new cursor."""

    @abstractmethod
    def read(self, start: int, end: int | None = None) -> bytes:
        """Bytes of the raw log from `start` to `end`."""
