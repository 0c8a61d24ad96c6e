"""Resources as our client has them: what it sends to a call, and what it takes from one."""

from __future__ import annotations

import asyncio
import gzip
import random
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.remote.client.streams import receiving, sending
from tests.support.streams import routed

pytestmark = pytest.mark.anyio

CONTENT = random.Random(7).randbytes(3_000_000)


async def chunked(content: bytes, step: int = 70_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), step):
        yield content[start : start + step]


async def test_a_resource_is_sent_while_the_call_works(tmp_path: Path) -> None:
    async with routed(tmp_path) as served, sending(served.channel, served.uuid, chunked(CONTENT)) as handle:
        got = b"".join([chunk async for chunk in served.resources.read(handle)])
    assert got == CONTENT


async def test_a_resource_is_received_while_the_call_works(tmp_path: Path) -> None:
    async def work(handle: dict[str, Any], resources: Any) -> None:
        async with resources.write(handle) as put:
            async for chunk in chunked(CONTENT):
                await put(chunk)

    async with routed(tmp_path) as served, receiving(served.channel, served.uuid) as (handle, chunks):
        working = asyncio.create_task(work(handle, served.resources))
        assert b"".join([chunk async for chunk in chunks]) == CONTENT
        await working


@pytest.mark.parametrize("where", ["there", "here"])
async def test_packed_content_is_unpacked_there_or_else_here(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JMP_DISABLE_COMPRESSION", "0" if where == "there" else "1")
    async with routed(tmp_path) as served:
        async with sending(served.channel, served.uuid, chunked(gzip.compress(CONTENT)), encoding="gzip") as handle:
            assert handle["x_jmp_content_encoding"] == ("gzip" if where == "there" else None)
            got = b"".join([chunk async for chunk in served.resources.read(handle)])
        assert got == CONTENT
        async with receiving(served.channel, served.uuid, encoding="gzip") as (handle, chunks):

            async def work(handle: dict[str, Any]) -> None:
                async with served.resources.write(handle) as put:
                    await put(CONTENT)

            working = asyncio.create_task(work(handle))
            packed = b"".join([chunk async for chunk in chunks])
            await working
        assert gzip.decompress(packed) == CONTENT


async def test_an_encoding_that_nobody_knows_is_an_error(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        with pytest.raises(BenchError, match="nothing is packed with 'lz4'"):
            async with sending(served.channel, served.uuid, chunked(b"x"), encoding="lz4"):
                raise AssertionError


async def test_chunks_that_cannot_be_read_are_an_error_on_both_sides(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise OSError("the disk is gone")

    seen: list[BenchError] = []
    async with routed(tmp_path) as served:
        with pytest.raises(OSError, match="the disk is gone"):
            async with sending(served.channel, served.uuid, broken()) as handle:
                try:
                    async for _ in served.resources.read(handle):
                        pass
                except BenchError as error:
                    seen.append(error)
                    raise
    assert "the client's content broke off after" in seen[0].what
    assert "the client went away" in seen[0].what


async def test_a_driver_that_takes_only_a_part_does_not_hold_its_client(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        with anyio.fail_after(10):
            async with sending(served.channel, served.uuid, chunked(bytes(40 << 20))) as handle:
                reading = served.resources.read(handle)
                await anext(reading)
                await reading.aclose()


async def test_an_exporter_that_is_lost_on_the_way_is_an_error_though_the_call_succeeded(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        with pytest.raises(BenchError, match="the connection to the exporter was lost"):
            async with sending(served.channel, served.uuid, chunked(CONTENT)):
                await served.server.stop(0)


async def test_content_that_breaks_off_is_an_error_and_not_an_end(tmp_path: Path) -> None:
    async with (
        routed(tmp_path) as served,
        receiving(served.channel, served.uuid) as (handle, chunks),
        served.resources.write(handle) as put,
    ):
        await put(b"some")
        assert await anext(chunks) == b"some"
        await served.server.stop(0)
        with pytest.raises(BenchError, match="the connection to the exporter was lost"):
            await anext(chunks)


async def test_what_a_block_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        with pytest.raises(ZeroDivisionError):
            async with sending(served.channel, served.uuid, chunked(CONTENT)):
                raise ZeroDivisionError
