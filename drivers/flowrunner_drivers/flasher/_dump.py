"""Reading a board's storage back: it sends it to a port of this host."""

from __future__ import annotations

import asyncio
import logging
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import anyio
from anyio.abc import SocketStream

from flowrunner.beside import beside
from flowrunner.console.text import last_lines
from flowrunner.driver import NOTICE
from flowrunner.errors import BenchError
from flowrunner.model import Duration, Size
from flowrunner_drivers.flasher._faults import PassingError
from flowrunner_drivers.flasher._system import System

Put = Callable[[bytes], Awaitable[None]]

PIECE = 1 << 18
KEPT = 8

log = logging.getLogger(__name__)


async def dumped(system: System, device: str, length: int | None, host: str, put: Put, *, stall: float) -> None:
    """Let the board send `length` bytes of `device`, or all of it, to a port of `host`, our address; `put` gets them.

    Raises:
        PassingError: they did not come whole, or nothing came for `stall` seconds.
        BenchError: the device is smaller, or the system lacks a command.
    """
    room = await system.size(device)
    wanted = room if length is None else length
    if wanted > room:
        raise BenchError(f"'{device}' has only {room} bytes, {wanted} were asked for", blame="config")
    received = _Received(put)
    async with await anyio.create_tcp_listener(local_host=host) as listener:
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        log.log(NOTICE, "the board sends %s of %s", Size(wanted), device)
        async with beside(lambda: listener.serve(received.take), lambda: received.moving(stall)):
            statuses, said = await system.piped(
                endless=True, head=f"head -c {wanted} {device}", pack="gzip -1 -c", send=f"nc {host} {port}"
            )
            with anyio.move_on_after(10):
                await received.done.wait()
    if any(statuses.values()) or received.size != wanted:
        how = ", ".join(f"{name} exited {status}" for name, status in statuses.items())
        raise PassingError(
            f"only {received.size} of {wanted} bytes of '{device}' came: {how}", blame="infra",
            said=last_lines(said.encode()),
        )  # fmt: skip


class _Received:
    """What comes, unpacked."""

    def __init__(self, put: Put) -> None:
        self.size = 0
        self._heard = anyio.current_time()
        self._putting = False
        self.done = anyio.Event()
        self._put = put
        self._unpacker = zlib.decompressobj(31)
        self._taken = False

    async def take(self, stream: SocketStream) -> None:
        """Take the first connection; nobody else is to be here."""
        async with stream:
            if self._taken:
                return
            self._taken = True
            with suppress(anyio.EndOfStream, anyio.BrokenResourceError, zlib.error):
                while True:
                    packed = await stream.receive(PIECE)
                    self._heard, self._putting = anyio.current_time(), True
                    await self._pass(packed)
                    self._heard, self._putting = anyio.current_time(), False
            self.done.set()

    async def moving(self, stall: float) -> None:
        """Watch that something comes, as long as it is taken; never returns."""
        while self._putting or anyio.current_time() - self._heard <= stall:  # noqa: ASYNC110 - a clock sets no event
            await anyio.sleep(0.5)
        what = f"nothing came from the board for {Duration(stall)}, {self.size} bytes before"
        raise PassingError(what, blame="infra", help="look at the network between the board and this host")

    async def _pass(self, packed: bytes) -> None:
        while packed:
            data = await anyio.to_thread.run_sync(self._unpacker.decompress, packed, PIECE)
            packed = self._unpacker.unconsumed_tail
            self.size += len(data)
            if data:
                await self._put(data)


async def pieces(work: Callable[[Put], Awaitable[None]]) -> AsyncIterator[bytes]:
    """What `work` puts, one piece after the other. It runs in a task of its own, whoever takes the pieces."""
    into, out = anyio.create_memory_object_stream[bytes](KEPT)

    async def run() -> None:
        async with into:
            await work(into.send)

    task = asyncio.create_task(run())
    try:
        async with out:
            async for piece in out:
                yield piece
        await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
