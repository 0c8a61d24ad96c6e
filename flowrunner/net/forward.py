"""Port forwarding: connections to a socket of this machine go on to where the device is."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from flowrunner.beside import beside
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interface import ByteStream
from flowrunner.net.listen import accepted, listen_tcp, listen_unix
from flowrunner.net.pump import join
from flowrunner.net.stream import SocketStream, at

Connect = Callable[[], AbstractAsyncContextManager[ByteStream]]
"""Opens a connection to the far end, such as `Network.connect`."""

OnError = Callable[[FlowrunnerError], None]
"""Told why a connection could not be forwarded, or broke; the others go on."""

LOOPBACK = "127.0.0.1"

_log = logging.getLogger(__name__)


@dataclass
class Forward:
    """A forward that is on: where it listens, and what went through it so far.

    `host` and `port` are those of a TCP or UDP forward, `path` that of a Unix socket. `open` counts the connections
    that are on now, `broken` those that could not be made or ended with an error.
    """

    host: str = ""
    port: int = 0
    path: Path | None = None
    open: int = 0
    accepted: int = 0
    broken: int = 0

    def __str__(self) -> str:
        return str(self.path) if self.path else at(self.host, self.port)


@asynccontextmanager
async def forward_tcp(
    connect: Connect, *, host: str = LOOPBACK, port: int = 0, on_error: OnError | None = None
) -> AsyncIterator[Forward]:
    """Listen at `host`, on a free port by default, as long as the block lasts.

    Each connection gets one of its own to the far end. One that breaks there, or that cannot be made, is reset here.

    Raises:
        BenchError: there is no such address here, or the port is in use.
    """
    with await listen_tcp(host, port) as listener:
        found = listener.getsockname()
        async with _serving(listener, connect, Forward(host=found[0], port=found[1]), on_error) as forward:
            yield forward


@asynccontextmanager
async def forward_unix(
    connect: Connect, *, path: Path | None = None, on_error: OnError | None = None
) -> AsyncIterator[Forward]:
    """Listen on a Unix socket, at a path that only this user can reach by default, as long as the block lasts.

    Raises:
        BenchError: the path is in use, or no socket can be there.
    """
    with listen_unix(path) as (listener, place):
        async with _serving(listener, connect, Forward(path=place), on_error) as forward:
            yield forward


@asynccontextmanager
async def _serving(
    listener: socket.socket, connect: Connect, forward: Forward, on_error: OnError | None
) -> AsyncIterator[Forward]:
    told = on_error or log_error

    async def serve(near: SocketStream) -> None:
        forward.open += 1
        forward.accepted += 1
        try:
            async with connect() as far:
                await join(near, far)
        except (FlowrunnerError, OSError, anyio.BrokenResourceError, anyio.ClosedResourceError) as error:
            forward.broken += 1
            near.reset()
            told(error if isinstance(error, FlowrunnerError) else BenchError(f"a connection broke: {error}"))
        finally:
            forward.open -= 1
            near.close()

    async def take() -> None:
        async for near in accepted(listener, f"the client of {forward}"):
            tasks.start_soon(serve, near)

    async with beside() as tasks:
        tasks.start_soon(take)
        yield forward


def log_error(error: FlowrunnerError) -> None:
    """Log it, for whoever told no better place."""
    _log.warning("a forwarded connection ended: %s", error.what)
