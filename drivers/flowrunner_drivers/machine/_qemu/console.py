"""The machine's console: one stream for its reader, though QEMU comes and goes."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketStream

from flowrunner.errors import BenchError

LIMIT = 1 << 20
"""Bytes that are kept for a reader that is slow or not there."""

PATIENCE = 5.0
"""Seconds that a full console waits for its reader to take something; the machine may stand still meanwhile."""

PIECE = 1 << 16
log = logging.getLogger(__name__)


class ConsoleBuffer:
    """What the machine has printed and nobody has read yet.

    While there is no reader the oldest bytes beyond `LIMIT` are dropped. A reader that takes nothing for `PATIENCE`
    seconds counts as none: a machine must not stand still because somebody has forgotten its console.
    """

    def __init__(self) -> None:
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._reading = False
        self._closed = False
        self._arrived = anyio.Event()
        self._taken = anyio.Event()
        self._source: SocketStream | None = None
        self._idle = anyio.Event()
        self._idle.set()

    async def follow(self, source: SocketStream) -> None:
        """Take all that `source` says until it ends; what an earlier source said comes first."""
        await self._idle.wait()
        self._idle = anyio.Event()
        self._source = source
        try:
            async with source:
                while True:
                    await self._put(await source.receive(PIECE))
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass
        finally:
            self._source = None
            self._idle.set()

    @asynccontextmanager
    async def reader(self) -> AsyncIterator[ConsoleReader]:
        """The one reader.

        Raises:
            BenchError: there is one already.
        """
        if self._reading:
            raise BenchError("the console has a reader already", blame="infra", help="close the other one first")
        self._reading = True
        try:
            yield ConsoleReader(self)
        finally:
            self._reading = False
            self._taken.set()

    def close(self) -> None:
        """Nothing will come any more."""
        self._closed = True
        self._arrived.set()

    async def take(self) -> bytes:
        """Wait for some bytes."""
        while not self._kept:
            if self._closed:
                raise anyio.EndOfStream
            self._arrived = anyio.Event()
            await self._arrived.wait()
        data = b"".join(self._kept) if self._size <= PIECE else self._kept.popleft()
        if self._size <= PIECE:
            self._kept.clear()
        self._size -= len(data)
        self._taken.set()
        return data

    async def send(self, data: bytes) -> None:
        """Type."""
        if self._source is None:
            raise BenchError("the machine is off: nothing can be sent to its console", help="power it on first")
        await self._source.send(data)

    async def _put(self, data: bytes) -> None:
        while self._reading and self._size >= LIMIT:
            self._taken = anyio.Event()
            with anyio.move_on_after(PATIENCE) as limit:
                await self._taken.wait()
            if limit.cancelled_caught:
                break
        self._kept.append(data)
        self._size += len(data)
        self._arrived.set()
        dropped = 0
        while self._size > LIMIT + PIECE:
            dropped += len(self._kept[0])
            self._size -= len(self._kept.popleft())
        if dropped:
            log.warning("nobody reads the console: %d of its oldest bytes were dropped", dropped)


class ConsoleReader:
    """The stream that a reader gets."""

    def __init__(self, buffer: ConsoleBuffer) -> None:
        self._buffer = buffer

    async def receive(self) -> bytes:
        return await self._buffer.take()

    async def send(self, data: bytes, /) -> None:
        await self._buffer.send(data)
