"""Forwarding of datagrams: each sender to a port of this machine gets a stream of its own to the far end."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import anyio.lowlevel
from anyio.abc import TaskGroup

from flowrunner.beside import beside
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interface import ByteStream, has_borders
from flowrunner.net.forward import LOOPBACK, Connect, Forward, OnError, log_error
from flowrunner.net.listen import listen_udp

IDLE = 120.0
"""Seconds without any datagram after which a sender is forgotten (RFC 4787 asks for two minutes at least)."""

WAITING = 1024
"""Datagrams of one sender that wait for the far end; more are lost, the oldest first."""

LARGEST = 65535


@asynccontextmanager
async def forward_udp(
    connect: Connect, *, host: str = LOOPBACK, port: int = 0, idle: float = IDLE, on_error: OnError | None = None
) -> AsyncIterator[Forward]:
    """Receive datagrams at `host`, on a free port by default, as long as the block lasts.

    A sender that was silent for `idle` seconds, in both directions, is forgotten.

    Raises:
        BenchError: there is no such address here, the port is in use, or the far end is not one for datagrams.
    """
    async with connect() as far:
        if not has_borders(far):
            what = "datagrams can be forwarded only to a part that keeps their borders"
            raise BenchError(what, blame="config", help="such as one of type network.udp")
    with await listen_udp(host, port) as listener:
        found = listener.getsockname()
        forward = Forward(host=found[0], port=found[1])
        async with beside() as tasks:
            tasks.start_soon(_Senders(listener, connect, forward, idle, on_error or log_error).take, tasks)
            yield forward


class _Senders:
    """Those who sent something lately."""

    def __init__(
        self, listener: socket.socket, connect: Connect, forward: Forward, idle: float, on_error: OnError
    ) -> None:
        self._listener = listener
        self._connect = connect
        self._forward = forward
        self._idle = idle
        self._on_error = on_error
        self._known: dict[Any, _Sender] = {}
        self._sending = anyio.Lock()

    async def take(self, tasks: TaskGroup) -> None:
        """Receive for ever."""
        while True:
            try:
                data, address = self._listener.recvfrom(LARGEST)
            except BlockingIOError:
                await anyio.wait_readable(self._listener)
                continue
            except ConnectionError:
                continue  # an answer that nobody took any more: told here by the system, and none of our business
            sender = self._known.get(address)
            if sender is None:
                sender = self._known[address] = _Sender()
                tasks.start_soon(self._serve, sender, address)
            sender.put(data)
            await anyio.lowlevel.checkpoint()

    async def _serve(self, sender: _Sender, address: Any) -> None:
        self._forward.open += 1
        self._forward.accepted += 1
        try:
            async with self._connect() as far, beside() as tasks:
                tasks.start_soon(self._answer, far, sender, address)
                while data := await sender.get(self._idle):
                    await far.send(data[0])
        except (FlowrunnerError, OSError, anyio.EndOfStream, anyio.BrokenResourceError) as error:
            self._forward.broken += 1
            self._on_error(error if isinstance(error, FlowrunnerError) else BenchError("the far end hung up"))
        finally:
            self._forward.open -= 1
            del self._known[address]

    async def _answer(self, far: ByteStream, sender: _Sender, address: Any) -> None:
        while True:
            data = await far.receive()
            sender.touch()
            async with self._sending:
                while not self._sent(data, address):
                    await anyio.wait_writable(self._listener)

    def _sent(self, data: bytes, address: Any) -> bool:
        with suppress(BlockingIOError):
            self._listener.sendto(data, address)
            return True
        return False


class _Sender:
    """What one sender sent and the far end did not get yet."""

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque(maxlen=WAITING)
        self._arrived = anyio.Event()
        self.touch()

    def put(self, data: bytes) -> None:
        self._waiting.append(data)
        self._arrived.set()

    def touch(self) -> None:
        """Something came back."""
        self._last = anyio.current_time()

    async def get(self, idle: float) -> tuple[bytes] | None:
        """The next datagram, as a tuple of one; None when nothing moved for `idle` seconds."""
        while not self._waiting:
            self._arrived = anyio.Event()
            with anyio.move_on_at(self._last + idle):
                await self._arrived.wait()
            if not self._waiting and anyio.current_time() >= self._last + idle:
                return None
        self.touch()
        return (self._waiting.popleft(),)
