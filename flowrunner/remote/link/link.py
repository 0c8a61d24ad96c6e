"""A link: messages in order, each delivered exactly once, over connections that come and go."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import anyio

from flowrunner.remote.link.packet import BATCH, Kind, Packet, Wire, pack_content, pack_head, unpack

WINDOW = 16 * 1024 * 1024
"""Bytes that may be on their way unacknowledged; who sends more waits."""

ACKNOWLEDGE = 1024 * 1024
"""Bytes after which a silent receiver acknowledges."""

Deliver = Callable[[Kind, int, Any], None]


class Link:
    """One end of a link.

    `deliver` is told of each message in the order in which it was sent. `heard` is when the far end last gave a sign
    of life, on the event loop's clock. What was not acknowledged is sent again over the next connection.
    """

    def __init__(self, deliver: Deliver, *, beat: float) -> None:
        """`beat` is the time in seconds after which a sign of life is sent."""
        self.heard = anyio.current_time()
        self.received = 0
        self.connected = False
        self._deliver = deliver
        self._beat = beat
        self._sent: dict[int, bytes] = {}
        self._on_way = 0
        self._last = 0
        self._next = 1
        self._owed = 0
        self._due = False
        self._quiet = True
        self._ended = False
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._scope: anyio.CancelScope | None = None

    def post(self, kind: Kind, channel: int = 0, body: Any = None) -> None:
        """Send a small message, whatever is on its way.

        Raises:
            ValueError: `body` cannot cross the wire.
        """
        content = pack_content(kind, channel, body)
        self._last += 1
        self._sent[self._last] = content
        self._on_way += len(content)
        self._wake.set()

    async def send(self, kind: Kind, channel: int, body: Any) -> None:
        """Send a message when the window has room for it.

        Raises:
            anyio.BrokenResourceError: the link has ended.
        """
        while self._on_way > WINDOW and not self._ended:
            self._room.clear()
            await self._room.wait()
        if self._ended:
            raise anyio.BrokenResourceError
        self.post(kind, channel, body)

    async def carry(self, wire: Wire, received: int) -> None:
        """Use a connection until it ends; one that was in use is left. `received` is what the far end has got.

        Raises:
            ValueError: the far end sent something that is no message, or has lost what it had.
        """
        if self._scope:
            self._scope.cancel()
        if received + 1 < next(iter(self._sent), self._last + 1):
            raise ValueError("the far end has lost what it had")
        self._forget(received)
        self._next = received + 1
        with anyio.CancelScope() as scope:
            self._scope = scope
            self.connected = True
            self.heard = anyio.current_time()
            tasks = [asyncio.create_task(self._write(wire)), asyncio.create_task(self._live())]
            try:
                await self._read(wire)
            finally:
                for task in tasks:
                    task.cancel()  # not waited for: whoever cancels us may do so again
                if self._scope is scope:
                    self.connected, self._scope = False, None
                    self._room.set()

    def end(self) -> None:
        """There will be no more connections: nobody waits for room any more."""
        self._ended = True
        self._room.set()
        self.leave()

    def leave(self) -> None:
        """Leave the connection that is in use."""
        if self._scope:
            self._scope.cancel()

    async def flushed(self) -> None:
        """Wait until all that was sent has been acknowledged, or the connection has ended."""
        while self._sent and self.connected:
            self._room.clear()
            await self._room.wait()

    async def _read(self, wire: Wire) -> None:
        while (data := await wire.read()) is not None:
            self.heard = anyio.current_time()
            for packet in unpack(data):
                self._take(packet)
            self._owed += len(data)
            if self._owed >= ACKNOWLEDGE:
                self._wake.set()

    def _take(self, packet: Packet) -> None:
        self._forget(packet.received)
        if packet.sequence == self.received + 1:
            self.received += 1
            self._deliver(Kind(packet.kind), packet.channel, packet.body)
        elif packet.sequence > self.received:
            raise ValueError(f"message {packet.sequence} came behind message {self.received}")

    def _forget(self, received: int) -> None:
        """The far end has everything up to `received`."""
        if received > self._last:
            raise ValueError(f"message {received} was never sent")
        while self._sent and (first := next(iter(self._sent))) <= received:
            self._on_way -= len(self._sent.pop(first))
            self._room.set()

    async def _write(self, wire: Wire) -> None:
        try:
            while True:
                if self._next <= self._last or self._owed >= ACKNOWLEDGE or self._due:
                    await wire.write(self._batch())
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except ConnectionError:
            return  # the reader sees its end

    async def _live(self) -> None:
        """Send a sign of life in each interval in which nothing else was sent."""
        while True:
            self._quiet = True
            await asyncio.sleep(self._beat)
            if self._quiet:
                self._due = True
                self._wake.set()

    def _batch(self) -> bytes:
        """The next messages, as many as fit; without any, an acknowledgement."""
        self._owed = 0
        self._due = self._quiet = False
        size, parts = 0, []
        while self._next <= self._last and size < BATCH:
            content = self._sent[self._next]
            parts += [pack_head(self._next, self.received, more=True), content]
            size += len(content)
            self._next += 1
        return b"".join(parts) if parts else pack_head(0, self.received)
