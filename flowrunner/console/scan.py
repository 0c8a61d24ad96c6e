"""Finding the earliest match of several patterns in a log, each byte looked at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import anyio.lowlevel

from flowrunner.console.literal import required_literal
from flowrunner.console.log import ConsoleLog
from flowrunner.console.patterns import Line, Match, Pattern, Prompt
from flowrunner.console.search import Hit, search
from flowrunner.console.text import ESCAPE, for_matching, raw_length, shown, without_escapes, without_kernel_messages

BLOCK = 128 * 1024
"""Bytes that are searched before other tasks get their turn."""

LONGEST = 64 * 1024
"""Bytes of one line that patterns see; of an unfinished line its last ones."""

TOLERANCE = 1e-6

NOISE = 16 * 1024
"""Bytes of kernel messages behind a prompt that are looked through."""


@dataclass(frozen=True, slots=True)
class Found:
    """The earliest match; `rejected` says that it is one of the patterns that must not come."""

    match: Match
    rejected: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    pattern: Pattern
    index: int
    rejected: bool
    literal: bytes | None


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A hit of one pattern in one line, at `line` in the block."""

    line: int
    raw: bytes
    wanted: _Wanted
    start: int
    text: str
    groups: dict[str, str]

    @property
    def rank(self) -> tuple[int, bool, int, int]:
        """The least one wins: by line, there a reject first, then by place in the line, then in the author's order."""
        return (self.line, not self.wanted.rejected, self.start, self.wanted.index)


class Scanner:
    """Looks for `patterns` and `rejects` from `start` on.

    The earliest line with a match wins. In that line a reject wins over the others, then the leftmost match, then the
    first in the list. An unfinished line is looked at by prompts only, once nothing has followed for their `settle`.
    A prompt that the kernel has printed its messages behind is still one.
    """

    def __init__(self, log: ConsoleLog, patterns: Sequence[Pattern], rejects: Sequence[Pattern], start: int) -> None:
        wanted = [_want(pattern, i, False) for i, pattern in enumerate(patterns)]
        wanted += [_want(pattern, i, True) for i, pattern in enumerate(rejects)]
        self._log = log
        self._lines = [w for w in wanted if isinstance(w.pattern, Line)]
        self._prompts = [w for w in wanted if isinstance(w.pattern, Prompt)]
        self._settles = sorted({w.pattern.settle for w in self._prompts if isinstance(w.pattern, Prompt)})
        self._start = self._next = start

    async def find(self) -> Found:
        """Wait for the earliest match.

        Raises:
            BenchError: a pattern took too long.
        """
        while True:
            seen = self._log.end
            if found := await self._in_lines():
                return found
            if self._log.end == seen and (found := await self._in_tail(seen)):
                return found
            if (pause := self._unsettled()) is None:
                await self._log.changed(seen)
                continue
            with anyio.move_on_after(pause):
                await self._log.changed(seen)

    def _unsettled(self) -> float | None:
        """Seconds until another prompt may be judged."""
        quiet = self._log.quiet
        return next((settle - quiet for settle in self._settles if settle > quiet + TOLERANCE), None)

    async def _in_lines(self) -> Found | None:
        """The first hit in the complete lines that have not been searched yet."""
        while self._next < self._log.line_start:
            if not self._lines:
                self._next = self._log.line_start
                return None
            if found := await self._in_block():
                return found
            if self._next < self._log.line_start:
                await anyio.lowlevel.checkpoint()
        return None

    async def _in_block(self) -> Found | None:
        start = self._next
        block = self._log.read(start, min(start + BLOCK, self._log.line_start))
        cut = block.rfind(b"\n") + 1
        end = start + cut if cut else self._line_end(start + len(block))
        block = block[:cut] if cut else block[:LONGEST] + b"\n"
        best: _Candidate | None = None
        for wanted in self._lines:
            stop = best.line + 1 if best else len(block)
            found = await _first(block, wanted, stop)
            if found and (best is None or found.rank < best.rank):
                best = found
        self._next = end if best is None or not cut else start + best.line + len(best.raw)
        return self._found(best, start, self._next) if best else None

    def _line_end(self, start: int) -> int:
        """Offset behind the next line ending; there is one."""
        while True:
            newline = self._log.read(start, start + BLOCK).find(b"\n")
            if newline >= 0:
                return start + newline + 1
            start += BLOCK

    async def _in_tail(self, end: int) -> Found | None:
        """The best hit of the prompts that may be judged by now."""
        quiet = self._log.quiet + TOLERANCE
        judged = [w for w in self._prompts if isinstance(w.pattern, Prompt) and w.pattern.settle <= quiet]
        start, stop = self._tail(end) if judged else (end, end)
        if start >= stop:
            return None
        raw = self._log.read(start, stop)
        text = for_prompts(raw)
        hits = [hit for w in judged if (hit := await _at_end(raw, text, w))]
        if not hits or self._log.end != end:
            return None
        self._next = stop
        return self._found(min(hits, key=lambda hit: hit.rank), start, stop)

    def _tail(self, end: int) -> tuple[int, int]:
        """Where the unfinished line begins and ends; what the kernel has printed behind it is not part of it."""
        if self._log.line_start < end:
            return max(self._next, self._log.line_start, end - LONGEST), end
        first = max(self._start, end - NOISE)
        raw = self._log.read(first, end)
        stop = without_kernel_messages(raw)
        return first + raw.rfind(b"\n", 0, stop) + 1, first + stop

    def _found(self, hit: _Candidate, block: int, end: int) -> Found:
        match = Match(
            pattern=hit.wanted.pattern, index=hit.wanted.index, text=hit.text, groups=hit.groups,
            start=block + hit.line + hit.start, end=end, at=self._log.time_of(end - 1),
        )  # fmt: skip
        return Found(match, hit.wanted.rejected)


def for_prompts(raw: bytes) -> str:
    """An unfinished line as prompts see it: without escapes."""
    return without_escapes(raw).decode("utf-8", "surrogateescape")


def _want(pattern: Pattern, index: int, rejected: bool) -> _Wanted:
    literal = required_literal(pattern.regex) if isinstance(pattern, Line) else None
    return _Wanted(pattern, index, rejected, literal.encode() if literal else None)


async def _first(block: bytes, wanted: _Wanted, stop: int) -> _Candidate | None:
    """The first hit in a line that begins before `stop`; `block` is complete lines."""
    assert isinstance(wanted.pattern, Line)
    literal = wanted.literal
    escapes = ESCAPE in block
    if literal and escapes and literal not in without_escapes(block):
        return None
    start = 0
    while start < stop:
        if literal and not escapes:
            at = block.find(literal, start)
            if at < 0:
                return None
            start = block.rfind(b"\n", start, at) + 1 or start
            if start >= stop:
                return None
        end = block.index(b"\n", start) + 1
        text = for_matching(block[start : min(end - 1, start + LONGEST)])
        if (hit := await search(wanted.pattern.regex, text)) is not None:
            return _candidate(start, block[start:end], wanted, hit, text)
        start = end
    return None


async def _at_end(raw: bytes, text: str, wanted: _Wanted) -> _Candidate | None:
    prompt = wanted.pattern
    assert isinstance(prompt, Prompt)
    if prompt.regex:
        hit = await search(rf"(?:{prompt.text})\Z", text)
        return _candidate(0, raw, wanted, hit, text) if hit is not None else None
    if not text.endswith(prompt.text):
        return None
    start = raw_length(raw, text[: len(text) - len(prompt.text)])
    return _Candidate(0, raw, wanted, start, prompt.text, {})


def _candidate(line: int, raw: bytes, wanted: _Wanted, hit: Hit, text: str) -> _Candidate:
    groups = {name: shown(value or "") for name, value in hit.groupdict().items()}
    return _Candidate(line, raw, wanted, raw_length(raw, text[: hit.start()]), shown(hit[0]), groups)
