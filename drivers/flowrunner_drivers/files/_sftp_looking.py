"""Looking at files by SFTP."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import Files, FileStat, Presigned
from flowrunner.ssh.over import SshOver

if TYPE_CHECKING:
    from flowrunner_drivers.files._sftp_place import Place

ABLE = ("stat", "read", "write", "write_can_multi", "write_can_empty", "write_can_append", "create_dir", "delete",
        "copy", "rename", "list")  # fmt: skip
"""What this store can do, by the names of opendal."""

UNABLE = ("presign", "presign_read", "presign_stat", "presign_write")


class ReadSftp(Files):
    """Files below a folder of the host that `ssh` logs in at."""

    ssh: SshOver
    place: Place | None = None

    @abstractmethod
    def folder(self) -> str:
        """The root, as it is configured."""

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        if offset < 0 or (length is not None and length < 0):
            raise BenchError("an offset or a length cannot be negative", blame="config")
        root = await self._root()
        place = await root.inside(path)
        await self._not_a_folder(place, path)
        async for piece in root.read(place, offset, length, path):
            yield piece

    async def stat(self, path: str) -> FileStat:
        root = await self._root()
        return await root.stat(await root.inside(path), path)

    async def list(self, path: str = "") -> list[FileStat]:
        root = await self._root()
        place = await root.inside(path)
        if not (await root.stat(place, path)).directory:
            raise BenchError(f"'{path}' is no folder", blame="config")
        found = []
        for entry, link in await root.entries(place, path):
            if not link:
                found.append(entry)
                continue
            with suppress(BenchError):  # it leads out, or nowhere
                found.append((await self.stat(entry.path)).model_copy(update={"path": entry.path}))
        return sorted(found, key=lambda entry: entry.path)

    async def scan(self, path: str = "") -> AsyncIterator[FileStat]:
        root, waiting = await self._root(), [path]
        while waiting:
            for entry in await self.list(waiting.pop()):
                yield entry
                if entry.directory and await root.inside(entry.path) == entry.path:
                    waiting.append(entry.path)

    async def exists(self, path: str) -> bool:
        root = await self._root()
        return await root.exists(await root.inside(path), path)

    async def hash(self, path: str, algorithm: Literal["sha256", "md5"] = "sha256") -> str:
        root = await self._root()
        place = await root.inside(path)
        await root.stat(place, path)
        await self._not_a_folder(place, path)
        return await root.digest(place, algorithm)

    async def presign_read(self, path: str, seconds: float = 60.0) -> Presigned:
        raise BenchError(f"this store has no way for '{path}' to be presigned", blame="config")

    presign_write = presign_stat = presign_read

    async def capability(self) -> dict[str, bool | int | None]:
        return {**dict.fromkeys(ABLE, True), **dict.fromkeys(UNABLE, False)}

    async def _root(self) -> Place:
        """The root on the connection that stands now."""
        from flowrunner_drivers.files._sftp_place import rooted  # asyncssh takes 200 ms

        client, line = await self.ssh.files()
        if self.place is None or self.place.client is not client:
            self.place = await rooted(client, line, self.folder())
        return self.place

    async def _is_folder(self, place: str) -> bool:
        return await (await self._root()).is_folder(place)

    async def _not_a_folder(self, place: str, path: str) -> None:
        if not place or await self._is_folder(place):
            raise BenchError(f"'{path}' is a folder", blame="config")
