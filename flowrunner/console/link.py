"""The connection to one console: it is opened again whenever it breaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel

from flowrunner.console.log import PATIENCE, ConsoleLog, LogError
from flowrunner.errors import BenchError, unwrap
from flowrunner.interface import ByteStream
from flowrunner.interfaces.console import Console

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 2.0
TURN = 256 * 1024
"""Bytes after which other tasks get their turn, also when the stream never has to wait."""

BROKEN = (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, OSError, BenchError)


class Link:
    """Keeps `client` connected and hands every byte to `take`."""

    def __init__(self, name: str, client: Console, log: ConsoleLog, take: Callable[[bytes], Awaitable[None]]) -> None:
        self.stream: ByteStream | None = None
        self._name = name
        self._client = client
        self._log = log
        self._take = take
        self._up = anyio.Event()

    async def run(self, connected: Callable[[], None]) -> None:
        """Read until canceled; calls `connected` whenever a connection stands.

        Raises:
            BenchError: the first connection could not be made, or the disk did not take what came.
        """
        pause, first = FIRST_PAUSE, True
        while True:
            try:
                reason = await self._read(connected)
                pause, first = FIRST_PAUSE, False
            except (*BROKEN, ExceptionGroup) as error:
                reason = unwrap(error)
                if first or isinstance(reason, LogError) or not isinstance(reason, BROKEN):
                    raise self._error("could not be opened", reason) from error
            self._log.lost(self._error("was lost and does not come back", reason))
            await anyio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _read(self, connected: Callable[[], None]) -> Exception:
        """Take all bytes of one connection; returns why it ended."""
        async with self._client.connect() as stream:
            self.stream = stream
            self._log.connected()
            self._up.set()
            connected()
            try:
                return await self._pump(stream)
            finally:
                self.stream, self._up = None, anyio.Event()

    async def _pump(self, stream: ByteStream) -> Exception:
        since = 0
        while True:
            try:
                data = await stream.receive()
            except BROKEN as error:
                return error
            if not data:
                return anyio.EndOfStream()
            await self._take(data)
            since += len(data)
            if since >= TURN:
                since = 0
                await anyio.lowlevel.checkpoint()

    async def send(self, data: bytes, delay: float) -> None:
        """Write `data`, with `delay` seconds between two bytes; waits for a console that is away.

        Raises:
            BenchError: it does not come back, or broke.
        """
        with anyio.move_on_after(PATIENCE):
            await self._up.wait()
            while self.stream is None:  # it was lost while this task waited for its turn
                await self._up.wait()
        if self.stream is None:
            raise self._log.gone or self._error("is not connected, so nothing can be sent to it", None)
        pieces = [data[i : i + 1] for i in range(len(data))] if delay > 0 else [data]
        try:
            for i, piece in enumerate(pieces):
                if i:
                    await anyio.sleep(delay)
                await self.stream.send(piece)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError) as error:
            raise self._error("broke while something was sent to it", error) from error

    def _error(self, what: str, cause: Exception | None) -> BenchError:
        if isinstance(cause, LogError):
            return cause
        if isinstance(cause, BenchError):
            return BenchError(
                f"the console {what}: {cause.what}",
                blame=cause.blame,
                driver=self._name,
                said=cause.said,
                help=cause.help,
            )
        why = f": {cause or type(cause).__name__}" if cause else ""
        return BenchError(f"the console {what}{why}", driver=self._name)
