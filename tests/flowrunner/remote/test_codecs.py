"""Packed content comes out as it went in, in any pieces; what is damaged or cut short is an error."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import tracemalloc
from collections.abc import AsyncIterator, Callable
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.errors import BenchError
from flowrunner.image.zstandard import zstd
from flowrunner.remote.codecs import BATCH, ENCODINGS, decoded, encoded

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "xz": lambda data: lzma.compress(data, preset=0), "bz2": bz2.compress, "zstd": zstd.compress,
}  # fmt: skip
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress, "xz": lzma.decompress, "bz2": bz2.decompress, "zstd": zstd.decompress,
}  # fmt: skip
CONTENT = b"".join(b"%d\n" % number for number in range(100_000))

anyway = settings(deadline=None, max_examples=30)
every_encoding = pytest.mark.parametrize("encoding", ENCODINGS)


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def all_of(chunks: AsyncIterator[bytes]) -> bytes:
    async def joined() -> bytes:
        return b"".join([chunk async for chunk in chunks])

    return asyncio.run(joined())


def cut(data: bytes, at: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(place % (len(data) + 1) for place in at)})
    return [data[start:end] for start, end in pairwise(places)]


def test_all_that_the_wire_knows_can_be_packed() -> None:
    assert set(ENCODINGS) == set(PACK)


@every_encoding
@anyway
@given(content=st.binary(max_size=2000), at=st.lists(st.integers(0, 5000), max_size=6))
def test_any_pieces_are_unpacked(encoding: str, content: bytes, at: list[int]) -> None:
    assert all_of(decoded(pieces(*cut(PACK[encoding](content), at)), encoding)) == content


@every_encoding
@anyway
@given(content=st.binary(max_size=2000), at=st.lists(st.integers(0, 5000), max_size=6))
def test_any_pieces_are_packed(encoding: str, content: bytes, at: list[int]) -> None:
    assert UNPACK[encoding](all_of(encoded(pieces(*cut(content, at)), encoding))) == content


@every_encoding
def test_large_pieces_are_packed_and_unpacked(encoding: str) -> None:
    content = CONTENT * 4
    assert len(content) > 2 * BATCH
    assert all_of(decoded(encoded(pieces(content), encoding), encoding)) == content


@every_encoding
def test_streams_behind_each_other_are_one_content(encoding: str) -> None:
    packed = PACK[encoding](b"one ") + PACK[encoding](b"two")
    assert all_of(decoded(pieces(packed), encoding)) == b"one two"


@every_encoding
@anyway
@given(missing=st.integers(1, 10_000))
def test_truncated_content_is_an_error(encoding: str, missing: int) -> None:
    packed = PACK[encoding](CONTENT[:30_000])
    with pytest.raises(BenchError, match=r"the content (is truncated|holds no)"):
        all_of(decoded(pieces(packed[: -min(missing, len(packed))]), encoding))


@every_encoding
def test_damaged_content_is_an_error(encoding: str) -> None:
    packed = bytearray(PACK[encoding](CONTENT))
    packed[len(packed) // 2] ^= 0xFF
    packed[-6] ^= 0xFF
    with pytest.raises(BenchError, match="the content is damaged"):
        all_of(decoded(pieces(bytes(packed)), encoding))


@every_encoding
@pytest.mark.parametrize("content", [b"", b"plain text", bytes(100)])
def test_content_that_is_not_packed_is_an_error(encoding: str, content: bytes) -> None:
    with pytest.raises(BenchError, match=r"the content (is damaged|holds no)"):
        all_of(decoded(pieces(content), encoding))


@every_encoding
def test_content_that_unpacks_to_far_more_takes_no_memory(encoding: str) -> None:
    size = 64 << 20
    packed = PACK[encoding](bytes(size))

    async def counted() -> int:
        return sum([len(chunk) async for chunk in decoded(pieces(packed), encoding)])

    tracemalloc.start()
    try:
        assert asyncio.run(counted()) == size
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_the_event_loop_stays_free_while_much_is_unpacked() -> None:
    packed = lzma.compress(CONTENT * 8, preset=0)

    async def longest_pause() -> float:
        loop = asyncio.get_running_loop()
        pauses = [0.0]

        async def look() -> None:
            while True:
                before = loop.time()
                await asyncio.sleep(0)
                pauses.append(loop.time() - before)

        looking = asyncio.create_task(look())
        async for _ in decoded(pieces(packed), "xz"):
            pass
        looking.cancel()
        return len(pauses)

    assert asyncio.run(longest_pause()) > 50
