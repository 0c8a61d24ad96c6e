"""Files below one folder of this host."""

from __future__ import annotations

import os
from abc import abstractmethod
from collections.abc import AsyncIterator
from pathlib import Path

import anyio.to_thread

from flowrunner.errors import BenchError
from flowrunner.interfaces.files import Files, FileStat

CHUNK = 1 << 20


class RootFiles(Files):
    """Files below `root`, which no path can leave."""

    @abstractmethod
    def root(self) -> Path:
        """The folder."""

    @abstractmethod
    def user(self) -> int | None:
        """The id of whom new files belong to; None for us."""

    async def write(self, path: str, data: bytes) -> None:
        await anyio.to_thread.run_sync(self._write, self._inside(path), data)

    async def read(self, path: str) -> AsyncIterator[bytes]:
        place = self._there(path)
        if place.is_dir():
            raise BenchError(f"'{path}' is a folder", blame="config")
        with place.open("rb") as file:
            while data := await anyio.to_thread.run_sync(file.read, CHUNK):
                yield data

    async def stat(self, path: str) -> FileStat:
        return self._stat(self._there(path))

    async def list(self, path: str = "") -> list[FileStat]:
        place = self._there(path)
        if not place.is_dir():
            raise BenchError(f"'{path}' is no folder", blame="config")
        return [self._stat(entry) for entry in sorted(place.iterdir())]

    async def delete(self, path: str) -> None:
        place = self._inside(path)
        if place.is_dir():
            raise BenchError(f"'{path}' is a folder", blame="config")
        place.unlink(missing_ok=True)

    def _write(self, place: Path, data: bytes) -> None:
        new = [folder for folder in place.parents if not folder.exists()]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        user = self.user()
        for made in (place, *new) if user is not None else ():
            os.chown(made, user if user is not None else -1, -1)

    def _stat(self, place: Path) -> FileStat:
        directory = place.is_dir()
        return FileStat(
            path=str(place.relative_to(self.root().resolve())),
            size=0 if directory else place.lstat().st_size,
            directory=directory,
        )

    def _there(self, path: str) -> Path:
        place = self._inside(path)
        if not place.exists():
            raise BenchError(f"there is no file '{path}'", blame="config")
        return place

    def _inside(self, path: str) -> Path:
        root = self.root().resolve()
        place = (root / path.lstrip("/")).resolve()
        if not place.is_relative_to(root):
            raise BenchError(f"'{path}' leads out of the board's files", blame="config")
        return place
