"""The one reader of a console, from lease to release: it logs every byte and serves those who wait for some."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio
import anyio.lowlevel

from flowrunner.console.link import Link
from flowrunner.console.log import ConsoleLog
from flowrunner.console.patterns import ConsoleSession, Match, Pattern
from flowrunner.console.scan import Scanner
from flowrunner.console.session import LogSession
from flowrunner.errors import BenchError
from flowrunner.interfaces.console import Console
from flowrunner.model import Duration

ANSWER = 1024
"""Bytes of a piece that somebody may wait for at this moment; more at once is a flood."""


class ConsoleReader:
    """Reads the console `name` as long as `run` runs.

    `on_data` gets what arrived, masked as in the log; it may be empty when all of it is held back, but it is a sign of
    life. `on_match` and `on_send` are told what steps found and what they are about to send; who waits is served
    first, so a match may be told a moment before its data.
    """

    def __init__(
        self,
        name: str,
        client: Console,
        log: ConsoleLog,
        *,
        clock: Callable[[], Duration],
        on_data: Callable[[bytes], None] | None = None,
        on_match: Callable[[Match], None] | None = None,
        on_send: Callable[[bytes, bool], None] | None = None,
        seed: str = "",
    ) -> None:
        self.name = name
        self.log = log
        self._clock = clock
        self._on_data = on_data
        self._link = Link(name, client, log, self._take)
        self.session: ConsoleSession = LogSession(
            name, log, self._link.send, on_match=on_match, on_send=on_send, seed=seed
        )

    async def run(self, *, connected: asyncio.Future[None] | None = None) -> None:
        """Read until canceled; `connected` is set when the first connection stands. The log is closed at the end.

        Raises:
            BenchError: the first connection could not be made, or the disk did not take what came.
        """

        def signal() -> None:
            if connected and not connected.done():
                connected.set_result(None)

        reason = BenchError("the console is closed", driver=self.name)
        try:
            await self._link.run(signal)
        except Exception as error:
            broke = BenchError(f"the console's driver broke: {error!r}", blame="internal", driver=self.name)
            reason = error if isinstance(error, BenchError) else broke
            raise
        finally:
            self.log.lost(reason, over=True)
            self.log.close()

    async def watch(self, pattern: Pattern, start: int | None = None) -> Match:
        """Wait for `pattern` at or behind `start`, or from now on; the cursor of the session stays where it is.

        Raises:
            BenchError: the console is gone, or the pattern took too long.
        """
        scanner = Scanner(self.log, (pattern,), (), self.log.end if start is None else start)
        return (await scanner.find()).match

    async def drain(self, quiet: float = 0.05, limit: float = 1.0) -> None:
        """Wait until nothing more arrives: for `quiet` seconds, or for `limit` in all."""
        if self._link.stream is not None:
            with anyio.move_on_after(limit):
                await self.session.quiet(quiet)

    async def _take(self, data: bytes) -> None:
        """Serve those who wait before the disk, unless so much comes at once that it is no answer to anybody."""
        if self.log.append(data) and len(data) < ANSWER:
            await anyio.lowlevel.checkpoint()
        masked = self.log.flush()
        if self._on_data:
            self._on_data(masked)
