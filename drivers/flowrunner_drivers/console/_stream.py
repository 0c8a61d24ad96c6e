"""Byte streams that need no serial library."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import anyio
from anyio.abc import SocketStream

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream

READ = 1 << 16
CONNECT = 10.0
"""Seconds that a connection may take."""


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


class TcpStream:
    """A TCP connection that carries a console's bytes and nothing else."""

    def __init__(self, inner: SocketStream, name: str) -> None:
        self._inner = inner
        self._name = name

    async def receive(self) -> bytes:
        try:
            return await self._inner.receive(READ)
        except anyio.BrokenResourceError as error:
            raise BenchError(f"the connection to '{self._name}' broke: {error.__cause__}") from error

    async def send(self, data: bytes) -> None:
        try:
            await self._inner.send(data)
        except anyio.BrokenResourceError as error:
            raise BenchError(f"the connection to '{self._name}' broke: {error.__cause__}") from error


@asynccontextmanager
async def tcp_stream(url: str) -> AsyncIterator[ByteStream]:
    """Connect to `socket://host:port`.

    Raises:
        BenchError: nobody answers there.
    """
    parts = urlsplit(url)
    if parts.hostname is None or parts.port is None:
        raise BenchError(f"'{url}' needs a host and a port", blame="config", help="such as socket://ts1:4001")
    try:
        with anyio.fail_after(CONNECT):
            inner = await anyio.connect_tcp(parts.hostname, parts.port)
    except TimeoutError as error:
        raise BenchError(f"'{url}' did not answer within {CONNECT:g}s", blame="infra") from error
    except OSError as error:
        number = getattr(error.__cause__ or error, "errno", None) or 0
        why = os.strerror(number) if number > 0 else str(error.__cause__ or error)
        raise BenchError(f"'{url}' cannot be reached: {why}", blame="infra") from error
    async with inner:
        yield TcpStream(inner, url)
