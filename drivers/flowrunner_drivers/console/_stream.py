"""Byte streams that need no serial library."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.net.dial import dial_host


class Loop:
    """What is sent comes back."""

    def __init__(self) -> None:
        self._sender, self._receiver = anyio.create_memory_object_stream[bytes](1024)

    @classmethod
    @asynccontextmanager
    async def opened(cls) -> AsyncIterator[Loop]:
        """A new loop."""
        loop = cls()
        with loop._sender, loop._receiver:
            yield loop

    async def receive(self) -> bytes:
        return await self._receiver.receive()

    async def send(self, data: bytes) -> None:
        await self._sender.send(data)


class Paced:
    """A stream that sends at most `cps` bytes a second, for targets that drop what comes faster."""

    def __init__(self, inner: ByteStream, cps: float) -> None:
        self._inner = inner
        self._cps = cps

    async def receive(self) -> bytes:
        return await self._inner.receive()

    async def send(self, data: bytes) -> None:
        start = anyio.current_time()
        for count in range(len(data)):
            await self._inner.send(data[count : count + 1])
            await anyio.sleep_until(start + (count + 1) / self._cps)


@asynccontextmanager
async def tcp_stream(url: str) -> AsyncIterator[ByteStream]:
    """Connect to `socket://host:port`.

    Raises:
        BenchError: nobody answers there.
    """
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise BenchError(f"'{url}' needs a host and a port", blame="config", help="such as socket://ts1:4001")
    stream = await dial_host(parts.hostname, parts.port, name=f"'{url}'")
    try:
        yield stream
    finally:
        stream.close()
