"""Packed content on its way: unpacked and packed piece by piece, in threads, so that the event loop stays free."""

from __future__ import annotations

import asyncio
import bz2
import lzma
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from itertools import islice
from typing import Protocol

from flowrunner.errors import BenchError
from flowrunner.image.codec import CODECS, PIECE, Unpacker
from flowrunner.image.zstandard import zstd

BATCH = 1 << 20
"""Bytes that are unpacked or packed in one go, while nobody else has them in memory."""

_UNPACKED = {"gzip": "gz", "xz": "xz", "bz2": "bz2", "zstd": "zstd"}


class Packer(Protocol):
    """A compressor of the standard library."""

    def compress(self, data: bytes, /) -> bytes:
        """Take `data` and return what is ready."""
        ...

    def flush(self) -> bytes:
        """Return the rest."""
        ...


_PACKERS: Mapping[str, Callable[[], Packer]] = {
    "gzip": lambda: zlib.compressobj(wbits=31),
    "xz": lambda: lzma.LZMACompressor(preset=1),  # the higher ones take ten times as long for a tenth less
    "bz2": bz2.BZ2Compressor,
    "zstd": zstd.ZstdCompressor,
}

ENCODINGS = tuple(_PACKERS)
"""What a resource can be packed with, in the words of the wire."""


async def decoded(chunks: AsyncIterator[bytes], encoding: str, *, what: str = "the content") -> AsyncIterator[bytes]:
    """The content of packed `chunks`, in pieces of about a MiB at most; memory stays the same whatever they grow to.

    Raises:
        BenchError: they are damaged, or their end is missing.
        KeyError: nothing is packed with `encoding`.
    """
    codec = next(codec for codec in CODECS if codec.name == _UNPACKED[encoding])
    unpacker = Unpacker(codec, lambda how: BenchError(f"{what} {how}", blame="config"))
    async for chunk in chunks:
        pieces = unpacker.pieces(bytes(chunk))
        while batch := await asyncio.to_thread(_joined, pieces):
            yield batch
    unpacker.finish()


class Packing:
    """Content that is packed while it comes."""

    def __init__(self, encoding: str) -> None:
        """Begin a stream of `encoding`, which is one of `ENCODINGS`."""
        self._packer = _PACKERS[encoding]()

    async def pack(self, data: bytes) -> AsyncIterator[bytes]:
        """Take `data`, and give what is ready."""
        for start in range(0, len(data), BATCH):
            packed = await asyncio.to_thread(self._packer.compress, data[start : start + BATCH])
            if packed:
                yield packed

    async def finish(self) -> bytes:
        """The rest, with the end of the stream."""
        return await asyncio.to_thread(self._packer.flush)


async def encoded(chunks: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    """`chunks`, packed with one of `ENCODINGS`."""
    packing = Packing(encoding)
    async for chunk in chunks:
        async for packed in packing.pack(chunk):
            yield packed
    yield await packing.finish()


def _joined(pieces: Iterator[bytes]) -> bytes:
    """The next of `pieces` in one; empty at their end."""
    return b"".join(islice(pieces, BATCH // PIECE))
