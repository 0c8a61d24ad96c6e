"""Reading what has a length from a byte stream."""

from __future__ import annotations

import struct
from typing import Any

import anyio

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream


class Wire:
    """A byte stream to a VNC server, read by the number of bytes. Numbers are big-endian."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._kept = bytearray()

    async def exactly(self, count: int) -> bytes:
        """The next `count` bytes.

        Raises:
            BenchError: the server hung up before them.
        """
        while len(self._kept) < count:
            try:
                self._kept += await self._stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError) as error:
                raise BenchError("the VNC server hung up", blame="infra") from error
        data = bytes(self._kept[:count])
        del self._kept[:count]
        return data

    async def numbers(self, form: str) -> tuple[Any, ...]:
        """The next numbers, as `struct` writes their form."""
        return struct.unpack(f">{form}", await self.exactly(struct.calcsize(f">{form}")))

    async def text(self) -> str:
        """A text with its length in front."""
        (length,) = await self.numbers("I")
        return (await self.exactly(length)).decode(errors="replace").strip()

    async def send(self, form: str, *values: Any) -> None:
        """Send numbers, as `struct` writes their form."""
        await self._stream.send(struct.pack(f">{form}", *values))

    def rest(self) -> bytes:
        """What came and was not asked for."""
        data = bytes(self._kept)
        self._kept.clear()
        return data
