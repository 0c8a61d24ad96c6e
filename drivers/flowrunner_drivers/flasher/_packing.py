"""The image as it travels to the board: packed once more by us, whatever it was packed with."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Literal, Protocol, cast

import anyio.to_thread

from flowrunner.errors import ExpectationError
from flowrunner.image.content import ZEROS
from flowrunner.image.zstandard import zstd
from flowrunner.interfaces.storage import Image, Written

Packing = Literal["gzip", "zstd", "none"]

UNPACK: Mapping[Packing, str | None] = {"gzip": "zcat", "zstd": "zstd -d -c", "none": None}
"""What the board unpacks it with."""

BLANK = 64 << 20
"""Zeros that are packed at once."""


class Packer(Protocol):
    """Packs a stream."""

    def compress(self, data: bytes | memoryview, /) -> bytes:
        """What comes out when `data` goes in."""
        ...

    def flush(self) -> bytes:
        """The end."""
        ...


class _Plain:
    def compress(self, data: bytes | memoryview, /) -> bytes:
        return bytes(data)

    def flush(self) -> bytes:
        return b""


PACKERS: Mapping[Packing, Callable[[], Packer]] = {
    "gzip": lambda: cast("Packer", zlib.compressobj(1, zlib.DEFLATED, 31)),
    "zstd": lambda: cast("Packer", zstd.ZstdCompressor(level=1)),
    "none": _Plain,
}


class PackedImage:
    """Reads `image` once; `written` and `sha256` tell of its content when all was read."""

    def __init__(self, image: Image, packing: Packing) -> None:
        self.written = Written(written=0, size=0)
        self._image = image
        self._packer = PACKERS[packing]()
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """The digest of the unpacked content, in hexadecimal."""
        return self._hash.hexdigest()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The packed content. What does not matter of the image is zeros here."""
        async with aclosing(cast("AsyncGenerator", self._image.extents())) as extents:  # type: ignore[type-arg]
            async for extent in extents:
                for length in _steps(extent.offset - self.written.size):
                    yield await anyio.to_thread.run_sync(self._blank, length)
                for length in _steps(extent.length if extent.data is None else 0):
                    yield await anyio.to_thread.run_sync(self._blank, length)
                if extent.data is not None:
                    yield await anyio.to_thread.run_sync(self._data, extent.data)
        for length in _steps((self._image.size or 0) - self.written.size):
            yield await anyio.to_thread.run_sync(self._blank, length)
        yield self._packer.flush()

    def _data(self, data: bytes | memoryview) -> bytes:
        self.written.size += len(data)
        self.written.written += len(data)
        self._hash.update(data)
        return self._packer.compress(data)

    def _blank(self, length: int) -> bytes:
        packed = []
        self.written.size += length
        while length > 0:
            zeros = ZEROS[:length]
            self._hash.update(zeros)
            packed.append(self._packer.compress(zeros))
            length -= len(zeros)
        return b"".join(packed)


def _steps(length: int) -> Iterator[int]:
    """`length` bytes in steps that do not take long."""
    while length > 0:
        yield min(length, BLANK)
        length -= BLANK


@contextmanager
def unharmed() -> Iterator[None]:
    """What is wrong with the image is found here before the board is touched, and the error says so."""
    try:
        yield
    except ExpectationError as error:
        error.help = "nothing was written to the board"
        raise
