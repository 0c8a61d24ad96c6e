"""Files: a store of files beside the device."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Literal, cast

import anyio.to_thread
from pydantic import BaseModel

from flowrunner.errors import BenchError
from flowrunner.interface import Interface, call
from flowrunner.model import Seconds

PIECE = 1 << 20
"""Bytes of a local file that are sent at once."""


class FileStat(BaseModel):
    """What is known of one entry.

    `path` has no slash at its ends, `size` is in bytes, `modified` in seconds since 1970; the rest as the store says.
    """

    path: str
    size: int
    directory: bool = False
    modified: float | None = None
    content_type: str | None = None
    content_disposition: str | None = None
    content_md5: str | None = None
    etag: str | None = None


class Presigned(BaseModel):
    """A request that anyone may make for a while, without credentials."""

    url: str
    method: str
    headers: dict[str, str] = {}


class Files(Interface):
    """Files below one root, which no path leaves. Slashes at the ends of a path mean nothing; `` is the root.

    Each call raises `BenchError` (`blame` is `config`) for what is not there, leads out, or the store cannot do.
    """

    name = "files"
    jumpstarter = "jumpstarter_driver_opendal.client.OpendalClient"

    @call
    @abstractmethod
    async def write(self, path: str, content: AsyncIterable[bytes], append: bool = False) -> int:
        """Write a whole file, or behind what is there; parent folders are made. Returns the bytes written.

        A file of the exporter's disk is replaced when all has come: one that breaks off leaves the old one.
        """

    @call
    @abstractmethod
    def read(self, path: str, offset: int = 0, length: int | None = None) -> AsyncIterator[bytes]:
        """A file's content, in pieces: `length` bytes from `offset` on, or all; less where the file ends before."""

    @call
    @abstractmethod
    async def stat(self, path: str) -> FileStat:
        """What is known of one file or folder."""

    @call
    @abstractmethod
    async def list(self, path: str = "") -> list[FileStat]:
        """The entries of one folder, by name."""

    @call
    @abstractmethod
    def scan(self, path: str = "") -> AsyncIterator[FileStat]:
        """All entries below one folder, to any depth."""

    @call
    @abstractmethod
    async def exists(self, path: str) -> bool:
        """Whether there is such a file or folder."""

    @call
    @abstractmethod
    async def mkdir(self, path: str) -> None:
        """Make a folder and those above it; one that is there is no error."""

    @call
    @abstractmethod
    async def delete(self, path: str) -> None:
        """Delete one file or empty folder; what is not there is no error."""

    @call
    @abstractmethod
    async def remove_all(self, path: str) -> None:
        """Delete a file, or a folder with all below it; what is not there is no error."""

    @call
    @abstractmethod
    async def copy(self, source: str, target: str) -> None:
        """Copy a file; one that is there is replaced, parent folders are made."""

    @call
    @abstractmethod
    async def rename(self, source: str, target: str) -> None:
        """Move a file; one that is there is replaced, parent folders are made."""

    @call
    @abstractmethod
    async def hash(self, path: str, algorithm: Literal["sha256", "md5"] = "sha256") -> str:
        """The checksum of a file, in hexadecimal."""

    @call
    @abstractmethod
    async def presign_read(self, path: str, seconds: Seconds = 60.0) -> Presigned:
        """A request that reads the file, good for some seconds."""

    @call
    @abstractmethod
    async def presign_write(self, path: str, seconds: Seconds = 60.0) -> Presigned:
        """A request that writes the file, good for some seconds."""

    @call
    @abstractmethod
    async def presign_stat(self, path: str, seconds: Seconds = 60.0) -> Presigned:
        """A request that asks for the file's size, good for some seconds."""

    @call
    @abstractmethod
    async def capability(self) -> dict[str, bool | int | None]:
        """What the store can do, by the names of opendal: `write`, `presign_read`, `write_multi_max_size`, ..."""

    @call
    @abstractmethod
    async def created(self) -> Sequence[str]:
        """The paths of files and folders that were made through this part since it was opened, in that order."""

    @call
    @abstractmethod
    async def register(self, path: str) -> None:
        """Count `path` among the created ones, such as a file that a presigned request wrote."""

    async def read_bytes(self, path: str) -> bytes:
        """A whole file. Runs beside the job."""
        return b"".join([piece async for piece in self.read(path)])

    async def write_bytes(self, path: str, data: bytes) -> int:
        """Write a whole file. Runs beside the job."""
        return await self.write(path, _once(data))

    async def put(self, source: Path, path: str) -> int:
        """Send a file of the job's host; returns its bytes. Runs beside the job."""
        return await self.write(path, _content(source))

    async def get(self, path: str, target: Path) -> int:
        """Fetch a file to the job's host; returns its bytes. Runs beside the job.

        Raises:
            BenchError: it cannot be read, or `target` cannot be written: then nothing is left of it.
        """
        part = target.with_name(f".{target.name}.part")
        size = 0
        try:
            with await anyio.to_thread.run_sync(part.open, "wb") as file:
                async with aclosing(cast("Any", self.read(path))) as pieces:
                    async for piece in pieces:
                        size += await anyio.to_thread.run_sync(file.write, piece)
            part.replace(target)
        except OSError as error:
            raise BenchError(f"'{target}' could not be written: {error.strerror}", blame="config") from error
        finally:
            part.unlink(missing_ok=True)
        return size


async def gathered(content: AsyncIterable[bytes], least: int) -> AsyncIterator[bytes]:
    """`content` in pieces of `least` bytes or more, but for the last: what stores and links are fast with."""
    waiting = bytearray()
    async for piece in content:
        waiting += piece
        if len(waiting) >= least:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


async def _content(source: Path) -> AsyncIterator[bytes]:
    try:
        with await anyio.to_thread.run_sync(source.open, "rb") as file:
            while piece := await anyio.to_thread.run_sync(file.read, PIECE):
                yield piece
    except OSError as error:
        raise BenchError(f"'{source}' could not be read: {error.strerror}", blame="config") from error
