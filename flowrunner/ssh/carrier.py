"""A byte stream in the place of a socket, for asyncssh."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream


class Carrier(asyncio.Transport):
    """The transport of one connection, and the tunnel that gives it: asyncssh asks for that once.

    What asyncssh writes waits here until it is sent; its channels' windows bound how much that can be.
    """

    def __init__(self, stream: ByteStream) -> None:
        super().__init__()
        self._stream = stream
        self._waiting = bytearray()
        self._wake = asyncio.Event()
        self._closing = False
        self._aborted = False
        self._protocol: Any = None
        self._joined = asyncio.Event()

    async def create_connection(self, factory: Callable[[], Any], host: str, port: int) -> tuple[Any, Any]:
        """What asyncssh calls where it would open a socket."""
        self._protocol = factory()
        self._protocol.connection_made(self)
        self._joined.set()
        return self, self._protocol

    async def carry(self) -> None:
        """Carry bytes both ways until one of the ends closes. Never raises: the protocol is told why it is over."""
        await self._joined.wait()
        why: Exception | None = None
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._inward, tasks.cancel_scope)
                await self._outward()
                tasks.cancel_scope.cancel()
        except* (BenchError, OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as group:
            why = group.exceptions[0]
        self._closing = True
        self._protocol.connection_lost(why)

    async def _inward(self, scope: anyio.CancelScope) -> None:
        try:
            while True:
                self._protocol.data_received(await self._stream.receive())
        except anyio.EndOfStream:
            scope.cancel()

    async def _outward(self) -> None:
        while not self._aborted:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting and not self._aborted:
                data, self._waiting = bytes(self._waiting), bytearray()
                await self._stream.send(data)
            if self._closing:
                return

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._waiting += data
        self._wake.set()

    def close(self) -> None:
        self._closing = True
        self._wake.set()

    def abort(self) -> None:
        self._aborted = True
        self.close()

    def is_closing(self) -> bool:
        return self._closing
