"""Files of the device as they are there: with modes, links and folders, from its root on."""

from __future__ import annotations

import hashlib
import posixpath
import stat
from collections.abc import AsyncIterable, AsyncIterator
from typing import Any, Literal

import anyio.to_thread
import asyncssh

from flowrunner.errors import BenchError
from flowrunner.interfaces.ssh import SshEntry, SshFile
from flowrunner.ssh.lines import Line
from flowrunner.ssh.sftp import discard, exists, make_folders, read, settle, told, write

NEW = 0o644
"""Permissions of a new file, when nobody says."""


async def upload(
    client: Any, line: Line, path: str, content: AsyncIterable[bytes], mode: int | None, *, verify: bool
) -> SshFile:
    """Write a whole file; a link is followed, and what is there but no file stays as it is.

    Raises:
        BenchError: it could not be written, or what is on the device is not what was sent.
    """
    place, old = await _goal(client, line, path)
    sent = hashlib.sha256()

    async def counted() -> AsyncIterator[bytes]:
        async for piece in content:
            await anyio.to_thread.run_sync(sent.update, piece)
            yield piece

    await make_folders(client, line, posixpath.dirname(place))
    wanted = mode if mode is not None else old if old is not None else NEW
    size, part = await write(client, line, place, counted(), wanted)
    try:
        if verify and (found := await digest(client, line, part)) != sent.hexdigest():
            what = f"'{path}' is not on the device what was sent: its SHA-256 is {found}, not {sent.hexdigest()}"
            raise BenchError(what, blame="device", help="its storage or its memory may be at fault")
        await settle(client, line, part, place)
    except BaseException:
        await discard(client, part)
        raise
    return SshFile(path=place, size=size, sha256=sent.hexdigest())


async def _goal(client: Any, line: Line, path: str) -> tuple[str, int | None]:
    """Where to write, and the permissions of what is there."""
    if not posixpath.basename(path):
        raise BenchError(f"'{path}' names no file", blame="config")
    if not await exists(client, line, path):
        return path, None
    with told(line, "looked at", path):
        place = await client.realpath(path)
    if not await exists(client, line, place):
        return place, None
    with told(line, "looked at", path):
        found = await client.stat(place)
    if not stat.S_ISREG(found.permissions or 0):
        kind = "a folder" if stat.S_ISDIR(found.permissions or 0) else "no regular file"
        raise BenchError(f"'{path}' is {kind}", blame="config", help="files are written to the name of a file")
    return place, stat.S_IMODE(found.permissions)


async def download(client: Any, line: Line, path: str) -> AsyncIterator[bytes]:
    """The content of a file.

    Raises:
        BenchError: it is a folder, or cannot be read.
    """
    with told(line, "read", path):
        if stat.S_ISDIR((await client.stat(path)).permissions or 0):
            raise BenchError(f"'{path}' is a folder", blame="config")
    async for piece in read(client, line, path):
        yield piece


async def digest(
    client: Any, line: Line, path: str, algorithm: Literal["sha256", "md5"] = "sha256", length: int | None = None
) -> str:
    """The checksum of a file, or of its beginning: the device computes it where it has the tool, else it is read."""
    content = f"< {_quoted(path)}" if length is None else f"< {_quoted(path)} head -c {length} |"
    with told(line, "hashed", path):
        ran = await line.asyncssh.run(f"{content} {algorithm}sum", check=False, encoding=None)
    words = bytes(ran.stdout or b"").split()
    found = hashlib.new(algorithm, usedforsecurity=False)
    if ran.exit_status == 0 and words and len(words[0]) == 2 * found.digest_size:
        return words[0].decode()
    async for piece in read(client, line, path, length=length):
        await anyio.to_thread.run_sync(found.update, piece)
    return found.hexdigest()


def _quoted(path: str) -> str:
    return "'" + path.replace("'", "'\\''") + "'"


async def entries(client: Any, line: Line, path: str) -> AsyncIterator[SshEntry]:
    """`path`, and all that is below it, by name."""
    with told(line, "looked at", path):
        found = await client.stat(path)
    yield _entry(path, found)
    waiting = [path] if stat.S_ISDIR(found.permissions or 0) else []
    while waiting:
        folder = waiting.pop()
        with told(line, "listed", folder):
            names = [name for name in await client.readdir(folder) if name.filename not in (".", "..")]
        for name in sorted(names, key=lambda each: str(each.filename)):
            if "/" in str(name.filename):
                raise BenchError(f"the device lists '{name.filename}' in '{folder}', which is no name", blame="device")
            place = posixpath.join(folder, str(name.filename))
            entry = _entry(place, name.attrs)
            if entry.kind == "link":
                with told(line, "looked at", place):
                    entry = entry.model_copy(update={"target": str(await client.readlink(place))})
            if entry.kind == "folder":
                waiting.append(place)
            yield entry


def _entry(path: str, attrs: Any) -> SshEntry:
    mode = attrs.permissions or 0
    kinds: dict[int, Literal["file", "folder", "link"]] = {
        stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "link",
    }  # fmt: skip
    return SshEntry(
        path=path, kind=kinds.get(stat.S_IFMT(mode), "other"), size=attrs.size or 0, mode=stat.S_IMODE(mode)
    )


async def mkdir(client: Any, line: Line, path: str, mode: int | None) -> None:
    """Make a folder and those above it."""
    await make_folders(client, line, path.rstrip("/") or "/")
    with told(line, "made", path):
        if not stat.S_ISDIR((await client.stat(path)).permissions or 0):
            raise BenchError(f"'{path}' is there already and is no folder", blame="config")
        if mode is not None:
            await client.chmod(path, mode)


async def link(client: Any, line: Line, path: str, target: str) -> None:
    """Make a link; a file or a link that is there is replaced."""
    await make_folders(client, line, posixpath.dirname(path))
    with told(line, "made", path):
        if await exists(client, line, path):
            if stat.S_ISDIR((await client.lstat(path)).permissions or 0):
                raise BenchError(f"'{path}' is a folder", blame="config")
            await client.remove(path)
        try:
            await client.symlink(target, path)
        except asyncssh.SFTPError as error:
            raise BenchError(f"the link '{path}' could not be made: {error.reason}") from error
