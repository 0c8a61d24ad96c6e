"""One transfer: a socket of its own, sending until the last block is acknowledged."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from flowrunner_drivers.tftp._content import BATCH, Content
from flowrunner_drivers.tftp._eager import Eager
from flowrunner_drivers.tftp._options import Agreed
from flowrunner_drivers.tftp._packets import HEADER, Code, Op, error, oack
from flowrunner_drivers.tftp._window import Ack, Window

FOREIGN = error(Code.UNKNOWN_TRANSFER, "this port serves another transfer")


class Broken(Exception):
    """The transfer ended before its end; the text says why."""


class Transfer:
    """Sends `content` to `peer` as was agreed. Without an ACK, the window is sent again at most `retries` times."""

    def __init__(self, sock: socket.socket, peer: Any, content: Content, agreed: Agreed, retries: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._peer = peer
        self._content = content
        self._agreed = agreed
        self._retries = retries
        self._tries = 0
        self._eager = Eager()
        self._received = bytearray(516)
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._filling: asyncio.Future[list[memoryview]] | None = None
        self._window = Window(0, 1) if agreed.answer else Window(1, agreed.windowsize)
        self._ahead = max(2 * agreed.windowsize, BATCH // (agreed.blksize + HEADER.size) // 2)
        self._deadline = self._heard = self._resent = 0.0
        self._quickest = agreed.timeout
        self._blocked = False
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, min(4 * agreed.windowsize * agreed.blksize, 1 << 22))

    @property
    def begun(self) -> bool:
        """Whether the client answered."""
        return self._heard > 0

    @property
    def again(self) -> int:
        """How many packets were sent more than once."""
        return self._window.again

    async def run(self) -> None:
        """Send all of it.

        Raises:
            Broken: the client ended it, or is silent.
            OSError: the file cannot be read, or the network is down.
        """
        if self._agreed.answer:
            self._window.add([oack(self._agreed.answer)])
        else:
            self._window.add(await asyncio.to_thread(self._content.packets))
        self._loop.add_reader(self._socket, self._guarded)
        timer = self._loop.call_soon(self._tick)
        try:
            self._send()
            await self._ended
        finally:
            timer.cancel()
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            if self._filling:  # it reads the file, which is closed behind us
                await asyncio.wait([self._filling])
