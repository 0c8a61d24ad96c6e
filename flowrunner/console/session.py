"""A console as steps use it: one cursor over its log."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence

import anyio

from flowrunner.console import words
from flowrunner.console.log import ConsoleLog
from flowrunner.console.patterns import ConsoleSession, Match, Pattern, Reject
from flowrunner.console.scan import Scanner


class LogSession(ConsoleSession):
    """A session over `log`; `write` sends bytes with a pause in seconds between two of them.

    `seed` is what words come from.
    `on_match` gets each match, rejected ones too; `on_send` gets what is about to be sent and whether it is secret.
    """

    def __init__(
        self,
        name: str,
        log: ConsoleLog,
        write: Callable[[bytes, float], Awaitable[None]],
        *,
        on_match: Callable[[Match], None] | None = None,
        on_send: Callable[[bytes, bool], None] | None = None,
        seed: str = "",
    ) -> None:
        self.name = name
        self._log = log
        self._write = write
        self._on_match = on_match
        self._on_send = on_send
        self._cursor = 0
        self._seed = seed
        self._sends = 0

    @property
    def cursor(self) -> int:
        return self._cursor

    @property
    def end(self) -> int:
        return self._log.end

    async def send(self, data: bytes, *, delay: float = 0.0, secret: bool = False) -> None:
        self._sends += 1
        if self._on_send:
            self._on_send(data, secret)
        await self._write(data, delay)

    async def expect(
        self, patterns: Sequence[Pattern], *, within: float | None = None, reject: Sequence[Reject] = ()
    ) -> Match:
        start = self._cursor
        scanner = Scanner(self._log, patterns, [r.pattern for r in reject], start)
        found = None
        with anyio.move_on_after(within):
            found = await scanner.find()
        if found is None:
            if self._log.gone:
                raise self._log.gone
            raise words.missed(self._log, patterns, within or 0.0, start)
        self._cursor = found.match.end
        if self._on_match:
            self._on_match(found.match)
        if found.rejected:
            raise words.rejected(self._log, reject[found.match.index], found.match, patterns)
        return found.match

    async def quiet(self, seconds: float) -> None:
        seen = -1
        while seen != self._log.end:
            seen = self._log.end
            with anyio.move_on_after(seconds):
                await self._log.changed(seen)

    def word(self) -> str:
        return hashlib.sha256(f"{self._seed} {self.name} {self._sends}".encode()).hexdigest()[:8]

    def skip(self) -> int:
        self._cursor = self._log.end
        return self._cursor

    def read(self, start: int, end: int | None = None) -> bytes:
        return self._log.read(start, end)
