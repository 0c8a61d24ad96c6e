"""Files that clients of Jumpstarter have opened: a position in one, and a table of them."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID, uuid4

from flowrunner.errors import BenchError

MOST = 256
"""Files that one part keeps open; then the one that was used longest ago is forgotten."""


class OpenFile:
    """One file, open for reading when its `size` is known, else for writing, from its start to its end."""

    def __init__(self, files: Any, path: str, size: int | None) -> None:
        self.path = path
        self.at = 0
        self.closed = False
        self._files = files
        self._size = size
        self._written = False

    @property
    def readable(self) -> bool:
        """Whether it can be read, and not written."""
        return self._size is not None

    async def read(self) -> AsyncGenerator[bytes, None]:
        """What is behind the position, which moves along.

        Raises:
            BenchError: it is not open for reading.
        """
        self._check(reading=True)
        async with aclosing(self._files.read(self.path, self.at)) as chunks:
            async for chunk in chunks:
                self.at += len(chunk)
                yield chunk

    async def write(self, chunks: AsyncIterator[bytes]) -> None:
        """Append all `chunks`.

        Raises:
            BenchError: it is not open for writing.
        """
        self._check(reading=False)
        self.at += await self._files.write(self.path, chunks, append=self._written)
        self._written = True

    async def close(self) -> None:
        """Close it; one that was to be written and was not is there now, and empty."""
        if not (self.readable or self._written or self.closed):
            await self.write(_nothing())
        self.closed = True

    def seek(self, to: int, whence: int) -> int:
        """Move the position: from the start (0), from where it is (1), from the end (2). Returns where it is then.

        Raises:
            BenchError: it is open for writing, or the position would be before the start.
        """
        self._check(reading=True)
        start = {0: 0, 1: self.at, 2: self._size or 0}[whence]
        if start + to < 0:
            raise BenchError(f"'{self.path}' has nothing before its start", blame="config")
        self.at = start + to
        return self.at

    def _check(self, *, reading: bool) -> None:
        if self.closed:
            raise BenchError(f"'{self.path}' was closed", blame="config")
        if reading != self.readable:
            raise BenchError(f"'{self.path}' is open for {'reading' if self.readable else 'writing'}", blame="config")


class OpenFiles:
    """Open files by the uuids that clients know them by."""

    def __init__(self) -> None:
        self._files: OrderedDict[UUID, OpenFile] = OrderedDict()

    def add(self, file: OpenFile) -> str:
        """A uuid for `file`."""
        uuid = uuid4()
        self._files[uuid] = file
        if len(self._files) > MOST:
            self._files.popitem(last=False)
        return str(uuid)

    def __getitem__(self, uuid: UUID) -> OpenFile:
        if uuid not in self._files:
            raise BenchError(f"no file is open as {uuid}", blame="config", help="open it again")
        self._files.move_to_end(uuid)
        return self._files[uuid]


async def _nothing() -> AsyncGenerator[bytes, None]:
    return
    yield b""
