"""Byte streams and resources as our client has them, against exporters of ours over true sockets."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import anyio.to_thread
import grpc
import grpc.aio
import psutil
import pytest
from anyio.abc import SocketStream
from hypothesis import given, settings
from hypothesis import strategies as st

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.remote.client.streams import stream
from flowrunner.remote.frames import FRAME, GOAWAY, METHOD, PING, RST_STREAM, data_frame, read_frame
from tests.support.streams import connected, echo, echoing, listening, routed

pytestmark = pytest.mark.anyio

Behaviour = Callable[["grpc.aio.ServicerContext[bytes, bytes]"], Awaitable[None]]


class Bare(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """A RouterService that does what a test says, frame by frame."""

    def __init__(self, behave: Behaviour) -> None:
        self._behave = behave

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        assert handler_call_details.method == METHOD

        async def serve(requests: object, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
            await self._behave(context)

        return grpc.stream_stream_rpc_method_handler(serve)


@asynccontextmanager
async def bare(folder: Path, behave: Behaviour) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((Bare(behave),))
    server.add_insecure_port(f"unix://{folder}/bare")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"unix://{folder}/bare") as channel:
            yield channel
    finally:
        await server.stop(0)


async def exactly(source: ByteStream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += await source.receive()
    return data


async def to_end(source: ByteStream) -> bytes:
    data = bytearray()
    try:
        while True:
            data += await source.receive()
    except anyio.EndOfStream:
        return bytes(data)


SIZES = st.lists(st.one_of(st.integers(0, 20), st.integers(1, 3 * FRAME)), max_size=8)


def filled(sizes: list[int]) -> list[bytes]:
    """Chunks of such sizes, with content."""
    return [random.Random(number).randbytes(size) for number, size in enumerate(sizes)]


def for_all(**strategies: Any) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], Awaitable[None]]:
    """Try an async function with many arguments, on the loop of the test."""

    def tried(function: Callable[..., Coroutine[Any, Any, None]]) -> Awaitable[None]:
        @settings(deadline=None, max_examples=25)
        @given(**strategies)
        def once(**arguments: Any) -> None:
            anyio.from_thread.run(partial(function, **arguments))

        return anyio.to_thread.run_sync(once)

    return tried


@pytest.mark.parametrize("tcp", [False, True])
async def test_bytes_come_back_as_they_went_in_any_pieces(tmp_path: Path, tcp: bool) -> None:
    async def once(sizes: list[int]) -> None:
        chunks = filled(sizes)
        async with stream(served.channel, served.uuid) as opened, anyio.create_task_group() as tasks:

            async def give() -> None:
                for chunk in chunks:
                    await opened.send(chunk)
                await opened.send_eof()

            tasks.start_soon(give)
            assert await to_end(opened) == b"".join(chunks)

    async with listening(echo) as port, routed(tmp_path, {"connect": lambda: connected(port)}, tcp=tcp) as served:
        await for_all(sizes=SIZES)(once)


async def test_both_directions_end_on_their_own(tmp_path: Path) -> None:
    async def serve(client: SocketStream) -> None:
        for chunk in downs[-1]:
            await client.send(chunk)
        await client.send_eof()
        got.append(b"".join([data async for data in client]))

    async def once(up: list[int], down: list[int]) -> None:
        downs.append(filled(down))
        async with stream(served.channel, served.uuid) as opened:
            assert await to_end(opened) == b"".join(downs[-1])
            for chunk in filled(up):
                await opened.send(chunk)
            await opened.send_eof()
        with anyio.fail_after(10):
            while len(got) < len(downs):
                await anyio.sleep(0.002)
        assert got[-1] == b"".join(filled(up))

    got: list[bytes] = []
    downs: list[list[bytes]] = []
    async with listening(serve) as port, routed(tmp_path, {"connect": lambda: connected(port)}) as served:
        await for_all(up=SIZES, down=SIZES)(once)


async def test_what_was_sent_before_leaving_reaches_the_device(tmp_path: Path) -> None:
    got: list[int] = []

    async def serve(client: SocketStream) -> None:
        got.append(sum([len(data) async for data in client]))

    async with listening(serve) as port, routed(tmp_path, {"connect": lambda: connected(port)}) as served:
        for size in (1, 10, 1 << 20, 5 << 20):
            async with stream(served.channel, served.uuid) as opened:
                await opened.send(bytes(size))
        with anyio.fail_after(10):
            while len(got) < 4:
                await anyio.sleep(0.002)
    assert got == [1, 10, 1 << 20, 5 << 20]


async def test_who_stops_waiting_for_data_loses_none(tmp_path: Path) -> None:
    async with echoing(tmp_path) as served, stream(served.channel, served.uuid) as opened:
        for number in range(30):
            with anyio.move_on_after(0.001 * (number % 3)):
                await opened.receive()
                raise AssertionError("nothing was sent")
        await opened.send(b"still there")
        assert await exactly(opened, 11) == b"still there"


async def test_a_device_that_cannot_be_opened_is_told_at_opening(tmp_path: Path) -> None:
    @asynccontextmanager
    async def opening() -> AsyncIterator[ByteStream]:
        raise BenchError("'/dev/ttyUSB9' is not there")
        yield

    async with routed(tmp_path, {"connect": opening}) as served:
        for _ in range(50):
            with pytest.raises(BenchError, match="'/dev/ttyUSB9' is not there"):
                async with stream(served.channel, served.uuid):
                    raise AssertionError("it is not open")


@pytest.mark.parametrize(("code", "details", "what", "blame"), [
    (grpc.StatusCode.UNKNOWN, "Unexpected <class 'OSError'>: All connection attempts failed", "All connection", "device"),
    (grpc.StatusCode.NOT_FOUND, "method x not found on driver", "method x not found on driver", "config"),
    (grpc.StatusCode.FAILED_PRECONDITION, "the exporter is in use by ann", "in use by ann", "infra"),
    (grpc.StatusCode.UNAUTHENTICATED, "invalid or missing passphrase", "missing passphrase", "config"),
    (grpc.StatusCode.INTERNAL, "", "the exporter answered INTERNAL to a stream", "device"),
    (grpc.StatusCode.UNAVAILABLE, "shutting down", "the connection to the exporter was lost: shutting down", "infra"),
])  # fmt: skip
async def test_a_refusal_is_told_in_its_own_words(
    tmp_path: Path, code: Any, details: str, what: str, blame: str
) -> None:
    async def behave(context: Any) -> None:
        await context.abort(code, details)

    async with bare(tmp_path, behave) as channel:
        with pytest.raises(BenchError, match=what) as caught:
            async with stream(channel, "u"):
                raise AssertionError("it is not open")
    assert caught.value.blame == blame


async def test_nobody_there_is_an_error(tmp_path: Path) -> None:
    async with grpc.aio.insecure_channel(f"unix://{tmp_path}/nobody") as channel:
        with pytest.raises(BenchError, match="the connection to the exporter was lost") as caught:
            async with stream(channel, "u"):
                raise AssertionError("it is not open")
    assert caught.value.blame == "infra"


def says(*frames: bytes, code: grpc.StatusCode = grpc.StatusCode.OK) -> Behaviour:
    """A server that says so much, then ends with a status."""

    async def behave(context: Any) -> None:
        await context.send_initial_metadata(())
        for frame in frames:
            await context.write(frame)
        if code is not grpc.StatusCode.OK:
            await context.abort(code, "RouterStream: aclose")

    return behave


async def test_goaway_is_an_end_whatever_status_follows(tmp_path: Path) -> None:
    for code in (grpc.StatusCode.OK, grpc.StatusCode.ABORTED, grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE):
        folder = tmp_path / code.name
        folder.mkdir()
        async with (
            bare(folder, says(data_frame([b"all"], 3), GOAWAY, code=code)) as channel,
            stream(channel, "u") as opened,
        ):
            assert await to_end(opened) == b"all"
            with pytest.raises(anyio.EndOfStream):
                await opened.receive()


async def test_an_ok_without_goaway_is_an_end_too(tmp_path: Path) -> None:
    async with bare(tmp_path, says(data_frame([b"all"], 3))) as channel, stream(channel, "u") as opened:
        assert await to_end(opened) == b"all"


async def test_a_status_without_goaway_is_an_error_behind_what_came(tmp_path: Path) -> None:
    behave = says(data_frame([b"some"], 4), code=grpc.StatusCode.ABORTED)
    async with bare(tmp_path, behave) as channel, stream(channel, "u") as opened:
        assert await opened.receive() == b"some"
        with pytest.raises(BenchError, match="the connection to the exporter was lost: RouterStream: aclose"):
            await opened.receive()
        with pytest.raises(anyio.BrokenResourceError):
            await opened.send(b"x")


@pytest.mark.parametrize(
    ("frame", "why"), [(RST_STREAM, "the far end broke the stream off"), (b"\x0a\x05x", "no frame")]
)
async def test_rst_and_nonsense_are_errors(tmp_path: Path, frame: bytes, why: str) -> None:
    async with bare(tmp_path, says(frame, GOAWAY)) as channel, stream(channel, "u") as opened:
        with pytest.raises(BenchError, match=why):
            await opened.receive()


async def test_ping_unknown_frames_and_empty_ones_are_ignored(tmp_path: Path) -> None:
    frames = (PING, b"\x0a\x01x\x10\x06", b"\x10\x63", b"", data_frame([b"seen"], 4), GOAWAY)
    async with bare(tmp_path, says(*frames)) as channel, stream(channel, "u") as opened:
        assert await to_end(opened) == b"seen"


async def test_a_channel_that_is_closed_ends_its_streams(tmp_path: Path) -> None:
    async with echoing(tmp_path) as served, stream(served.channel, served.uuid) as opened:
        await opened.send(b"x")
        assert await opened.receive() == b"x"
        await served.channel.close()
        with anyio.fail_after(5), pytest.raises(BenchError, match="the connection to the exporter was lost"):
            await opened.receive()


class Frames:
    """A server that keeps the frames it gets; it takes one when told to."""

    def __init__(self, *, hold: bool = False) -> None:
        self.got: list[tuple[int, bytes]] = []
        self.go = anyio.Event()
        if not hold:
            self.go.set()

    async def __call__(self, context: Any) -> None:
        await context.send_initial_metadata(())
        await self.go.wait()
        while isinstance(message := await context.read(), bytes):
            self.got.append(read_frame(message))
            if message == GOAWAY:
                await context.write(GOAWAY)

    @property
    def sizes(self) -> list[int]:
        return [len(payload) for kind, payload in self.got if kind == 0]


async def test_many_small_writes_become_few_large_frames(tmp_path: Path) -> None:
    server = Frames()
    async with bare(tmp_path, server) as channel, stream(channel, "u") as opened:
        for _ in range(2000):
            await opened.send(bytes(4096))
    assert sum(server.sizes) == 2000 * 4096
    assert len(server.sizes) < 200
    assert max(server.sizes) <= FRAME


async def test_a_lone_byte_goes_at_once(tmp_path: Path) -> None:
    async with echoing(tmp_path) as served, stream(served.channel, served.uuid) as opened:
        times = []
        for _ in range(50):
            start = anyio.current_time()
            await opened.send(b"x")
            await opened.receive()
            times.append(anyio.current_time() - start)
    assert sorted(times)[25] < 0.02


async def test_large_writes_are_split_into_frames(tmp_path: Path) -> None:
    server = Frames()
    content = random.Random(1).randbytes(10 << 20)
    async with bare(tmp_path, server) as channel, stream(channel, "u") as opened:
        await opened.send(content)
        await opened.send_eof()
        assert await to_end(opened) == b""
    assert b"".join(payload for _, payload in server.got) == content
    assert max(server.sizes) == FRAME


async def test_datagrams_keep_their_borders_both_ways(tmp_path: Path) -> None:
    grams = [b"one", b"", b"two", bytes(FRAME), *(b"%d" % number for number in range(1000))]

    class Looped:
        datagrams = True

        def __init__(self) -> None:
            self.kept: deque[bytes] = deque()
            self.more = anyio.Event()

        async def receive(self) -> bytes:
            while not self.kept:
                self.more = anyio.Event()
                await self.more.wait()
            return self.kept.popleft()

        async def send(self, data: bytes, /) -> None:
            self.kept.append(data)
            self.more.set()

    @asynccontextmanager
    async def opening() -> AsyncIterator[ByteStream]:
        yield Looped()

    async with (
        routed(tmp_path, {"connect": opening}) as served,
        stream(served.channel, served.uuid, datagrams=True) as opened,
        anyio.create_task_group() as tasks,
    ):

        async def give() -> None:
            for gram in grams:
                await opened.send(gram)

        tasks.start_soon(give)
        assert [await opened.receive() for _ in grams] == grams


async def test_a_datagram_that_is_too_large_is_refused(tmp_path: Path) -> None:
    async with bare(tmp_path, Frames()) as channel, stream(channel, "u", datagrams=True) as opened:
        with pytest.raises(BenchError, match=f"a datagram of {FRAME + 1} bytes is larger than {FRAME}"):
            await opened.send(bytes(FRAME + 1))


async def test_a_reader_that_stalls_stalls_the_writer_in_bounded_memory(tmp_path: Path) -> None:
    server = Frames(hold=True)
    memory = psutil.Process().memory_info
    async with bare(tmp_path, server) as channel, stream(channel, "u") as opened:
        before, sent = memory().rss, 0
        with anyio.move_on_after(1):
            while True:
                await opened.send(bytes(1 << 16))
                sent += 1 << 16
        assert sent < 16 << 20
        assert memory().rss - before < 64 << 20
        server.go.set()
        await opened.send_eof()
        assert await to_end(opened) == b""
    assert sum(server.sizes) == sent


async def test_a_client_that_does_not_read_stalls_the_device_in_bounded_memory(tmp_path: Path) -> None:
    sent = 0

    async def serve(client: SocketStream) -> None:
        nonlocal sent
        while True:
            await client.send(bytes(1 << 16))
            sent += 1 << 16

    async with (
        listening(serve) as port,
        routed(tmp_path, {"connect": lambda: connected(port)}) as served,
        stream(served.channel, served.uuid) as opened,
    ):
        await anyio.sleep(1)
        stalled = sent
        assert stalled < 32 << 20
        await exactly(opened, 8 << 20)
        await anyio.sleep(0.1)
        assert sent > stalled


async def test_a_second_end_changes_nothing_and_nothing_is_sent_behind_it(tmp_path: Path) -> None:
    server = Frames()
    async with bare(tmp_path, server) as channel, stream(channel, "u") as opened:
        await opened.send(b"x")
        await opened.send_eof()
        await opened.send_eof()
        with pytest.raises(anyio.ClosedResourceError):
            await opened.send(b"y")
        assert await to_end(opened) == b""
    assert server.got == [(0, b"x"), (7, b"")]


async def test_what_a_block_raises_comes_out_as_it_is(tmp_path: Path) -> None:
    async with listening(echo) as port, routed(tmp_path, {"connect": lambda: connected(port)}) as served:
        with pytest.raises(ZeroDivisionError):
            async with stream(served.channel, served.uuid):
                raise ZeroDivisionError
