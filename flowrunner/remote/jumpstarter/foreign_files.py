"""Files on an exporter of Jumpstarter."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Literal

import anyio

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import Files, FileStat, Presigned
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.content import taken
from flowrunner.remote.jumpstarter.opendal_errors import Worded

CLOSING = 5.0
"""Seconds to close a file that nobody reads to its end."""


class ForeignFiles(Files):
    """A store of files there: all by its calls, content by resources."""

    def __init__(self, peer: Peer) -> None:
        self._peer: Peer = Worded(peer)

    async def write(self, path: str, content: AsyncIterable[bytes], append: bool = False) -> int:
        if append:
            raise BenchError("files on an exporter of Jumpstarter cannot be appended to", blame="config")
        count = 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal count
            async for chunk in content:
                count += len(chunk)
                yield chunk

        async with self._opened(path, "wb") as fd, self._peer.sending(counted()) as handle:
            await self._peer.call("file_write", fd, handle)
        return count

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> AsyncGenerator[bytes, None]:
        async with self._opened(path, "rb") as fd:
            if offset:
                await self._peer.call("file_seek", fd, offset, 0)
            async with aclosing(taken(self._peer, length, lambda handle: ("file_read", fd, handle))) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def stat(self, path: str) -> FileStat:
        found = await self._peer.call("stat", path)
        return FileStat(
            path=path.strip("/"),
            size=found["content_length"],
            directory=found["mode"]["entry_is_dir"],
            **{key: found.get(key) for key in ("content_type", "content_disposition", "content_md5", "etag")},
        )

    async def list(self, path: str = "") -> list[FileStat]:
        entries = [entry async for entry in self._entries("list", path)]
        return sorted(entries, key=lambda entry: entry.path)

    def scan(self, path: str = "") -> AsyncGenerator[FileStat, None]:
        return self._entries("scan", path)

    async def exists(self, path: str) -> bool:
        return bool(await self._peer.call("exists", path) or await self._peer.call("exists", _folder(path)))

    async def mkdir(self, path: str) -> None:
        await self._peer.call("create_dir", _folder(path))

    async def delete(self, path: str) -> None:
        await self._peer.call("delete", path)

    async def remove_all(self, path: str) -> None:
        await self._peer.call("remove_all", path)

    async def copy(self, source: str, target: str) -> None:
        await self._peer.call("copy", source, target)

    async def rename(self, source: str, target: str) -> None:
        await self._peer.call("rename", source, target)

    async def hash(self, path: str, algorithm: Literal["sha256", "md5"] = "sha256") -> str:
        return str(await self._peer.call("hash", path, algorithm))

    async def presign_read(self, path: str, seconds: float = 60.0) -> Presigned:
        return Presigned.model_validate(await self._peer.call("presign_read", path, int(seconds)))

    async def presign_write(self, path: str, seconds: float = 60.0) -> Presigned:
        return Presigned.model_validate(await self._peer.call("presign_write", path, int(seconds)))

    async def presign_stat(self, path: str, seconds: float = 60.0) -> Presigned:
        return Presigned.model_validate(await self._peer.call("presign_stat", path, int(seconds)))

    async def capability(self) -> dict[str, bool | int | None]:
        return dict(await self._peer.call("capability"))

    async def created(self) -> Sequence[str]:
        return [str(path) for path in await self._peer.call("get_created_resources")]

    async def register(self, path: str) -> None:
        await self._peer.call("register_path", path)

    @asynccontextmanager
    async def _opened(self, path: str, mode: str) -> AsyncIterator[Any]:
        """An open file there. One whose writing failed is not closed: that would say that it is whole."""
        fd = await self._peer.call("open", path, mode)
        try:
            yield fd
        except BaseException:
            if mode == "rb":
                with anyio.move_on_after(CLOSING, shield=True), suppress(BenchError):
                    await self._peer.call("file_close", fd)
            raise
        await self._peer.call("file_close", fd)

    async def _entries(self, method: str, path: str) -> AsyncGenerator[FileStat, None]:
        """What is below a folder; the folder itself comes, too, and is left out."""
        async with aclosing(self._peer.iterate(method, _folder(path))) as names:
            async for name in names:
                if str(name).strip("/") != path.strip("/"):
                    yield await self.stat(str(name))


def _folder(path: str) -> str:
    return path.strip("/") + "/"
