"""The serial line of the virtual board."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream

LIMIT = 1 << 18
"""Bytes that wait for the reader before the board has to."""


class Wire:
    """What the board prints, and what is typed to it. As on a real line, what nobody listens to is lost."""

    def __init__(self) -> None:
        self.listening = False
        self._printed = bytearray()
        self._typed = bytearray()
        self._changed = anyio.Event()

    async def print(self, data: bytes) -> None:
        """Send from the board."""
        if self.listening:
            self._printed += data
            self._wake()
        while self.listening and len(self._printed) > LIMIT:
            await self._changed.wait()

    async def typed(self) -> bytes:
        """Wait for something to be typed."""
        while not self._typed:
            await self._changed.wait()
        return self._take(self._typed)

    def put_back(self, data: bytes) -> None:
        """Let `data`, the end of what was typed, be read again."""
        self._typed[:0] = data

    def forget_typed(self) -> None:
        """A board that was off has heard nothing."""
        self._typed.clear()

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[ByteStream]:
        """Listen to the board."""
        if self.listening:
            raise BenchError("the console is connected already", blame="internal")
        self.listening = True
        try:
            yield _FarEnd(self)
        finally:
            self.listening = False
            self._printed.clear()
            self._wake()

    async def printed(self) -> bytes:
        """Wait for something to be printed."""
        while not self._printed:
            await self._changed.wait()
        return self._take(self._printed)

    def type(self, data: bytes) -> None:
        """Send to the board."""
        self._typed += data
        self._wake()

    def _take(self, buffer: bytearray) -> bytes:
        data = bytes(buffer)
        buffer.clear()
        self._wake()
        return data

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


class _FarEnd:
    """The console as its reader sees it."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    async def receive(self) -> bytes:
        return await self._wire.printed()

    async def send(self, data: bytes) -> None:
        self._wire.type(data)
