"""Looking at files, over an operator of opendal."""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import anyio.to_thread

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import Files, FileStat, Presigned
from flowrunner_drivers._files.faults import NoSuchFileError, told
from flowrunner_drivers._files.paths import Paths

CHUNK = 1 << 20


class ReadFiles(Files):
    """Files in a store; `operator` and `root` say which."""

    @abstractmethod
    def operator(self) -> Any:
        """The operator of opendal; a path in it has no slash in front, and a folder one behind."""

    @abstractmethod
    def root(self) -> Path | None:
        """The folder on this host that the operator works on; None for a store elsewhere."""

    async def read(self, path: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        if offset < 0 or (length is not None and length < 0):
            raise BenchError("an offset or a length cannot be negative", blame="config")
        place, left = self._in(path), length
        await self._not_a_folder(place, path)
        with told("read", path):
            file = await self.operator().open(place, "rb")
        try:
            if offset:
                with told("read", path):
                    await file.seek(offset)
            while left is None or left > 0:
                with told("read", path):
                    piece = await file.read(CHUNK if left is None else min(CHUNK, left))
                if not piece:
                    return
                left = None if left is None else left - len(piece)
                yield piece
        finally:
            with anyio.CancelScope(shield=True), suppress(Exception):
                await file.close()

    async def stat(self, path: str) -> FileStat:
        return await self._stat(self._in(path), path)

    async def list(self, path: str = "") -> list[FileStat]:
        place = self._in(path)
        if not (await self._stat(place, path)).directory:
            raise BenchError(f"'{path}' is no folder", blame="config")
        with told("listed", path):
            entries = [entry async for entry in await self.operator().list(f"{place}/")]
        found = [await self._entry(entry) for entry in entries if entry.path.strip("/") != place]
        return sorted((stat for stat in found if self._paths().shown(stat.path)), key=lambda stat: stat.path)

    async def scan(self, path: str = "") -> AsyncIterator[FileStat]:
        waiting = [path]
        while waiting:
            for entry in await self.list(waiting.pop()):
                yield entry
                if entry.directory and self._in(entry.path) == entry.path:
                    waiting.append(entry.path)

    async def exists(self, path: str) -> bool:
        place = self._in(path)
        try:
            await self._stat(place, path)
        except NoSuchFileError:
            return False
        return True

    async def hash(self, path: str, algorithm: Literal["sha256", "md5"] = "sha256") -> str:
        digest = hashlib.new(algorithm, usedforsecurity=False)
        async for piece in self.read(path):
            await anyio.to_thread.run_sync(digest.update, piece)
        return digest.hexdigest()

    async def presign_read(self, path: str, seconds: float = 60.0) -> Presigned:
        return await self._presigned("read", path, seconds)

    async def presign_write(self, path: str, seconds: float = 60.0) -> Presigned:
        return await self._presigned("write", path, seconds)

    async def presign_stat(self, path: str, seconds: float = 60.0) -> Presigned:
        return await self._presigned("stat", path, seconds)

    async def capability(self) -> dict[str, bool | int | None]:
        able = self.operator().capability()
        return {name: getattr(able, name) for name in dir(able) if not name.startswith("_")}

    async def _presigned(self, what: str, path: str, seconds: float) -> Presigned:
        place = self._in(path)
        with told("presigned", path):
            request = await getattr(self.operator(), f"presign_{what}")(place, max(1, round(seconds)))
        return Presigned(url=request.url, method=request.method, headers=dict(request.headers))

    async def _not_a_folder(self, place: str, path: str) -> None:
        if not place or await self._is_folder(place):
            raise BenchError(f"'{path}' is a folder", blame="config")

    async def _is_folder(self, place: str) -> bool:
        root = self.root()
        if root is not None:
            return (root / place).is_dir()
        if not self.operator().capability().list:
            return False
        try:
            return (await self._stat(place, place)).directory
        except NoSuchFileError:
            return False

    async def _stat(self, place: str, path: str) -> FileStat:
        operator = self.operator()
        with told("looked at", path):
            if not place:
                return FileStat(path="", size=0, directory=True)
            try:
                with told("looked at", path):
                    return _stated(place, await operator.stat(place))
            except NoSuchFileError:
                if not operator.capability().list:
                    raise
            return _stated(place, await operator.stat(f"{place}/"))

    async def _entry(self, entry: Any) -> FileStat:
        """A listed entry; some stores leave out sizes when they list."""
        place, about = entry.path.strip("/"), entry.metadata
        if about.mode.is_file() and not about.content_length:
            with suppress(NoSuchFileError):
                return await self._stat(place, place)
        return _stated(place, about)

    def _paths(self) -> Paths:
        return Paths(self.root())

    def _in(self, path: str, *, last: bool = True) -> str:
        return self._paths().inside(path, last=last)


def _stated(place: str, about: Any) -> FileStat:
    directory = about.mode.is_dir()
    return FileStat(
        path=place,
        size=0 if directory else about.content_length,
        directory=directory,
        modified=about.last_modified.timestamp() if about.last_modified else None,
        content_type=about.content_type,
        content_disposition=about.content_disposition,
        content_md5=about.content_md5,
        etag=about.etag,
    )
