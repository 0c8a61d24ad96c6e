"""Files by SFTP: the client of a connection, and what goes wrong there in our words."""

from __future__ import annotations

import posixpath
import secrets
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import anyio
import asyncssh

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import gathered
from flowrunner.ssh.faults import lost, reason
from flowrunner.ssh.lines import Line

GATHER = 4 << 20
"""Bytes that are written or read at once: asyncssh has many requests on their way within one call only."""


async def sftp(line: Line, timeout: float) -> Any:
    """The SFTP client of a connection; the first call begins it, later ones ask whether it is still there.

    Raises:
        BenchError: the server has none, or the connection was lost.
    """
    try:
        with anyio.fail_after(timeout):
            if line.sftp is None:
                line.sftp = await line.asyncssh.start_sftp_client(path_encoding="utf-8", path_errors="surrogateescape")
            else:
                await line.sftp.realpath(".")
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection) as error:
        raise lost(line.where, "files were asked for", error) from error
    except (asyncssh.ChannelOpenError, asyncssh.SFTPError) as error:
        if not line.stands:
            raise lost(line.where, "files were asked for", error) from error
        raise BenchError(
            f"the SSH server at {line.where} has no SFTP: {reason(error)}", blame="config",
            help="install its sftp-server on the device; with dropbear that is the package openssh-sftp-server",
        ) from error  # fmt: skip
    except (TimeoutError, OSError, asyncssh.Error) as error:
        raise lost(line.where, "files were asked for", error) from error
    return line.sftp


@contextmanager
def told(line: Line, verb: str, path: str) -> Iterator[None]:
    """What goes wrong inside leaves as a `BenchError` that names what was done (`written`) to which path."""
    try:
        yield
    except asyncssh.SFTPError as error:
        raise _ours(line, error, verb, path) from error
    except (asyncssh.Error, ConnectionError) as error:
        raise lost(line.where, f"'{path}' was {verb}", error) from error


def _ours(line: Line, error: asyncssh.SFTPError, verb: str, path: str) -> BenchError:
    match error:
        case asyncssh.SFTPNoSuchFile() | asyncssh.SFTPNoSuchPath():
            return NoSuchFileError(path)
        case asyncssh.SFTPPermissionDenied():
            return BenchError(f"'{path}' may not be {verb} by '{line.who.username}'", blame="config")
        case asyncssh.SFTPConnectionLost() | asyncssh.SFTPNoConnection():
            return lost(line.where, f"'{path}' was {verb}", error)
        case _:
            full = "is the disk of the device full?" if verb == "written" else None
            return BenchError(f"'{path}' could not be {verb}: {reason(error)}", blame="device", help=full)


class NoSuchFileError(BenchError):
    """There is nothing at that path."""

    def __init__(self, path: str) -> None:
        super().__init__(f"there is no file '{path}'", blame="config")


async def make_folders(client: Any, line: Line, path: str) -> list[str]:
    """Make a folder and those above it; the ones that were made, the topmost first."""
    missing = []
    while path not in ("", "/") and not await exists(client, line, path):
        missing.append(path)
        path = posixpath.dirname(path)
    for folder in reversed(missing):
        with told(line, "made", folder):
            try:
                await client.mkdir(folder)
            except asyncssh.SFTPFailure:
                if not await client.isdir(folder):  # else another of our uploads was first
                    raise
    return missing[::-1]


async def exists(client: Any, line: Line, path: str) -> bool:
    """Whether there is anything at a path; a link that leads nowhere is something."""
    with told(line, "looked at", path):
        try:
            await client.lstat(path)
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            return False
        return True


async def write(client: Any, line: Line, path: str, content: AsyncIterable[bytes], mode: int) -> tuple[int, str]:
    """Write beside `path`, and rename when all is there. Gives the bytes and the place of the part before `settle`.

    Leaves nothing behind when it breaks off, as far as the connection still stands.
    """
    part = posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)[:200]}.{secrets.token_hex(4)}.part")
    try:
        return await _filled(client, line, path, part, content, mode), part
    except BaseException:
        await discard(client, part)
        raise


async def _filled(client: Any, line: Line, path: str, part: str, content: AsyncIterable[bytes], mode: int) -> int:
    size = 0
    with told(line, "written", path):
        file = await client.open(part, "xb", asyncssh.SFTPAttrs(permissions=0o600))
    try:
        async for piece in gathered(content, GATHER):
            with told(line, "written", path):
                await file.write(piece)
            size += len(piece)
        with told(line, "written", path):
            await file.close()
            await client.chmod(part, mode)
    except BaseException:
        with anyio.CancelScope(shield=True), suppress(Exception):
            await file.close()
        raise
    return size


async def settle(client: Any, line: Line, part: str, path: str) -> None:
    """Give a whole file its name; one that is there is replaced in one step, where the server can."""
    with told(line, "written", path):
        try:
            await client.posix_rename(part, path)
        except asyncssh.SFTPOpUnsupported:
            with suppress(asyncssh.SFTPNoSuchFile):
                await client.remove(path)
            await client.rename(part, path)


async def discard(client: Any, part: str) -> None:
    """Remove a part, if it is there."""
    with anyio.CancelScope(shield=True), anyio.move_on_after(5), suppress(Exception):
        await client.remove(part)


async def append(client: Any, line: Line, path: str, content: AsyncIterable[bytes]) -> int:
    """Write behind what is there; the bytes that were written."""
    size = 0
    with told(line, "written", path):
        async with client.open(path, "ab") as file:
            async for piece in gathered(content, GATHER):
                await file.write(piece)
                size += len(piece)
    return size


async def read(
    client: Any, line: Line, path: str, offset: int = 0, length: int | None = None, *, name: str | None = None
) -> AsyncIterator[bytes]:
    """A file's content, `length` bytes from `offset` on; `name` is how errors call it."""
    name = path if name is None else name
    with told(line, "read", name):
        file = await client.open(path, "rb")
    try:
        at, left = offset, length
        while left is None or left > 0:
            with told(line, "read", name):
                piece = await file.read(GATHER if left is None else min(GATHER, left), at)
            if not piece:
                return
            at += len(piece)
            left = None if left is None else left - len(piece)
            yield piece
    finally:
        with anyio.CancelScope(shield=True), suppress(Exception):
            await file.close()
