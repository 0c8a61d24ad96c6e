"""Files and folders between the job's host and the device: whole, with their modes and links."""

from __future__ import annotations

import hashlib
import os
import posixpath
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.to_thread
from pydantic import BaseModel

from flowrunner.errors import BenchError

if TYPE_CHECKING:
    from flowrunner.interfaces.ssh import Ssh, SshEntry, SshLogin

PIECE = 1 << 20
"""Bytes of a local file that are sent at once."""

AT_ONCE = 4
"""Files that are on their way at once."""

Progress = Callable[[int], None]
"""Told how many bytes more were moved."""


class SshCopied(BaseModel):
    """How many files were copied, and their bytes."""

    files: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Item:
    """One local entry and where it goes; `link` is the target of a symbolic link."""

    source: Path
    target: str
    mode: int
    folder: bool = False
    link: str | None = None


def items(source: Path, target: str) -> list[Item]:
    """What putting `source` at `target` means; a `target` that ends with a slash is the folder that it goes into.

    Raises:
        BenchError: there is no such file or folder, or it is neither.
    """
    place = posixpath.join(target, source.name) if target.endswith("/") else target
    try:
        return list(_walked(source, place, top=True))
    except OSError as error:
        what = f"'{error.filename or source}' cannot be read: {error.strerror}"
        raise BenchError(what, blame="config") from error


def _walked(source: Path, target: str, *, top: bool = False) -> Iterator[Item]:
    found = source.stat() if top else source.lstat()
    mode = stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        yield Item(source, target, mode, link=str(source.readlink()))
    elif stat.S_ISDIR(found.st_mode):
        yield Item(source, target, mode, folder=True)
        for below in sorted(source.iterdir()):
            yield from _walked(below, posixpath.join(target, below.name))
    elif stat.S_ISREG(found.st_mode):
        yield Item(source, target, mode)
    else:
        raise BenchError(f"'{source}' is neither a file nor a folder", blame="config", help="leave it out")


async def put(
    ssh: Ssh, wanted: list[Item], *, mode: int | None = None, verify: bool = True, login: SshLogin | None = None,
    progress: Progress = lambda size: None,
) -> SshCopied:  # fmt: skip
    """Send what `items` found. With `mode` all files get that one.

    Raises:
        BenchError: one of them could not be read or written; those that came before are there.
    """
    sizes: list[int] = []

    async def send(item: Item) -> None:
        content = _content(item.source, progress)
        sent = await ssh.upload(item.target, content, item.mode if mode is None else mode, verify, login)
        sizes.append(sent.size)

    for item in wanted:
        if item.folder:
            await ssh.mkdir(item.target, item.mode, login)
    await _in_parallel(send, [item for item in wanted if not item.folder and item.link is None])
    for item in wanted:
        if item.link is not None:
            await ssh.link(item.target, item.link, login)
    return SshCopied(files=len(sizes), bytes=sum(sizes))


async def get(
    ssh: Ssh, source: str, target: Path, *, verify: bool = True, login: SshLogin | None = None,
    progress: Progress = lambda size: None,
) -> SshCopied:  # fmt: skip
    """Fetch a file or a folder to the very path `target`. Files get their names when they are whole.

    Raises:
        BenchError: it cannot be read, is not what was sent, or `target` cannot be written.
    """
    async with aclosing(cast("Any", ssh.entries(source, login))) as found:
        entries = [entry async for entry in found]
    root = entries[0].path
    if entries[0].kind == "other":
        raise BenchError(f"'{source}' is neither a file nor a folder", blame="config")
    places = [(entry, target / posixpath.relpath(entry.path, root)) for entry in entries]
    places[0] = (entries[0], target)
    sizes: list[int] = []

    async def fetch(wanted: tuple[SshEntry, Path]) -> None:
        sizes.append(await _fetched(ssh, *wanted, verify, login, progress))

    try:
        await anyio.to_thread.run_sync(_make_folders, places)
        await _in_parallel(fetch, [each for each in places if each[0].kind == "file"])
        await anyio.to_thread.run_sync(_finish, places)
    except OSError as error:
        what = f"'{error.filename or target}' could not be written: {error.strerror}"
        raise BenchError(what, blame="config") from error
    return SshCopied(files=len(sizes), bytes=sum(sizes))


def _make_folders(places: list[tuple[SshEntry, Path]]) -> None:
    places[0][1].parent.mkdir(parents=True, exist_ok=True)
    for entry, place in places:
        if entry.kind == "folder":
            place.mkdir(exist_ok=True)


def _finish(places: list[tuple[SshEntry, Path]]) -> None:
    """Make the links, and give folders their modes: a folder that may not be written was needed before."""
    for entry, place in places:
        if entry.kind == "link" and entry.target is not None:
            place.unlink(missing_ok=True)
            place.symlink_to(entry.target)
    for entry, place in reversed(places):
        if entry.kind == "folder":
            place.chmod(entry.mode | stat.S_IRWXU)


def inside(source: str, target: Path) -> Path:
    """The path that `source` of the device has at `target`: below it, where that is a folder."""
    return target / posixpath.basename(source.rstrip("/")) if target.is_dir() else target


async def _fetched(
    ssh: Ssh, entry: SshEntry, place: Path, verify: bool, login: SshLogin | None, progress: Progress
) -> int:  # fmt: skip
    part, digest, size = place.with_name(f".{place.name}.part"), hashlib.sha256(), 0
    try:
        with await anyio.to_thread.run_sync(part.open, "wb") as file:
            async with aclosing(cast("Any", ssh.download(entry.path, login))) as pieces:
                async for piece in pieces:
                    size += await anyio.to_thread.run_sync(file.write, piece)
                    await anyio.to_thread.run_sync(digest.update, piece)
                    progress(len(piece))
        if verify and (found := await ssh.digest(entry.path, size, login)) != digest.hexdigest():
            what = f"'{entry.path}' came here with the SHA-256 {digest.hexdigest()}, and has {found} on the device"
            raise BenchError(what, help="is it written anew all the time? verify: false takes it as it comes")
        part.chmod(entry.mode & 0o777 | stat.S_IRUSR)
        part.replace(place)
    finally:
        part.unlink(missing_ok=True)
    return size


async def _in_parallel(work: Callable[[Any], Any], wanted: list[Any]) -> None:
    """Work on all of `wanted`, some at once; what the first raises is raised as it is, and ends the others."""
    left = iter(wanted)

    async def some() -> None:
        for each in left:
            await work(each)

    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(min(AT_ONCE, len(wanted))):
                tasks.start_soon(some)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _content(source: Path, progress: Progress) -> AsyncIterator[bytes]:
    try:
        with await anyio.to_thread.run_sync(source.open, "rb") as file:
            while piece := await anyio.to_thread.run_sync(file.read, PIECE):
                yield piece
                progress(len(piece))
    except OSError as error:
        raise BenchError(f"'{os.fspath(source)}' cannot be read: {error.strerror}", blame="config") from error
