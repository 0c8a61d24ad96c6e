"""Real servers for the network drivers to talk to: each gives back what it gets, on a free port or in a folder."""

from __future__ import annotations

import asyncio
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

Where = dict[str, Any]
"""The config of a driver that reaches the server."""


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Give back what comes until the far end half closes, then close."""
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@asynccontextmanager
async def tcp_echo(host: str = "127.0.0.1") -> AsyncIterator[Where]:
    """An echo on a TCP port."""
    server = await asyncio.start_server(_echo, host, 0)
    async with _ended(server):
        yield {"host": host, "port": server.sockets[0].getsockname()[1]}


@asynccontextmanager
async def unix_echo(path: Path) -> AsyncIterator[Where]:
    """An echo on a Unix socket."""
    async with _ended(await asyncio.start_unix_server(_echo, path, backlog=256)):
        yield {"path": str(path)}


@asynccontextmanager
async def vsock_echo() -> AsyncIterator[Where]:
    """An echo on a vsock port of this machine."""
    listener = socket.socket(socket.AF_VSOCK)
    listener.bind((1, socket.VMADDR_PORT_ANY))
    listener.listen()
    async with _ended(await asyncio.start_server(_echo, sock=listener)):
        yield {"cid": 1, "port": listener.getsockname()[1]}


def has_vsock() -> bool:
    """Whether a program of this machine can talk to another one by vsock."""
    try:
        with socket.socket(socket.AF_VSOCK) as listener:
            listener.bind((1, socket.VMADDR_PORT_ANY))
        return True
    except OSError:
        return False


@asynccontextmanager
async def _ended(server: asyncio.Server) -> AsyncIterator[None]:
    try:
        yield
    finally:
        server.close()


@asynccontextmanager
async def udp_echo(host: str = "127.0.0.1") -> AsyncIterator[Where]:
    """An echo on a UDP port."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.setblocking(False)
        far.bind((host, 0))

        async def echo() -> None:
            while True:
                await loop.sock_sendto(far, *await loop.sock_recvfrom(far, 65536))

        echoing = asyncio.create_task(echo())
        try:
            yield {"host": host, "port": far.getsockname()[1]}
        finally:
            echoing.cancel()
            await asyncio.wait((echoing,))


@asynccontextmanager
async def websocket_echo() -> AsyncIterator[Where]:
    """An echo of WebSocket messages, text as text."""

    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    async with serve(echo, "127.0.0.1", 0, max_size=None) as server:
        yield {"url": f"ws://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}/echo"}


@asynccontextmanager
async def message_bus(folder: Path) -> AsyncIterator[str]:
    """A session bus of its own; gives its address."""
    address = f"unix:path={folder / 'bus'}"
    command = ["dbus-daemon", "--session", "--nofork", "--nopidfile", "--print-address", f"--address={address}"]
    daemon = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert daemon.stdout
    try:
        await daemon.stdout.readline()
        yield address
    finally:
        daemon.terminate()
        await daemon.communicate()
