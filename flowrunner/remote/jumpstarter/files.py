"""Files, for clients of Jumpstarter: files that are opened there are read and written piece by piece here."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal
from uuid import UUID

from flowrunner.interface import Interface
from flowrunner.interfaces.files import FileStat, Presigned
from flowrunner.remote.jumpstarter.facade import Facade, Handle, Resources
from flowrunner.remote.jumpstarter.opened_file import OpenFile, OpenFiles


class FilesFacade(Facade):
    """What `OpendalClient` calls. A path to a folder may end with a slash, and does in answers."""

    client_class = "jumpstarter_driver_opendal.client.OpendalClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self._files = OpenFiles()
        self.serve(self.open, self.file_read, self.file_write, self.file_seek, self.file_tell, self.file_close)
        self.serve(self.file_closed, self.file_readable, self.file_seekable, self.file_writable)
        self.serve(self.stat, self.hash, self.exists, self.capability, self.scan, list=self.entries)
        self.serve(self.copy, self.rename, self.delete, self.remove_all, create_dir=self.mkdir)
        self.serve(self.presign_stat, self.presign_read, self.presign_write)
        self.serve(get_created_resources=self.created, register_path=self.register)

    async def open(self, path: str, mode: Literal["rb", "wb"]) -> str:
        if mode == "wb":
            return self._files.add(OpenFile(self.part, path, None))
        found: FileStat = await self.part.stat(path)
        if found.directory:
            raise ValueError(f"'{path}' is a folder")
        return self._files.add(OpenFile(self.part, path, found.size))

    async def file_read(self, fd: UUID, dst: Handle) -> None:
        file = self._files[fd]
        async with self.resources.write(dst) as put, aclosing(file.read()) as chunks:
            async for chunk in chunks:
                await put(chunk)

    async def file_write(self, fd: UUID, src: Handle) -> None:
        await self._files[fd].write(self.resources.read(src))

    async def file_seek(self, fd: UUID, pos: int, whence: Literal[0, 1, 2] = 0) -> int:
        return self._files[fd].seek(pos, whence)

    async def file_tell(self, fd: UUID) -> int:
        return self._files[fd].at

    async def file_close(self, fd: UUID) -> None:
        await self._files[fd].close()

    async def file_closed(self, fd: UUID) -> bool:
        return self._files[fd].closed

    async def file_readable(self, fd: UUID) -> bool:
        return self._files[fd].readable

    async def file_seekable(self, fd: UUID) -> bool:
        return self._files[fd].readable

    async def file_writable(self, fd: UUID) -> bool:
        return not self._files[fd].readable

    async def stat(self, path: str) -> dict[str, Any]:
        found: FileStat = await self.part.stat(path)
        return {
            "content_length": found.size, "content_type": found.content_type, "etag": found.etag,
            "content_md5": found.content_md5, "content_disposition": found.content_disposition,
            "mode": {"entry_is_file": not found.directory, "entry_is_dir": found.directory},
        }  # fmt: skip

    async def hash(self, path: str, algo: Literal["md5", "sha256"] = "sha256") -> str:
        return str(await self.part.hash(path, algo))

    async def exists(self, path: str) -> bool:
        return bool(await self.part.exists(path))

    async def copy(self, source: str, target: str) -> None:
        await self.part.copy(source, target)

    async def rename(self, source: str, target: str) -> None:
        await self.part.rename(source, target)

    async def mkdir(self, path: str) -> None:
        await self.part.mkdir(path)

    async def delete(self, path: str) -> None:
        await self.part.delete(path)

    async def remove_all(self, path: str) -> None:
        await self.part.remove_all(path)

    async def entries(self, path: str) -> AsyncGenerator[str, None]:
        """The folder itself, then what is in it."""
        yield _folder(path)
        for entry in await self.part.list(path):
            yield _shown(entry)

    async def scan(self, path: str) -> AsyncGenerator[str, None]:
        """The folder itself, then all that is below it."""
        yield _folder(path)
        async with aclosing(self.part.scan(path)) as entries:
            async for entry in entries:
                yield _shown(entry)

    async def presign_stat(self, path: str, expire_second: int) -> Presigned:
        return await self._presigned("presign_stat", path, expire_second)

    async def presign_read(self, path: str, expire_second: int) -> Presigned:
        return await self._presigned("presign_read", path, expire_second)

    async def presign_write(self, path: str, expire_second: int) -> Presigned:
        return await self._presigned("presign_write", path, expire_second)

    async def capability(self) -> dict[str, bool | int | None]:
        """What the store can do, with every key that their client asks for."""
        return {**dict.fromkeys(FLAGS, False), **dict.fromkeys(SIZES), **await self.part.capability()}

    async def created(self) -> list[str]:
        return [str(path) for path in await self.part.created()]

    async def register(self, path: str) -> None:
        await self.part.register(path)

    async def _presigned(self, method: str, path: str, seconds: int) -> Presigned:
        found: Presigned = await getattr(self.part, method)(path, float(seconds))
        return found


FLAGS = (
    "stat", "stat_with_if_match", "stat_with_if_none_match", "read", "read_with_if_match", "read_with_if_none_match",
    "read_with_override_cache_control", "read_with_override_content_disposition", "read_with_override_content_type",
    "write", "write_can_multi", "write_can_empty", "write_can_append", "write_with_content_type",
    "write_with_content_disposition", "write_with_cache_control", "create_dir", "delete", "copy", "rename", "list",
    "list_with_limit", "list_with_start_after", "list_with_recursive", "presign", "presign_read", "presign_stat",
    "presign_write", "shared", "blocking",
)  # fmt: skip
SIZES = ("write_multi_max_size", "write_multi_min_size", "write_total_max_size")


def _folder(path: str) -> str:
    return path.strip("/") + "/"


def _shown(entry: FileStat) -> str:
    return entry.path + "/" if entry.directory else entry.path
