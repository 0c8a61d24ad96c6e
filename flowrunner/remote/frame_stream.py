"""A byte stream over frames, the same on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf

import anyio

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.remote.frame_buffer import Inbox, Outbox
from flowrunner.remote.frames import FRAME, GOAWAY, FrameType, Wire, read_frame


class FrameStream:
    """A byte stream (`flowrunner.interface.ByteStream`) with half close.

    Sending fills a buffer that a task of its own empties: what comes while a frame is on its way goes into the next
    one, a lone byte goes at once. Reading is ahead by a buffer as well, so that whoever stops waiting for data loses
    none. `datagrams` keeps each `send` a frame of its own and each frame a `receive`.
    """

    def __init__(self, wire: Wire, *, datagrams: bool = False) -> None:
        self.datagrams = datagrams
        self._wire = wire
        self._inbox, self._outbox = Inbox(datagrams=datagrams), Outbox(datagrams=datagrams)
        self._at_eof = False
        self._sent_at = -inf
        self._ended: FlowrunnerError | anyio.EndOfStream | None = None
        self._broken: FlowrunnerError | None = None
        self._arrived, self._emptied = asyncio.Event(), asyncio.Event()
        self._waiting, self._room, self._flushed = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._flushed.set()

    async def receive(self) -> bytes:
        """Some bytes, or one datagram.

        Raises:
            anyio.EndOfStream: the far end has sent all.
            FlowrunnerError: the stream broke.
        """
        while not self._inbox:
            if isinstance(self._ended, anyio.EndOfStream):
                raise anyio.EndOfStream
            if self._ended:
                raise self._ended
            self._arrived.clear()
            await self._arrived.wait()
        self._emptied.set()
        return self._inbox.take()

    async def send(self, data: bytes, /) -> None:
        """Send all of `data`; it is on its way, or waits for what was sent before.

        Raises:
            anyio.BrokenResourceError: the stream broke.
            anyio.ClosedResourceError: this side has sent its end.
            BenchError: `data` is larger than a datagram can be.
        """
        if self.datagrams and len(data) > FRAME:
            raise BenchError(f"a datagram of {len(data)} bytes is larger than {FRAME}", blame="config")
        while self._outbox.full and not (self._broken or self._at_eof):
            self._room.clear()
            await self._room.wait()
        if self._at_eof:
            raise anyio.ClosedResourceError
        if self._broken:
            raise anyio.BrokenResourceError(self._broken.what) from self._broken
        if data or self.datagrams:
            self._outbox.put(data if isinstance(data, bytes) else bytes(data))
            self._flushed.clear()
            self._waiting.set()

    async def send_eof(self) -> None:
        """Half close: this side sends no more. Never fails; twice is once."""
        if not (self._at_eof or self._broken):
            self._at_eof = True
            self._flushed.clear()
            self._room.set()
            self._waiting.set()

    @property
    def ended(self) -> bool:
        """Whether the far end sends no more."""
        return self._ended is not None

    @property
    def idle(self) -> float:
        """Seconds since something was sent last; infinite when nothing was."""
        return anyio.current_time() - self._sent_at

    async def flushed(self) -> None:
        """Wait until all that was sent has been handed to the connection, or the stream broke."""
        await self._flushed.wait()

    def leave(self, why: FlowrunnerError) -> None:
        """Neither send nor wait for more; what has come can still be received, then `why` is raised."""
        self._end(why)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[FrameStream]:
        """Carry bytes; leaving forgets what was not `flushed`."""
        tasks = (asyncio.create_task(self._read_ahead()), asyncio.create_task(self._write_behind()))
        try:
            yield self
        finally:
            self.leave(closed())
            for task in tasks:
                task.cancel()
            with anyio.CancelScope(shield=True):
                await asyncio.wait(tasks)
            for task in tasks:
                if not task.cancelled():
                    task.result()

    async def _read_ahead(self) -> None:
        try:
            while (message := await self._wire.read()) is not None:
                kind, payload = read_frame(message)
                if kind == FrameType.GOAWAY:
                    break
                if kind == FrameType.RST_STREAM:
                    raise BenchError("the far end broke the stream off", blame="infra")
                if kind == FrameType.DATA and (payload or self.datagrams):
                    await self._keep(payload)
            self._end(anyio.EndOfStream())
        except FlowrunnerError as error:
            self._end(error)
        except ValueError as error:
            self._end(BenchError(str(error), blame="internal"))
        except BaseException:
            self._end(closed())
            raise

    async def _write_behind(self) -> None:
        try:
            while self._outbox or not self._at_eof:
                if self._outbox:
                    await self._wire.write(self._outbox.frame())
                    self._sent_at = anyio.current_time()
                    self._room.set()
                    continue
                self._flushed.set()
                self._waiting.clear()
                await self._waiting.wait()
            await self._wire.write(GOAWAY)
            await self._wire.done_writing()
            self._flushed.set()
        except FlowrunnerError as error:
            self._break(error)
        except BaseException:
            self._break(closed())
            raise

    async def _keep(self, payload: bytes) -> None:
        """Keep `payload` for who receives, and wait while that one is slow."""
        self._inbox.put(payload)
        self._arrived.set()
        while self._inbox.full:
            self._emptied.clear()
            await self._emptied.wait()

    def _end(self, why: FlowrunnerError | anyio.EndOfStream) -> None:
        """Nothing more comes; what came can still be received. After an error nothing can be sent either."""
        self._ended = self._ended or why
        self._arrived.set()
        if isinstance(why, FlowrunnerError):
            self._break(why)

    def _break(self, error: FlowrunnerError) -> None:
        """Nothing more can be sent."""
        self._broken = self._broken or error
        self._room.set()
        self._flushed.set()


def closed() -> BenchError:
    """What one who still uses a stream is told when its rpc is over."""
    return BenchError("the stream is closed", blame="internal")
