"""Paths of a device that stay below a root, links followed there."""

from __future__ import annotations

import posixpath
import stat
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import asyncssh

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import FileStat
from flowrunner.ssh.lines import Line
from flowrunner.ssh.sftp import append, discard, make_folders, read, settle, told, write
from flowrunner.ssh.transfer import digest
from flowrunner_drivers._files.paths import Paths

NEW = 0o644
"""Permissions of a new file."""

MISSING = (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath)


@dataclass
class Place:
    """The root on one connection: `root` is its real path. Paths below it have no slash at their ends."""

    client: Any
    line: Line
    root: str

    def at(self, place: str) -> str:
        """The path on the device."""
        return posixpath.join(self.root, place) if place else self.root

    async def inside(self, path: str, *, last: bool = True) -> str:
        """`path` as it really is below the root: no dots, no links; with `last` the last link, too.

        Raises:
            BenchError: it leads out of the root, or is no path.
        """
        clean = Paths(None).inside(path)
        if not clean:
            return ""
        above, name = posixpath.split(self.at(clean))
        real = await self._real(self.at(clean), path) if last else posixpath.join(await self._real(above, path), name)
        if real != self.root and not real.startswith(self.root.rstrip("/") + "/"):
            raise BenchError(f"'{path}' leads out of the root of these files", blame="config")
        return real[len(self.root) :].strip("/")

    async def _real(self, place: str, path: str) -> str:
        """Where `place` really is; what is not there yet is taken as it is written."""
        rest: list[str] = []
        with told(self.line, "looked at", path):
            while True:
                try:
                    return posixpath.join(str(await self.client.realpath(place)), *rest)
                except MISSING:
                    place, name = posixpath.split(place)
                    rest.insert(0, name)
                    if not name:
                        raise
                except asyncssh.SFTPFailure as error:
                    raise BenchError(f"'{path}' leads in a circle", blame="config") from error

    async def stat(self, place: str, path: str) -> FileStat:
        """What is known of an entry.

        Raises:
            BenchError: it is not there.
        """
        with told(self.line, "looked at", path):
            return stated(place, await self.client.stat(self.at(place)))

    async def exists(self, place: str, path: str) -> bool:
        """Whether there is anything."""
        with told(self.line, "looked at", path):
            return bool(await self.client.exists(self.at(place)))

    async def is_folder(self, place: str) -> bool:
        """Whether there is a folder, perhaps behind a link; false for what is not there."""
        with told(self.line, "looked at", place):
            return bool(await self.client.isdir(self.at(place)))

    async def is_leaf(self, place: str) -> bool:
        """Whether there is something that is no folder, such as a link to one."""
        with told(self.line, "looked at", place):
            try:
                return not stat.S_ISDIR((await self.client.lstat(self.at(place))).permissions or 0)
            except MISSING:
                return False

    async def entries(self, place: str, path: str) -> list[tuple[FileStat, bool]]:
        """What is in a folder, and of each whether it is a link."""
        with told(self.line, "listed", path):
            names = await self.client.readdir(self.at(place))
        return [
            (stated(posixpath.join(place, str(name.filename)), name.attrs), stat.S_ISLNK(name.attrs.permissions or 0))
            for name in names
            if name.filename not in (".", "..")
        ]

    async def make(self, place: str) -> list[str]:
        """Make a folder and those above it; the ones that were made."""
        made = await make_folders(self.client, self.line, self.at(place))
        return [folder[len(self.root) :].strip("/") for folder in made]

    async def remove(self, place: str, path: str, *, folder: bool = False) -> None:
        """Remove a file, a link, or an empty folder."""
        with told(self.line, "deleted", path):
            await (self.client.rmdir if folder else self.client.remove)(self.at(place))

    async def move(self, place: str, goal: str) -> None:
        """Give a file another name; one that is there is replaced."""
        await settle(self.client, self.line, self.at(place), self.at(goal))

    def read(self, place: str, offset: int, length: int | None, path: str) -> AsyncIterator[bytes]:
        """A file's content."""
        return read(self.client, self.line, self.at(place), offset, length, name=path)

    async def write(self, place: str, content: AsyncIterable[bytes]) -> int:
        """Write a whole file, with the permissions of the one that it replaces."""
        mode = NEW
        with told(self.line, "looked at", place), suppress(*MISSING):
            mode = stat.S_IMODE((await self.client.stat(self.at(place))).permissions or NEW)
        size, part = await write(self.client, self.line, self.at(place), content, mode)
        try:
            await settle(self.client, self.line, part, self.at(place))
        except BaseException:
            await discard(self.client, part)
            raise
        return size

    async def append(self, place: str, content: AsyncIterable[bytes]) -> int:
        """Write behind what is there."""
        return await append(self.client, self.line, self.at(place), content)

    async def digest(self, place: str, algorithm: Literal["sha256", "md5"]) -> str:
        """The checksum of a file."""
        return await digest(self.client, self.line, self.at(place), algorithm)


async def rooted(client: Any, line: Line, root: str) -> Place:
    """The root on a connection; it is made when it is not there."""
    with told(line, "looked at", root):
        home = str(await client.realpath("."))
    place = posixpath.join(home, root)
    await make_folders(client, line, place)
    with told(line, "looked at", root):
        return Place(client, line, str(await client.realpath(place)))


def stated(place: str, attrs: Any) -> FileStat:
    """What the server says of an entry."""
    folder = stat.S_ISDIR(attrs.permissions or 0)
    return FileStat(path=place, size=0 if folder else attrs.size or 0, directory=folder, modified=attrs.mtime)
