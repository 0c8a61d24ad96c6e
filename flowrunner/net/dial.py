"""Connecting: to a host by whichever of its addresses answers, or to one address of any family."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import anyio

from flowrunner.errors import BenchError
from flowrunner.model import Duration
from flowrunner.net.stream import SocketStream, at, why

QUEUE = 4 << 20
"""Bytes of datagrams that the system is asked to keep until they are read."""

CONNECT = 10.0
"""Seconds that a connection may take."""

STAGGER = 0.25
"""Seconds between attempts at two addresses of one host (RFC 8305, section 5)."""

UNIX_PAUSE = 0.005
"""Seconds between two attempts at a server that has too many waiting."""


async def dial(
    family: int, address: Any, name: str, *, kind: int = socket.SOCK_STREAM, timeout: float = CONNECT
) -> SocketStream:
    """Connect to `address`, written as `family` has it; `name` is how errors call it, `timeout` is in seconds.

    Raises:
        BenchError: nobody answers there.
    """
    try:
        with anyio.fail_after(timeout):
            return SocketStream(await _connected(family, address, kind), name)
    except TimeoutError as error:
        raise _silent(name, timeout) from error
    except OSError as error:
        raise BenchError(f"{name} cannot be reached: {why(error)}", blame="infra") from error


async def dial_host(
    host: str, port: int, *, kind: int = socket.SOCK_STREAM, timeout: float = CONNECT, name: str | None = None
) -> SocketStream:
    """Connect to a port of a host, by whichever of its addresses answers first (RFC 8305).

    `name` is how errors call it, `host:port` by default.

    Raises:
        BenchError: there is no such host, or nobody answers there.
    """
    name = name or f"'{at(host, port)}'"
    errors: list[OSError] = []
    try:
        with anyio.fail_after(timeout):
            found = await _first(await resolve(host, port, kind=kind), kind, errors)
    except TimeoutError as error:
        raise _silent(name, timeout) from error
    if not found:
        said = ", ".join(dict.fromkeys(why(error) for error in errors))
        raise BenchError(f"{name} cannot be reached: {said}", blame="infra") from errors[0]
    return SocketStream(found, name)


async def resolve(host: str, port: int, *, kind: int = socket.SOCK_STREAM) -> list[tuple[int, Any]]:
    """The addresses of a host, each with its family, best first.

    Raises:
        BenchError: there is no such host.
    """
    try:
        found = await anyio.getaddrinfo(host, port, type=kind)
    except OSError as error:
        raise BenchError(f"the host '{host}' was not found: {why(error)}", blame="infra") from error
    return [(family, address) for family, _, _, _, address in found]


async def _first(addresses: list[tuple[int, Any]], kind: int, errors: list[OSError]) -> socket.socket | None:
    """The first socket that is connected; each address is given a head start of `STAGGER` before the next one."""
    won: list[socket.socket] = []

    async def attempt(family: int, address: Any, failed: anyio.Event) -> None:
        try:
            won.append(await _connected(family, address, kind))
            tasks.cancel_scope.cancel()
        except OSError as error:
            errors.append(error)
            failed.set()

    try:
        async with anyio.create_task_group() as tasks:
            for family, address in addresses:
                failed = anyio.Event()
                tasks.start_soon(attempt, family, address, failed)
                with anyio.move_on_after(STAGGER):
                    await failed.wait()
    except BaseException:
        _close(won)
        raise
    _close(won[1:])
    return won[0] if won else None


def _close(sockets: list[socket.socket]) -> None:
    for each in sockets:
        each.close()


async def _connected(family: int, address: Any, kind: int) -> socket.socket:
    inner = socket.socket(family, kind)
    try:
        inner.setblocking(False)
        if kind == socket.SOCK_DGRAM:
            inner.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)
        elif family in (socket.AF_INET, socket.AF_INET6):
            set_up(inner)
        if family == socket.AF_UNIX:
            await _connect_unix(inner, address)
        else:
            await asyncio.get_running_loop().sock_connect(inner, address)
    except BaseException:
        inner.close()
        raise
    return inner


def set_up(connection: socket.socket) -> None:
    """Let small pieces go at once, and let the system notice a far end that vanished."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)


async def _connect_unix(inner: socket.socket, path: str) -> None:
    """A server with too many waiting says EAGAIN, and nothing tells when to try again (unix(7))."""
    while True:
        try:
            return inner.connect(path)
        except BlockingIOError:
            await anyio.sleep(UNIX_PAUSE)


def _silent(name: str, timeout: float) -> BenchError:
    return BenchError(f"{name} did not answer within {Duration(timeout)}", blame="infra")
