"""Console and the lines of its serial port, both ways."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import anyio

from flowrunner.interface import ByteStream, Interface, end_sending
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.serial import ModemLines, SerialLines
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.facade import Facade, Resources


class ConsoleFacade(Facade):
    """What `PySerialClient` calls."""

    client_class = "jumpstarter_driver_pyserial.client.PySerialClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self._open: set[Closable] = set()
        self.serve(self.close)
        self.streams["connect"] = self._connect
        if isinstance(part, SerialLines):
            self.serve(self.set_dtr, self.set_rts)

    async def close(self) -> None:
        """End the streams that clients of Jumpstarter have open."""
        for each in tuple(self._open):
            each.close()

    async def set_dtr(self, value: bool) -> None:
        await self.part.set_dtr(value)

    async def set_rts(self, value: bool) -> None:
        await self.part.set_rts(value)

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[ByteStream]:
        async with self.part.connect() as inner:
            stream = Closable(inner)
            self._open.add(stream)
            try:
                yield stream
            finally:
                self._open.discard(stream)


class Closable:
    """A byte stream that others can end; its reader sees the end."""

    def __init__(self, inner: ByteStream) -> None:
        self._inner = inner
        self._closed = False
        self._scope: anyio.CancelScope | None = None

    def close(self) -> None:
        """End it."""
        self._closed = True
        if self._scope:
            self._scope.cancel()

    async def receive(self) -> bytes:
        if not self._closed:
            with anyio.CancelScope() as self._scope:
                return await self._inner.receive()
        raise anyio.EndOfStream

    async def send(self, data: bytes, /) -> None:
        if self._closed:
            raise anyio.BrokenResourceError
        await self._inner.send(data)

    async def send_eof(self) -> None:
        if not self._closed:
            await end_sending(self._inner)


class ForeignSerial(Console, SerialLines):
    """A serial port on an exporter of Jumpstarter."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def connect(self) -> AbstractAsyncContextManager[ByteStream]:
        return self._peer.stream("connect")

    async def set_dtr(self, on: bool) -> None:
        await self._peer.call("set_dtr", on)

    async def set_rts(self, on: bool) -> None:
        await self._peer.call("set_rts", on)

    async def lines(self) -> ModemLines:
        raise NotImplementedError("tell the lines of the far end: drivers of Jumpstarter do not")

    async def send_break(self, duration: float = 0.25) -> None:
        raise NotImplementedError("send a break: drivers of Jumpstarter do not")

    async def set_baudrate(self, rate: int) -> None:
        raise NotImplementedError("set the speed: drivers of Jumpstarter do not")
