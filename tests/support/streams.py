"""RouterService served over the true wire, in this process, with devices that a test brings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import grpc.aio
from anyio.abc import ByteStream as AnyioStream
from anyio.abc import SocketAttribute, SocketStream

from flowrunner.bench.config import load_exporter
from flowrunner.interface import ByteStream
from flowrunner.remote.exporter.resources import Resources
from flowrunner.remote.exporter.router import Router
from flowrunner.remote.exporter.station import Station

Opening = Callable[[], AbstractAsyncContextManager[ByteStream]]


@dataclass
class Part:
    """A part's facade, made by hand."""

    streams: Mapping[str, Opening]
    unary: Mapping[str, Any] = field(default_factory=dict)
    iterators: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Routed:
    """A server of one part, and a channel to it."""

    channel: grpc.aio.Channel
    server: grpc.aio.Server
    station: Station
    resources: Resources
    uuid: str


class Piped:
    """A device's stream over one of anyio's, such as a TCP connection: with half close."""

    def __init__(self, inner: AnyioStream, size: int = 65536) -> None:
        self._inner = inner
        self._size = size

    async def receive(self) -> bytes:
        return await self._inner.receive(self._size)

    async def send(self, data: bytes, /) -> None:
        await self._inner.send(data)

    async def send_eof(self) -> None:
        await self._inner.send_eof()


@asynccontextmanager
async def listening(serve: Callable[[SocketStream], Awaitable[None]]) -> AsyncIterator[int]:
    """A TCP server on loopback: its port. Each client is served by `serve`, which may find it gone at any time."""

    async def served(client: SocketStream) -> None:
        async with client:
            with suppress(anyio.BrokenResourceError):
                await serve(client)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, served)
        yield listener.extra(SocketAttribute.local_port)
        tasks.cancel_scope.cancel()


async def echo(client: SocketStream) -> None:
    """Send back what comes, and close behind the end of it."""
    async for data in client:
        await client.send(data)


@asynccontextmanager
async def connected(port: int, opened: list[str] | None = None) -> AsyncIterator[ByteStream]:
    """A TCP connection as a device; `opened` is told when it opens and closes."""
    log = opened if opened is not None else []
    async with await anyio.connect_tcp("127.0.0.1", port) as inner:
        log.append("open")
        try:
            yield Piped(inner)
        finally:
            log.append("closed")


@asynccontextmanager
async def routed(
    folder: Path, streams: Mapping[str, Opening] | None = None, *, tcp: bool = False
) -> AsyncIterator[Routed]:
    """Serve one part with such stream methods, on a unix socket or on a port of loopback."""
    path = folder / "exporter.yaml"
    path.write_text("export:\n  power: {type: power.virtual}\n")
    station = Station(load_exporter(path), "bench")
    uuid, resources = str(uuid4()), Resources()
    part = Part(streams or {}, unary={"on": None}, iterators={"read": None})
    router = Router({uuid: part}.__getitem__, {uuid: resources}.__getitem__, station.closed_to_all)
    async with station.opened():
        server = grpc.aio.server()
        server.add_generic_rpc_handlers((router,))
        target = "127.0.0.1:0" if tcp else f"unix://{folder}/s"
        port = server.add_insecure_port(target)
        await server.start()
        target = f"127.0.0.1:{port}" if tcp else target
        try:
            async with grpc.aio.insecure_channel(target) as channel:
                yield Routed(channel, server, station, resources, uuid)
        finally:
            await server.stop(0)


@asynccontextmanager
async def echoing(folder: Path) -> AsyncIterator[Routed]:
    """Serve one part that sends back what it gets."""
    async with listening(echo) as port, routed(folder, {"connect": lambda: connected(port)}) as served:
        yield served
