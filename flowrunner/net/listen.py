"""Listening on this machine: TCP, UDP and Unix sockets."""

from __future__ import annotations

import errno
import os
import secrets
import socket
import stat
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

import anyio

from flowrunner.errors import BenchError
from flowrunner.net.dial import QUEUE, resolve, set_up
from flowrunner.net.stream import SocketStream, at, why

BACKLOG = 1024
"""Connections that wait to be accepted; more are let in later by the system."""

FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""Why a connection cannot be accepted now, though later."""

FULL_PAUSE = 0.1
"""Seconds until another attempt then."""

About = Callable[[Path], AbstractContextManager[None]]
"""Told of a path that is about to be made."""


async def listen_tcp(host: str, port: int) -> socket.socket:
    """A socket that listens at `host`; port 0 takes a free one.

    Raises:
        BenchError: there is no such address here, or the port is in use.
    """
    return await _bound(host, port, socket.SOCK_STREAM)


async def listen_udp(host: str, port: int) -> socket.socket:
    """A socket that receives datagrams at `host`; port 0 takes a free one.

    Raises:
        BenchError: there is no such address here, or the port is in use.
    """
    return await _bound(host, port, socket.SOCK_DGRAM)


async def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    found = await resolve(host, port, kind=kind)
    family, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)  # most mean that by `localhost`
    listener = socket.socket(family, kind)
    try:
        listener.setblocking(False)
        if kind == socket.SOCK_STREAM:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, QUEUE)
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refused(at(host, port), error) from error
    return listener


@contextmanager
def listen_unix(path: Path | None) -> Iterator[tuple[socket.socket, Path]]:
    """A socket that listens at `path`, or at a new one that only this user can reach; it is removed at the end.

    Raises:
        BenchError: the path is in use, or no socket can be there.
    """
    if path is None:
        with private_folder() as folder, listen_unix(folder / "s") as it:
            yield it
        return
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            _remove_stale(path)
            listener.setblocking(False)
            listener.bind(str(path))
            listener.listen(BACKLOG)
        except OSError as error:
            raise _refused(str(path), error) from error
        try:
            yield listener, path
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def private_folder(about: About = lambda path: nullcontext()) -> Iterator[Path]:
    """A folder that only this user can enter, with a short path, as sockets need it; removed at the end.

    `about` is entered with its path before it is made, and left when it is gone.
    """
    above = os.environ.get("XDG_RUNTIME_DIR")
    above = above if above and os.access(above, os.W_OK) else tempfile.gettempdir()
    folder = Path(above, f"flow-{secrets.token_hex(6)}")
    with about(folder):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            folder.rmdir()


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on any more."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(path.stat().st_mode):
            with socket.socket(socket.AF_UNIX) as probe:
                probe.setblocking(False)
                if probe.connect_ex(str(path)) == errno.ECONNREFUSED:
                    path.unlink()


async def accepted(listener: socket.socket, name: str) -> AsyncIterator[SocketStream]:
    """The connections that come in; `name` is how errors call their far ends."""
    while True:
        try:
            inner, _ = listener.accept()
        except BlockingIOError:
            await anyio.wait_readable(listener)
        except ConnectionAbortedError:
            continue
        except OSError as error:
            if error.errno not in FULL:
                raise
            await anyio.sleep(FULL_PAUSE)
        else:
            if inner.family != socket.AF_UNIX:
                set_up(inner)
            yield SocketStream(inner, name)


def _refused(name: str, error: OSError) -> BenchError:
    help = "choose another one, or 0 for a free port" if error.errno == errno.EADDRINUSE else None
    return BenchError(f"nothing can listen on '{name}' here: {why(error)}", blame="config", help=help)
