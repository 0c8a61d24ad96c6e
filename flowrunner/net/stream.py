"""Sockets as byte streams: any family, with half close, and with errors that name the far end."""

from __future__ import annotations

import errno
import os
import socket
import struct
from contextlib import suppress

import anyio
import anyio.lowlevel

from flowrunner.errors import BenchError

READ = 1 << 16
"""Bytes that are read at once; no datagram is longer."""

TURNS = 4
"""Reads and writes of one socket after which other tasks have their turn."""


class SocketStream:
    """A connected socket (`flowrunner.interface.ByteStream`); `name` is how errors call its far end.

    It reads nothing ahead: whoever gives up waiting for data loses none.
    """

    def __init__(self, inner: socket.socket, name: str) -> None:
        inner.setblocking(False)
        self.name = name
        self.datagrams = inner.type == socket.SOCK_DGRAM
        self._socket = inner
        self._turns = 0

    async def receive(self) -> bytes:
        """Some bytes, or one datagram, which may be empty.

        Raises:
            anyio.EndOfStream: the far end has sent all.
            BenchError: the connection broke.
        """
        await self._let_others()
        while True:
            try:
                data = self._socket.recv(READ)
            except BlockingIOError:
                await anyio.wait_readable(self._socket)
                continue
            except OSError as error:
                raise self._broke(error) from error
            if not data and not self.datagrams:
                raise anyio.EndOfStream
            return data

    async def send(self, data: bytes, /) -> None:
        """Send all of `data`; one datagram where they have borders.

        Raises:
            Gone: the connection broke.
            BenchError: the datagram is too long.
        """
        await self._let_others()
        left = memoryview(data)
        while True:
            try:
                left = left[self._socket.send(left) :]
            except BlockingIOError:
                await anyio.wait_writable(self._socket)
                continue
            except OSError as error:
                raise self._broke(error) from error
            if not left:
                return

    async def _let_others(self) -> None:
        """Give up the turn now and then, and be cancelled then, also where the socket is always ready."""
        self._turns += 1
        if self._turns % TURNS == 0:
            await anyio.lowlevel.checkpoint()

    async def send_eof(self) -> None:
        """Half close: the far end sees that no more comes. Datagrams have no such thing."""
        if not self.datagrams:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """Close the socket so that its far end sees an error, where its kind can tell one."""
        with suppress(OSError):
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self) -> None:
        """Close the socket; who waits for it is woken."""
        if self._socket.fileno() >= 0:
            anyio.notify_closing(self._socket)
            self._socket.close()

    def _broke(self, error: OSError) -> BenchError:
        if error.errno == errno.EMSGSIZE:
            return BenchError(f"a datagram to {self.name} was too long", blame="config", help="65507 bytes at most")
        return Gone(f"the connection to {self.name} broke: {why(error)}")


class Gone(BenchError, anyio.BrokenResourceError):
    """The far end takes no more; what it has sent may still be read."""


def at(host: str, port: int) -> str:
    """`host:port`, with brackets around an IPv6 address."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def why(error: OSError) -> str:
    """What went wrong, in the system's words."""
    if error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return error.strerror or str(error) or error.__class__.__name__
