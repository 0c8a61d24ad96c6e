"""A port that is a part of the board itself, and is there only while that has power."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from flowrunner.errors import BenchError
from flowrunner_drivers.console._held import HeldPort
from flowrunner_drivers.console._port import HandleStream

PAUSE = 0.05
"""Seconds between two looks at whether it is there."""

SETTLE = 5.0
"""Seconds after it appeared in which it may be refused: udev sets its rights, and modem managers try it."""


class ReturningStream:
    """What comes from the port whenever it is there: reading waits for it, and goes on when it is back."""

    def __init__(self, port: HeldPort) -> None:
        self._port = port
        self._path = Path(port.url)
        self._stream: HandleStream | None = None

    @classmethod
    @asynccontextmanager
    async def opened(cls, port: HeldPort) -> AsyncIterator[ReturningStream]:
        """The stream; leaving closes the port if it is there."""
        try:
            yield cls(port)
        finally:
            await port.close()

    async def receive(self) -> bytes:
        while True:
            if self._stream is None:
                self._stream = await self._appeared()
            try:
                return await self._stream.receive()
            except BenchError:
                self._stream = None
                await self._port.close()
                await anyio.sleep(PAUSE)  # what has no power any more is seen for a moment longer

    async def send(self, data: bytes) -> None:
        if self._stream is None:
            raise BenchError(
                f"nothing can be sent: '{self._path}' is not there", help="is the board on, and did it boot?"
            )
        await self._stream.send(data)

    async def _appeared(self) -> HandleStream:
        """The port, as soon as it is there.

        Raises:
            BenchError: it is there, and cannot be opened.
        """
        refused_since: float | None = None
        while True:
            try:
                return HandleStream(await self._port.open())
            except BenchError:
                now, there = anyio.current_time(), self._path.exists()
                refused_since = (refused_since or now) if there else None
                if refused_since and now - refused_since > SETTLE:
                    raise
            await anyio.sleep(PAUSE)
