"""Byte streams of an exporter, as a client sees them that speaks the protocol with protobuf's own messages."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import grpc
import grpc.aio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.remote.wire import router
from tests.support.streams import Piped, Routed, connected, echo, listening, routed

pytestmark = pytest.mark.anyio

Request = router.StreamRequest


class Rpc:
    """One rpc of RouterService, by the stubs' means."""

    def __init__(self, channel: grpc.aio.Channel, *requests: Any) -> None:
        texts = [request if isinstance(request, str) else json.dumps(request) for request in requests]
        metadata = [("request", text) for text in texts]
        self.call = channel.stream_stream(
            "/jumpstarter.v1.RouterService/Stream",
            request_serializer=Request.SerializeToString,
            response_deserializer=router.StreamResponse.FromString,
        )(metadata=metadata)

    async def send(self, payload: bytes = b"", kind: Any = 0) -> None:
        await self.call.write(Request(payload=payload, frame_type=kind))

    async def frames(self, count: int) -> list[tuple[int, bytes]]:
        found = []
        for _ in range(count):
            frame = await self.call.read()
            found.append((frame.frame_type, frame.payload))
        return found

    async def data(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            [(kind, payload)] = await self.frames(1)
            assert kind == 0
            data += payload
        return data


def device(served: Routed, method: str = "connect") -> dict[str, str]:
    return {"kind": "driver", "uuid": served.uuid, "method": method}


async def until(condition: Any) -> None:
    with anyio.fail_after(10):
        while not condition():
            await anyio.sleep(0.005)


@pytest.mark.parametrize("tcp", [False, True])
async def test_bytes_go_to_the_device_and_back(tmp_path: Path, tcp: bool) -> None:
    async with listening(echo) as port, routed(tmp_path, {"connect": lambda: connected(port)}, tcp=tcp) as served:
        rpc = Rpc(served.channel, device(served))
        await rpc.send(b"hello")
        assert await rpc.data(5) == b"hello"


async def test_the_device_is_open_when_the_initial_metadata_comes(tmp_path: Path) -> None:
    log: list[str] = []
    async with listening(echo) as port, routed(tmp_path, {"connect": lambda: connected(port, log)}) as served:
        rpc = Rpc(served.channel, device(served))
        await rpc.call.initial_metadata()
        assert log == ["open"]


@pytest.mark.parametrize("half", ["GOAWAY and half close", "GOAWAY", "half close"])
async def test_the_clients_end_reaches_the_device_and_its_answer_still_comes(tmp_path: Path, half: str) -> None:
    async with listening(echo) as port, routed(tmp_path, {"connect": lambda: connected(port)}) as served:
        rpc = Rpc(served.channel, device(served))
        await rpc.send(b"last words")
        if "GOAWAY" in half:
            await rpc.send(kind=7)
        if "half close" in half:
            await rpc.call.done_writing()
        found = []
        while (frame := await rpc.call.read()) is not grpc.aio.EOF:
            if frame.frame_type != 6:  # it may ask whether we are still there
                found.append((frame.frame_type, frame.payload))
        assert found == [(0, b"last words"), (7, b"")]
        assert await rpc.call.code() is grpc.StatusCode.OK


async def test_the_devices_end_is_a_goaway_and_leaves_the_other_direction_open(tmp_path: Path) -> None:
    got = bytearray()

    async def serve(client: anyio.abc.SocketStream) -> None:
        await client.send_eof()
        async for data in client:
            got.extend(data)

    async with listening(serve) as port, routed(tmp_path, {"connect": lambda: connected(port)}) as served:
        rpc = Rpc(served.channel, device(served))
        assert await rpc.frames(1) == [(7, b"")]
        await rpc.send(b"still heard")
        await until(lambda: got == b"still heard")
        assert not rpc.call.done()


async def test_ping_is_ignored_and_an_empty_chunk_too(tmp_path: Path) -> None:
    async with listening(echo) as port, routed(tmp_path, {"connect": lambda: connected(port)}) as served:
        rpc = Rpc(served.channel, device(served))
        await rpc.send(b"ignored", kind=6)
        await rpc.send(b"")
        await rpc.send(b"seen")
        assert await rpc.data(4) == b"seen"


@pytest.mark.parametrize(("message", "why"), [
    (Request(frame_type=router.FRAME_TYPE_RST_STREAM).SerializeToString(), "the far end broke the stream off"),
    (b"\x0a\x05x", "3 bytes that are no frame"),
])  # fmt: skip
async def test_rst_and_nonsense_end_the_stream_and_release_the_device(tmp_path: Path, message: bytes, why: str) -> None:
    log: list[str] = []
    async with listening(echo) as port, routed(tmp_path, {"connect": lambda: connected(port, log)}) as served:
        call = served.channel.stream_stream("/jumpstarter.v1.RouterService/Stream")(
            metadata=[("request", json.dumps(device(served)))]
        )
        await call.write(message)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert why in (caught.value.details() or "")
        await until(lambda: log == ["open", "closed"])


async def test_a_cancel_is_a_normal_end_that_releases_the_device(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    async with listening(echo) as port, routed(tmp_path, {"connect": lambda: connected(port, log)}) as served:
        rpc = Rpc(served.channel, device(served))
        await rpc.send(b"x")
        await rpc.data(1)
        rpc.call.cancel()
        await until(lambda: log == ["open", "closed"])
    assert not caplog.records


async def test_a_client_that_is_killed_releases_the_device(tmp_path: Path) -> None:
    log: list[str] = []
    code = (
        "import asyncio, grpc.aio, sys\n"
        "async def main():\n"
        "    channel = grpc.aio.insecure_channel(sys.argv[1])\n"
        "    call = channel.stream_stream('/jumpstarter.v1.RouterService/Stream')(metadata=[('request', sys.argv[2])])\n"
        "    await call.initial_metadata()\n"
        "    print('open', flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    async with listening(echo) as port, routed(tmp_path, {"connect": lambda: connected(port, log)}) as served:
        request = json.dumps(device(served))
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, f"unix://{tmp_path}/s", request, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout and await process.stdout.readline() == b"open\n"
        os.kill(process.pid, signal.SIGKILL)
        await until(lambda: log == ["open", "closed"])
        await process.wait()


async def test_what_came_before_the_client_left_reaches_a_slow_device(tmp_path: Path) -> None:
    got = bytearray()

    class Slow:
        async def receive(self) -> bytes:
            await anyio.sleep_forever()
            raise AssertionError

        async def send(self, data: bytes, /) -> None:
            await anyio.sleep(0.2)
            got.extend(data)

    @asynccontextmanager
    async def opening() -> AsyncIterator[ByteStream]:
        yield Slow()
        got.extend(b"|closed")

    async with routed(tmp_path, {"connect": opening}) as served:
        rpc = Rpc(served.channel, device(served))
        await rpc.send(b"a")
        await until(lambda: True)
        await anyio.sleep(0.05)  # the first is at the device now
        await rpc.send(b"b")
        await anyio.sleep(0.05)
        rpc.call.cancel()
        await until(lambda: got == b"ab")


async def test_a_device_that_does_not_close_behind_its_client_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    @asynccontextmanager
    async def opening() -> AsyncIterator[ByteStream]:
        async with connected(port) as inner:
            try:
                yield inner
            finally:
                raise BenchError("the port did not close")

    async with listening(echo) as port, routed(tmp_path, {"connect": opening}) as served:
        rpc = Rpc(served.channel, device(served))
        await rpc.send(b"x")
        await rpc.data(1)
        rpc.call.cancel()
        await until(lambda: caplog.records)
    assert [record.getMessage() for record in caplog.records] == ["a byte stream failed: the port did not close"]


async def refused(channel: grpc.aio.Channel, *requests: Any) -> tuple[grpc.StatusCode, str]:
    rpc = Rpc(channel, *requests)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await rpc.call.read()
    assert not await rpc.call.initial_metadata()
    return caught.value.code(), caught.value.details() or ""


async def test_a_device_that_cannot_be_opened_is_an_error_with_the_reason(tmp_path: Path) -> None:
    @asynccontextmanager
    async def opening() -> AsyncIterator[ByteStream]:
        raise BenchError("'/dev/ttyUSB9' is not there")
        yield

    async with routed(tmp_path, {"connect": opening}) as served:
        assert await refused(served.channel, device(served)) == (
            grpc.StatusCode.UNKNOWN,
            "'/dev/ttyUSB9' is not there",
        )


async def test_a_driver_that_breaks_while_opening_tells_its_class_and_no_secret(tmp_path: Path) -> None:
    @asynccontextmanager
    async def opening() -> AsyncIterator[ByteStream]:
        raise LookupError("hunter2")
        yield

    async with routed(tmp_path, {"connect": opening}) as served:
        code, details = await refused(served.channel, device(served))
    assert (code, details) == (grpc.StatusCode.UNKNOWN, "the exporter failed with LookupError")


@pytest.mark.parametrize(("method", "why"), [
    ("nope", "method nope not found on driver"),
    ("on", "method on missing marker marker_streamcall"),
    ("read", "method read missing marker marker_streamcall"),
])  # fmt: skip
async def test_a_method_that_opens_no_stream_is_not_found(tmp_path: Path, method: str, why: str) -> None:
    async with routed(tmp_path) as served:
        assert await refused(served.channel, device(served, method)) == (grpc.StatusCode.NOT_FOUND, why)


NONE = object()
UUID = "8a6e0804-2bd0-4672-b79d-d97027f9071a"


@pytest.mark.parametrize(("request_", "why"), [
    (NONE, "needs the metadata 'request' once, not 0 times"),
    ("", "makes no sense"),
    ("[]", "makes no sense"),
    ("{", "makes no sense"),
    ({"kind": "driver", "uuid": UUID, "method": "connect"}, f"there is no driver '{UUID}'"),
    ({"kind": "resource", "uuid": UUID}, f"there is no driver '{UUID}'"),
    ({"kind": "other", "uuid": UUID, "method": "connect"}, "makes no sense"),
    ({"kind": "driver", "uuid": "1234", "method": "connect"}, "at 'driver.uuid'"),
    ({"kind": "driver", "uuid": UUID}, "at 'driver.method': Field required"),
    ({"kind": "driver", "uuid": UUID, "method": 5}, "at 'driver.method'"),
    ({"kind": "resource", "uuid": UUID, "x_jmp_content_encoding": 7}, "at 'resource.x_jmp_content_encoding'"),
])  # fmt: skip
async def test_a_request_that_makes_no_sense_is_refused(tmp_path: Path, request_: Any, why: str) -> None:
    async with routed(tmp_path) as served:
        code, details = await refused(served.channel, *([] if request_ is NONE else [request_]))
    assert code is grpc.StatusCode.UNKNOWN
    assert why in details


async def test_a_request_that_comes_twice_is_refused(tmp_path: Path) -> None:
    async with routed(tmp_path) as served:
        code, details = await refused(served.channel, device(served), device(served))
    assert (code, "not 2 times" in details) == (grpc.StatusCode.UNKNOWN, True)


async def test_a_uuid_may_be_written_in_upper_case(tmp_path: Path) -> None:
    async with listening(echo) as port, routed(tmp_path, {"connect": lambda: connected(port)}) as served:
        rpc = Rpc(served.channel, device(served) | {"uuid": served.uuid.upper()})
        await rpc.send(b"hi")
        assert await rpc.data(2) == b"hi"


async def test_a_device_that_breaks_is_an_error_behind_what_it_had_sent(tmp_path: Path) -> None:
    class Breaking(Piped):
        def __init__(self) -> None:
            self.left = [b"one", b"two"]

        async def receive(self) -> bytes:
            if not self.left:
                raise BenchError("the adapter was pulled out")
            return self.left.pop(0)

        async def send(self, data: bytes, /) -> None: ...

    @asynccontextmanager
    async def opening() -> AsyncIterator[ByteStream]:
        yield Breaking()

    async with routed(tmp_path, {"connect": opening}) as served:
        rpc = Rpc(served.channel, device(served))
        assert await rpc.data(6) == b"onetwo"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rpc.call.read()
        assert caught.value.details() == "the adapter was pulled out"


async def test_a_device_that_takes_no_more_does_not_hold_its_client(tmp_path: Path) -> None:
    async def serve(client: anyio.abc.SocketStream) -> None:
        await client.aclose()

    async with listening(serve) as port, routed(tmp_path, {"connect": lambda: connected(port)}) as served:
        rpc = Rpc(served.channel, device(served))
        assert await rpc.frames(1) == [(7, b"")]
        with anyio.fail_after(20):
            for _ in range(100):
                await rpc.send(bytes(1 << 20))
            await rpc.send(kind=7)
            assert await rpc.call.read() is grpc.aio.EOF


def through(served: list[Routed]) -> AbstractAsyncContextManager[ByteStream]:
    """A stream that the station's guard lets through or not."""

    @asynccontextmanager
    async def opening() -> AsyncIterator[ByteStream]:
        client: Any = served[0].station.open_device.at("power").client
        await client.off()

        class Quiet:
            async def receive(self) -> bytes:
                await anyio.sleep_forever()
                raise AssertionError

            async def send(self, data: bytes, /) -> None: ...

        yield Quiet()

    return opening()


async def nobody(owner: str, position: int) -> None: ...


async def test_streams_are_refused_while_somebody_has_the_exporter_alone(tmp_path: Path) -> None:
    found: list[Routed] = []
    async with routed(tmp_path, {"connect": lambda: through(found)}) as served:
        found.append(served)
        async with served.station.taken("ann", waiting=nobody):
            code, details = await refused(served.channel, device(served))
            assert code is grpc.StatusCode.FAILED_PRECONDITION
            assert details.startswith("the exporter is in use by ann")
        rpc = Rpc(served.channel, device(served))
        await rpc.call.initial_metadata()
        assert not rpc.call.done()


async def test_streams_end_when_somebody_takes_the_exporter(tmp_path: Path) -> None:
    found: list[Routed] = []
    async with routed(tmp_path, {"connect": lambda: through(found)}) as served:
        found.append(served)
        rpc = Rpc(served.channel, device(served))
        await rpc.call.initial_metadata()
        async with served.station.taken("ann", waiting=nobody):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rpc.call.read()
        assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        assert (caught.value.details() or "").startswith("the exporter is in use by ann")


async def test_a_shared_lease_lets_streams_work_until_the_drivers_are_closed_behind_it(tmp_path: Path) -> None:
    found: list[Routed] = []
    async with routed(tmp_path, {"connect": lambda: through(found)}) as served:
        found.append(served)
        async with served.station.taken("ann", shared=True, waiting=nobody):
            rpc = Rpc(served.channel, device(served))
            await rpc.call.initial_metadata()
            assert not rpc.call.done()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await rpc.call.read()
        assert caught.value.details() == "the exporter has closed its drivers behind a lease"
