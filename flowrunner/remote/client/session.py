"""Our own protocol on the client: one session at an exporter, over connections that come and go."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import uuid4

import anyio
import grpc
import grpc.aio

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.remote.client.channel import opened_channel
from flowrunner.remote.endpoint import Endpoint
from flowrunner.remote.link.link import Link
from flowrunner.remote.link.packet import METHOD, VERSION, Kind, Wire, pack, unpack_map

PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8, 1.5)
"""Seconds before the next attempt to connect again; the last one stays."""

ANSWER_LIMIT = 10.0
"""Seconds that an exporter may take to answer a new connection."""

Say = Callable[[Kind, Any], None]


class Channel(Protocol):
    """Who is told what comes for one channel."""

    def deliver(self, kind: Kind, body: Any) -> None:
        """A message."""
        ...

    def lose(self, error: FlowrunnerError) -> None:
        """Nothing more will come."""
        ...


class Session:
    """One session: `link` carries it, `say` is told of what belongs to no channel, `lost` is why it is over.

    A connection that breaks, or on which nothing is heard, is replaced by a new one, until nothing was heard for
    `grace` seconds.
    """

    def __init__(self, endpoint: Endpoint, *, grace: float, say: Say, on_lost: Callable[[FlowrunnerError], None]):
        self.endpoint = endpoint
        self.lost: FlowrunnerError | None = None
        self._beat = min(5.0, grace / 5)
        self.link = Link(self._deliver, beat=self._beat)
        self._grace = grace
        self._say = say
        self._on_lost = on_lost
        self._id = uuid4().hex
        self._channels: dict[int, Channel] = {}
        self._numbers = itertools.count(1)
        self._first: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Connect, and stay connected.

        Raises:
            BenchError: there was no first connection.
        """
        tasks = [asyncio.create_task(self._keep()), asyncio.create_task(self._listen())]
        try:
            await self._first
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            self.lose(BenchError("the session has ended", blame="lost"))

    def open(self, channel: Channel) -> int:
        """A number for a new channel.

        Raises:
            FlowrunnerError: the session is over.
        """
        if self.lost:
            raise self.lost
        number = next(self._numbers)
        self._channels[number] = channel
        return number

    def close(self, number: int) -> None:
        """Nobody listens to this channel any more."""
        self._channels.pop(number, None)

    def lose(self, error: FlowrunnerError) -> None:
        """The session is over: everything that waits for it fails."""
        if self.lost is None:
            self.lost = error
            if not self._first.done():
                self._first.set_exception(error)
            self._on_lost(error)
            for channel in tuple(self._channels.values()):
                channel.lose(error)
            self.link.end()

    def _deliver(self, kind: Kind, number: int, body: Any) -> None:
        if not number:
            self._say(kind, body)
        elif number in self._channels:
            self._channels[number].deliver(kind, body)

    async def _keep(self) -> None:
        """Connect, and again whenever the connection ends."""
        pauses = itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))
        while self.lost is None:
            try:
                await self._connected()
                pauses = itertools.chain(PAUSES, itertools.repeat(PAUSES[-1]))
            except FlowrunnerError as error:
                if not self._first.done():
                    return self.lose(error)
            except (ConnectionError, TimeoutError, ValueError) as error:
                if not self._first.done():
                    return self.lose(BenchError(f"{self.endpoint} does not answer: {error}", blame="infra"))
            await asyncio.sleep(next(pauses))
        return None

    async def _connected(self) -> None:
        """One connection, from its beginning to its end."""
        async with opened_channel(self.endpoint) as channel:
            call = channel.stream_stream(METHOD)()
            try:
                wire = ClientWire(call)
                with anyio.fail_after(ANSWER_LIMIT):
                    welcome = await self._greet(wire)
                if "gone" in welcome:
                    return self.lose(BenchError(f"{self.endpoint}: {welcome['gone']}", blame="lost"))
                if not self._first.done():
                    self._first.set_result(None)
                await self.link.carry(wire, int(welcome["received"]))
            finally:
                call.cancel()
        return None

    async def _greet(self, wire: Wire) -> dict[str, Any]:
        hello = {"link": self._id, "received": self.link.received, "beat": self._beat, "version": VERSION}
        await wire.write(pack(hello))
        answer = await wire.read()
        if answer is None:
            raise ConnectionError("it ended the connection")
        return unpack_map(answer)

    async def _listen(self) -> None:
        """Replace a connection on which nothing is heard; give up after the grace."""
        left = self.link.heard
        while self.lost is None:
            await asyncio.sleep(self._beat / 2)
            silent = anyio.current_time() - self.link.heard
            if silent > self._grace:
                what = f"{self.endpoint} was not heard of for {silent:.0f}s"
                self.lose(BenchError(what, blame="lost", help="the exporter makes the device safe by itself"))
            elif silent > 2.5 * self._beat and anyio.current_time() - left > 2.5 * self._beat:
                left = anyio.current_time()
                self.link.leave()


class ClientWire:
    """The client's end of one connection."""

    def __init__(self, call: grpc.aio.StreamStreamCall[Any, Any]) -> None:
        self._call = call

    async def read(self) -> bytes | None:
        try:
            data = await self._call.read()
        except grpc.aio.AioRpcError:
            return None
        return data if isinstance(data, bytes) else None

    async def write(self, data: bytes) -> None:
        try:
            await self._call.write(data)
        except (grpc.aio.AioRpcError, asyncio.InvalidStateError) as error:
            said = error.details() if isinstance(error, grpc.aio.AioRpcError) else None
            raise ConnectionError(said or "the connection has ended") from error
