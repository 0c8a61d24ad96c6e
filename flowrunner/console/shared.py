"""One console, several readers: the job that logs it, and a driver that works on it meanwhile."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from flowrunner.console.link import BROKEN
from flowrunner.errors import unwrap
from flowrunner.interface import ByteStream
from flowrunner.interfaces.console import Console

KEPT = 1024
"""Pieces that are kept for a reader that is slow."""

PATIENCE = 5.0
"""Seconds that all others wait for a reader that takes nothing; then it loses what comes."""

log = logging.getLogger(__name__)


class SharedConsole(Console):
    """Opens `console` for its first reader and closes it behind the last; each gets every byte from its own beginning.

    All may send: what they type is not kept apart.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._guests: set[_Guest] = set()
        self._line: asyncio.Task[None] | None = None
        self._stream: asyncio.Future[ByteStream] | None = None
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        async with self._turn:
            if self._line is None or self._line.done():
                self._stream = asyncio.get_running_loop().create_future()
                self._line = asyncio.create_task(self._read(self._stream))
            assert self._stream is not None
            guest = _Guest(self._stream)
            self._guests.add(guest)
        try:
            await asyncio.shield(self._stream)
            yield guest
        finally:
            self._guests.discard(guest)
            guest.leave()
            with anyio.CancelScope(shield=True):
                await self._leave()

    def __getattr__(self, name: str) -> Any:
        """What else the console can do, such as to send a break."""
        return getattr(self._console, name)

    async def _leave(self) -> None:
        """Close the console behind the last one."""
        async with self._turn:
            if not self._guests and self._line is not None:
                line, self._line = self._line, None
                line.cancel()
                await asyncio.gather(line, return_exceptions=True)

    async def _read(self, opened: asyncio.Future[ByteStream]) -> None:
        """Hand out what comes, until the console ends or nobody reads any more."""
        try:
            async with self._console.connect() as stream:
                if not opened.cancelled():
                    opened.set_result(stream)
                while data := await stream.receive():
                    for guest in tuple(self._guests):
                        await guest.put(data)
        except BROKEN as error:
            log.debug("the shared console ended: %r", error)
            _failed(opened, error)
        except BaseException as error:
            _failed(opened, unwrap(error))
            raise
        finally:
            for guest in tuple(self._guests):
                guest.end()


def _failed(opened: asyncio.Future[ByteStream], error: BaseException) -> None:
    """Tell those who wait for the console why it was not opened."""
    if not opened.done():
        opened.set_exception(error if isinstance(error, Exception) else anyio.ClosedResourceError())
        opened.exception()  # when nobody waits any more, nobody needs to be told


class _Guest:
    """The stream of one reader."""

    def __init__(self, stream: asyncio.Future[ByteStream]) -> None:
        self._stream = stream
        self._lost = False
        self._into: MemoryObjectSendStream[bytes]
        self._out: MemoryObjectReceiveStream[bytes]
        self._into, self._out = anyio.create_memory_object_stream[bytes](KEPT)

    async def receive(self) -> bytes:
        return await self._out.receive()

    async def send(self, data: bytes, /) -> None:
        await self._stream.result().send(data)

    async def put(self, data: bytes) -> None:
        """Keep `data` for the reader; one that takes nothing loses it."""
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
            if self._lost:
                with suppress(anyio.WouldBlock):
                    self._into.send_nowait(data)
                return
            with anyio.move_on_after(PATIENCE):
                await self._into.send(data)
                return
            self._lost = True
            log.warning("a reader of the console took nothing for %g s: it loses what comes", PATIENCE)

    def end(self) -> None:
        """Nothing comes any more; what was kept can still be read."""
        self._into.close()

    def leave(self) -> None:
        """The reader is gone."""
        self._into.close()
        self._out.close()
