"""Our end of byte streams and resources on exporters of the real Jumpstarter."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import lzma
import os
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import grpc.aio
import pytest
from anyio.abc import SocketListener, SocketStream

from flowrunner.errors import BenchError
from flowrunner.image.zstandard import zstd
from flowrunner.interface import ByteStream
from flowrunner.remote.client.peer import ChannelPeer
from flowrunner.remote.client.streams import stream
from flowrunner.remote.wire import NAME, Empty, services
from tests.flowrunner.remote.peer.conftest import Theirs
from tests.support.peers import peer
from tests.support.streams import echo

pytestmark = [pytest.mark.anyio, pytest.mark.peer]

CONTENT = random.Random(3).randbytes(2_000_000)
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zstd": zstd.compress,
}  # fmt: skip


class Channel:
    """Their exporter, by the names of its parts."""

    def __init__(self, inner: grpc.aio.Channel, uuids: dict[str, str]) -> None:
        self.inner = inner
        self.uuids = uuids

    def peer(self, name: str) -> ChannelPeer:
        return ChannelPeer(self.inner, self.uuids[name], "theirs")


@asynccontextmanager
async def channel(target: str) -> AsyncIterator[Channel]:
    async with grpc.aio.insecure_channel(target) as inner:
        report = await services.ExporterServiceStub(inner).GetReport(Empty())
        yield Channel(inner, {each.labels.get(NAME, ""): each.uuid for each in report.reports})


@asynccontextmanager
async def behind(listening: socket.socket, serve: Callable[[SocketStream], object]) -> AsyncIterator[None]:
    """What their TcpNetwork connects to."""
    listening.listen()

    async def served(client: SocketStream) -> None:
        async with client:
            await serve(client)  # type: ignore[misc]

    async with (
        await SocketListener.from_socket(listening.dup()) as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, served)
        yield
        tasks.cancel_scope.cancel()


async def to_end(source: ByteStream) -> bytes:
    data = bytearray()
    try:
        while True:
            data += await source.receive()
    except anyio.EndOfStream:
        return bytes(data)


async def chunked(content: bytes, step: int = 70_000) -> AsyncIterator[bytes]:
    for start in range(0, len(content), step):
        yield content[start : start + step]


@pytest.mark.parametrize("place", ["unix", "tcp"])
async def test_their_echo_gives_back_many_bytes_in_any_pieces(theirs: Theirs, place: str) -> None:
    endpoint = theirs.peer.unix if place == "unix" else theirs.peer.tcp
    sizes = [random.Random(number).randrange(200_000) for number in range(100)]
    sent = [os.urandom(size) for size in sizes]
    async with (
        channel(endpoint.address.target) as found,
        found.peer("echo").stream() as opened,
        anyio.create_task_group() as tasks,
    ):

        async def give() -> None:
            for piece in sent:
                await opened.send(piece)

        tasks.start_soon(give)
        back = bytearray()
        while len(back) < sum(sizes):
            back += await opened.receive()
    assert back == b"".join(sent)


async def test_half_close_goes_through_their_exporter_both_ways(theirs: Theirs) -> None:
    async with (
        behind(theirs.tcp, echo),
        channel(theirs.peer.unix.address.target) as found,
        stream(found.inner, found.uuids["tcp"]) as opened,
    ):
        await opened.send(CONTENT)
        await opened.send_eof()
        assert await to_end(opened) == CONTENT


async def test_what_was_sent_before_leaving_reaches_the_far_end(theirs: Theirs) -> None:
    got: list[int] = []

    async def count(client: SocketStream) -> None:
        got.append(sum([len(data) async for data in client]))

    async with behind(theirs.tcp, count), channel(theirs.peer.unix.address.target) as found:
        for size in (1, 5000, 1 << 20, 3 << 20):
            async with stream(found.inner, found.uuids["tcp"]) as opened:
                await opened.send(bytes(size))
        with anyio.fail_after(10):
            while len(got) < 4:
                await anyio.sleep(0.005)
    assert got == [1, 5000, 1 << 20, 3 << 20]


@pytest.mark.parametrize(("part", "method", "why"), [
    ("nobody", "connect", "All connection attempts failed"),
    ("tcp", "nope", "method nope not found on driver"),
    ("tcp", "address", "method address missing marker marker_streamcall"),
])  # fmt: skip
async def test_what_cannot_be_opened_is_told_at_opening(theirs: Theirs, part: str, method: str, why: str) -> None:
    async with channel(theirs.peer.unix.address.target) as found:
        with pytest.raises(BenchError, match=why):
            async with stream(found.inner, found.uuids[part], method):
                raise AssertionError("it is not open")


async def written(found: Channel, packing: str | None) -> None:
    """Write a file through a resource."""
    files = found.peer("files")
    handle_of_file = await files.call("open", "written", "wb")
    packed = PACK[packing](CONTENT) if packing else CONTENT
    async with files.sending(chunked(packed), encoding=packing) as handle:
        await files.call("file_write", handle_of_file, handle)
    await files.call("file_close", handle_of_file)


@pytest.mark.parametrize("packing", [None, *PACK])
async def test_a_resource_is_written_to_their_disk(theirs: Theirs, packing: str | None) -> None:
    async with channel(theirs.peer.unix.address.target) as found:
        await written(found, packing)
    assert (theirs.files / "written").read_bytes() == CONTENT


async def test_a_resource_is_read_from_their_disk(theirs: Theirs) -> None:
    (theirs.files / "there").write_bytes(CONTENT)
    async with channel(theirs.peer.unix.address.target) as found:
        files = found.peer("files")
        file = await files.call("open", "there", "rb")
        async with files.receiving() as (handle, chunks):
            reading = asyncio.create_task(files.call("file_read", file, handle))
            assert b"".join([chunk async for chunk in chunks]) == CONTENT
            await reading


async def test_what_their_exporter_does_not_unpack_is_unpacked_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JMP_DISABLE_COMPRESSION", "1")
    config = f"""
        export:
          files: {{type: jumpstarter_driver_opendal.driver.Opendal, config: {{scheme: fs, kwargs: {{root: {tmp_path}}}}}}}
    """
    with peer(config) as found:
        async with channel(found.unix.address.target) as opened:
            await written(opened, "xz")
    assert (tmp_path / "written").read_bytes() == CONTENT


async def test_chunks_that_cannot_be_read_are_an_error_whatever_their_driver_says(theirs: Theirs) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"some"
        raise OSError("the disk is gone")

    async with channel(theirs.peer.unix.address.target) as found:
        flasher = found.peer("flasher")
        with anyio.fail_after(20), pytest.raises(OSError, match="the disk is gone"):
            async with flasher.sending(broken()) as handle:
                await flasher.call("flash", handle, None)
