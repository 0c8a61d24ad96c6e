"""Resources of an exporter: handles that are used once, packed content, GOAWAY when the driver is done."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import grpc.aio
import pytest

from flowrunner.errors import BenchError
from flowrunner.image.zstandard import zstd
from flowrunner.remote.exporter.resources import Resources
from flowrunner.remote.wire import router
from tests.support.streams import Routed, routed

pytestmark = pytest.mark.anyio

GOAWAY = router.StreamRequest(frame_type=router.FRAME_TYPE_GOAWAY)
CONTENT = b"".join(b"%d\n" % number for number in range(200_000))
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress, "xz": lambda data: lzma.compress(data, preset=0), "bz2": bz2.compress, "zstd": zstd.compress,
}  # fmt: skip
UNPACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.decompress, "xz": lzma.decompress, "bz2": bz2.decompress, "zstd": zstd.decompress,
}  # fmt: skip


class Offered:
    """A resource that a client opened, by protobuf's own messages."""

    def __init__(self, served: Routed, encoding: str | None = None) -> None:
        request = {"kind": "resource", "uuid": served.uuid, "x_jmp_content_encoding": encoding}
        self.call = served.channel.stream_stream(
            "/jumpstarter.v1.RouterService/Stream",
            request_serializer=router.StreamRequest.SerializeToString,
            response_deserializer=router.StreamResponse.FromString,
        )(metadata=[("request", json.dumps(request))])

    async def answer(self) -> dict[str, Any]:
        return dict(await self.call.initial_metadata() or ())

    async def handle(self) -> dict[str, Any]:
        handle: dict[str, Any] = json.loads((await self.answer())["resource"])
        return handle

    async def give(self, content: bytes, step: int = 50_000) -> None:
        for start in range(0, len(content), step):
            await self.call.write(router.StreamRequest(payload=content[start : start + step]))
        await self.call.write(GOAWAY)
        await self.call.done_writing()

    async def rest(self) -> tuple[bytes, bool]:
        """All data until GOAWAY; and whether that came."""
        data = b""
        while (frame := await self.call.read()) is not grpc.aio.EOF:
            if frame.frame_type == 7:
                return data, True
            data += frame.payload
        return data, False


async def content(resources: Resources, handle: dict[str, Any]) -> bytes:
    return b"".join([chunk async for chunk in resources.read(handle)])


async def test_the_handle_comes_with_the_initial_metadata(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        answer = await Offered(served).answer()
    handle = json.loads(answer["resource"])
    assert handle == {"kind": "client_stream", "uuid": handle["uuid"], "x_jmp_content_encoding": None}
    assert "x_jmp_accept_encoding" not in answer


@pytest.mark.parametrize("encoding", ["gzip", "xz", "bz2", "zstd"])
async def test_an_encoding_that_is_known_is_accepted_and_unpacked_here(tmp_path: Path, encoding: str) -> None:
    async with routed(tmp_path) as served:
        offered = Offered(served, encoding)
        answer = await offered.answer()
        assert answer["x_jmp_accept_encoding"] == encoding
        handle = json.loads(answer["resource"])
        assert handle["x_jmp_content_encoding"] == encoding
        await offered.give(PACK[encoding](CONTENT))
        assert await content(served.resources, handle) == CONTENT
        assert await offered.rest() == (b"", True)


@pytest.mark.parametrize("encoding", ["gzip", "xz", "bz2", "zstd"])
async def test_what_a_driver_writes_is_packed_as_asked(tmp_path: Path, encoding: str) -> None:
    async with routed(tmp_path) as served:
        offered = Offered(served, encoding)
        handle = await offered.handle()
        taking = asyncio.create_task(offered.rest())
        async with served.resources.write(handle) as put:
            for start in range(0, len(CONTENT), 100_000):
                await put(CONTENT[start : start + 100_000])
        packed, ended = await taking
    assert ended
    assert UNPACK[encoding](packed) == CONTENT


async def test_an_unknown_encoding_is_left_to_the_client(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        offered = Offered(served, "lz4")
        answer = await offered.answer()
        handle = json.loads(answer["resource"])
        assert (handle["x_jmp_content_encoding"], "x_jmp_accept_encoding" in answer) == (None, False)
        await offered.give(b"as it is")
        assert await content(served.resources, handle) == b"as it is"


async def test_no_encoding_is_offered_when_compression_is_disabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JMP_DISABLE_COMPRESSION", "1")
    async with routed(tmp_path) as served:
        answer = await Offered(served, "gzip").answer()
    assert json.loads(answer["resource"])["x_jmp_content_encoding"] is None
    assert "x_jmp_accept_encoding" not in answer


@pytest.mark.parametrize("encoding", ["gzip", "xz", "bz2", "zstd"])
async def test_truncated_content_is_an_error_and_not_an_end(tmp_path: Path, encoding: str) -> None:
    async with routed(tmp_path) as served:
        offered = Offered(served, encoding)
        handle = await offered.handle()
        await offered.give(PACK[encoding](CONTENT)[:-9])
        with pytest.raises(BenchError, match="the content is truncated"):
            await content(served.resources, handle)
        assert (await offered.rest())[1]


@pytest.mark.parametrize("how", ["cancel", "connection"])
async def test_a_client_that_leaves_before_its_end_is_an_error_and_not_an_end(tmp_path: Path, how: str) -> None:
    async with routed(tmp_path) as served:
        for _ in range(20):
            channel = grpc.aio.insecure_channel(f"unix://{tmp_path}/s", options=[("grpc.use_local_subchannel_pool", 1)])
            offered = Offered(Routed(channel, served.server, served.station, served.resources, served.uuid))
            handle = await offered.handle()
            async with aclosing(served.resources.read(handle)) as chunks:
                await offered.call.write(router.StreamRequest(payload=b"half"))
                assert await anext(chunks) == b"half"
                leave = offered.call.cancel if how == "cancel" else lambda: None
                leave()
                await channel.close()
                with pytest.raises(BenchError, match="the client's content broke off after 4 bytes"):
                    await anext(chunks)


async def test_a_half_close_without_goaway_is_an_end(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        offered = Offered(served)
        await offered.call.write(router.StreamRequest(payload=b"all of it"))
        await offered.call.done_writing()
        assert await content(served.resources, await offered.handle()) == b"all of it"


async def test_a_handle_is_used_once(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        offered = Offered(served)
        handle = await offered.handle()
        await offered.give(b"x")
        assert await content(served.resources, handle) == b"x"
        with pytest.raises(BenchError, match=f"there is no resource '{handle['uuid']}' for this driver"):
            await content(served.resources, handle)


async def test_a_handle_is_of_no_use_to_another_driver(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        handle = await Offered(served).handle()
        with pytest.raises(BenchError, match="for this driver"):
            await content(Resources(), handle)


async def test_a_handle_of_a_client_that_is_gone_is_an_error(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        offered = Offered(served)
        handle = await offered.handle()
        offered.call.cancel()
        with anyio.fail_after(10), pytest.raises(BenchError, match=r"broke off after 0 bytes|there is no resource"):
            await content(served.resources, handle)


@pytest.mark.parametrize(
    "handle", [{}, {"kind": "client_stream"}, {"kind": "file", "uuid": "x"}, {"kind": "client_stream", "uuid": 5}]
)
async def test_what_is_no_handle_is_refused(handle: dict[str, Any]) -> None:
    with pytest.raises(BenchError, match="the call names no resource"):
        await content(Resources(), handle)


async def test_goaway_comes_when_the_driver_has_enough_and_the_client_can_finish(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        offered = Offered(served)
        handle = await offered.handle()
        giving = asyncio.create_task(offered.give(bytes(20 << 20), step=1 << 20))
        async with aclosing(served.resources.read(handle)) as chunks:
            await anext(chunks)
        assert await offered.rest() == (b"", True)
        with anyio.fail_after(10):
            await giving
            assert await offered.call.code() is grpc.StatusCode.OK


async def test_a_driver_that_fails_while_it_writes_ends_the_stream_all_the_same(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        offered = Offered(served)
        handle = await offered.handle()
        with pytest.raises(ValueError, match="no"):
            async with served.resources.write(handle) as put:
                await put(b"some")
                raise ValueError("no")
        assert await offered.rest() == (b"some", True)


async def test_a_client_that_takes_no_more_is_an_error_for_the_driver(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        offered = Offered(served)
        handle = await offered.handle()
        with anyio.fail_after(10), pytest.raises(BenchError, match="the client went away before it had got all"):
            async with served.resources.write(handle) as put:
                await put(b"some")
                offered.call.cancel()
                while True:
                    await put(bytes(1 << 20))


async def test_a_client_that_does_not_read_holds_the_driver_and_no_memory(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        handle = await Offered(served).handle()
        written = 0
        with anyio.move_on_after(1):
            async with served.resources.write(handle) as put:
                while True:
                    await put(bytes(1 << 16))
                    written += 1 << 16
    assert written < 16 << 20
