"""Forwards of TCP and Unix sockets, against real sockets at both ends."""

import asyncio
import hashlib
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interface import ByteStream
from flowrunner.net.dial import dial, dial_host
from flowrunner.net.forward import Connect, Forward, forward_tcp, forward_unix
from tests.support.far_ends import tcp_echo

pytestmark = pytest.mark.anyio


def to(host: str, port: int) -> Connect:
    """Connections to a port."""

    @asynccontextmanager
    async def connect() -> AsyncIterator[ByteStream]:
        stream = await dial_host(host, port)
        try:
            yield stream
        finally:
            stream.close()

    return connect


@asynccontextmanager
async def through(forward: Forward) -> AsyncIterator[ByteStream]:
    """A connection to a forward."""
    if forward.path:
        stream = await dial(socket.AF_UNIX, str(forward.path), "the forward")
    else:
        stream = await dial_host(forward.host, forward.port)
    try:
        yield stream
    finally:
        stream.close()


async def request(forward: Forward, data: bytes) -> bytes:
    """Send `data`, close that half, and read to the end."""
    answer = bytearray()

    async def send() -> None:
        await stream.send(data)
        await stream.send_eof()  # type: ignore[attr-defined]

    async with through(forward) as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(send)
        with suppress(anyio.EndOfStream):
            while True:
                answer += await stream.receive()
    return bytes(answer)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
async def test_carries_both_ways_and_the_end_of_each_half(host: str) -> None:
    async with tcp_echo() as where, forward_tcp(to(**where), host=host) as forward:
        content = os.urandom(700_000)
        assert await request(forward, content) == content
        assert str(forward).endswith(f":{forward.port}")
        assert (forward.accepted, forward.broken) == (1, 0)


async def test_a_far_end_that_has_said_all_is_still_listened_to() -> None:
    heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        heard.set_result(await reader.read())
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with forward_tcp(to("127.0.0.1", server.sockets[0].getsockname()[1])) as forward:
        async with through(forward) as stream:
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
            await stream.send(b"and yet")
        assert await heard == b"and yet"
    server.close()


async def test_a_far_end_that_is_not_there_resets_that_connection_and_no_other() -> None:
    told: list[FlowrunnerError] = []
    async with tcp_echo() as where:
        target = [to(**where), to("127.0.0.1", 9), to(**where)]
        async with forward_tcp(lambda: target.pop(0)(), on_error=told.append) as forward, through(forward) as first:
            await first.send(b"one")
            assert await first.receive() == b"one"
            async with through(forward) as second:
                with pytest.raises(BenchError, match="Connection reset"):
                    await second.receive()
            await first.send(b"still")
            assert await first.receive() == b"still"
            assert await request(forward, b"third") == b"third"
            assert forward.broken == 1
    assert [error.what for error in told] == ["'127.0.0.1:9' cannot be reached: Connection refused"]


async def test_a_client_that_runs_away_ends_the_connection_at_the_far_end() -> None:
    gone = anyio.Event()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"hello")
        await reader.read()
        writer.close()
        gone.set()

    told: list[FlowrunnerError] = []
    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with forward_tcp(to("127.0.0.1", port), on_error=told.append) as forward:
        stream = await dial_host(forward.host, forward.port)
        assert await stream.receive() == b"hello"
        stream.reset()
        with anyio.fail_after(5):
            await gone.wait()
            while forward.open:
                await anyio.sleep(0.001)
    server.close()


async def test_leaving_ends_what_is_open_and_frees_the_port() -> None:
    async with tcp_echo() as where:
        async with forward_tcp(to(**where)) as forward:
            stream = await dial_host(forward.host, forward.port)
            await stream.send(b"x")
            assert await stream.receive() == b"x"
        with pytest.raises((anyio.EndOfStream, BenchError)):
            await stream.receive()
        stream.close()
        async with forward_tcp(to(**where), port=forward.port) as again:
            assert await request(again, b"back") == b"back"


async def test_a_port_in_use_is_told() -> None:
    async with tcp_echo() as where:
        with pytest.raises(
            BenchError, match=f"nothing can listen on '127.0.0.1:{where['port']}' here: Address alr"
        ) as e:
            async with forward_tcp(to(**where), port=where["port"]):
                pass
        assert e.value.blame == "config"
        with pytest.raises(BenchError, match=r"nothing can listen on '192\.0\.2\.1:0' here: Cannot assign"):
            async with forward_tcp(to(**where), host="192.0.2.1"):
                pass


async def test_the_error_of_who_uses_it_passes_unchanged() -> None:
    with pytest.raises(KeyError):
        async with forward_tcp(to("127.0.0.1", 9)):
            raise KeyError("mine")


async def test_a_unix_socket_is_private_and_removed() -> None:
    async with tcp_echo() as where:
        async with forward_unix(to(**where)) as forward:
            assert forward.path
            assert stat.S_IMODE(forward.path.parent.stat().st_mode) == 0o700
            assert await request(forward, b"x" * 500_000) == b"x" * 500_000
        assert not forward.path.parent.exists()


async def test_a_unix_path_that_nobody_listens_on_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    async with tcp_echo() as where:
        async with forward_unix(to(**where), path=path) as forward:
            assert await request(forward, b"alive") == b"alive"
            with pytest.raises(BenchError, match=r"nothing can listen on '.*/s' here: Address already in use"):
                async with forward_unix(to(**where), path=path):
                    pass
            assert await request(forward, b"still") == b"still"
        assert not path.exists()
        path.write_text("precious")
        with pytest.raises(BenchError, match=r"nothing can listen on '.*/s' here"):
            async with forward_unix(to(**where), path=path):
                pass
    assert path.read_text() == "precious"


async def test_two_hundred_forwards_at_once_lose_nothing() -> None:
    content = {number: os.urandom(200_000) for number in range(200)}
    digests: dict[int, str] = {}
    all_open = anyio.Event()
    waiting = set(content)

    async def work(number: int, forward: Forward) -> None:
        waiting.discard(number)
        if not waiting:
            all_open.set()
        await all_open.wait()
        digests[number] = hashlib.sha256(await request(forward, content[number])).hexdigest()

    async with tcp_echo() as where, AsyncExitStack() as stack:
        forwards = [await stack.enter_async_context(forward_tcp(to(**where))) for _ in content]
        async with anyio.create_task_group() as tasks:
            for number, forward in enumerate(forwards):
                tasks.start_soon(work, number, forward)
        assert all(forward.broken == 0 for forward in forwards)
    assert digests == {number: hashlib.sha256(data).hexdigest() for number, data in content.items()}


async def test_two_hundred_connections_through_one_forward_lose_nothing() -> None:
    async def work(number: int) -> None:
        data = number.to_bytes(4, "big") * 16_384
        answers.append(await request(forward, data) == data)

    answers: list[bool] = []
    async with tcp_echo() as where, forward_tcp(to(**where)) as forward:
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(work, number)
        assert (forward.accepted, forward.broken, forward.open) == (200, 0, 0)
    assert answers == [True] * 200


async def test_the_answer_of_a_server_that_refuses_an_upload_arrives() -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(100_000)
        writer.write(b"413 too large")
        await writer.drain()
        writer.close()

    async def upload() -> None:
        with suppress(anyio.BrokenResourceError):
            while True:
                await stream.send(bytes(65536))

    server = await asyncio.start_server(refuse, "127.0.0.1", 0)
    forward = forward_tcp(to("127.0.0.1", server.sockets[0].getsockname()[1]))
    async with forward as door, through(door) as stream, anyio.create_task_group() as tasks:
        tasks.start_soon(upload)
        assert await stream.receive() == b"413 too large"
        tasks.cancel_scope.cancel()
    server.close()


async def test_a_client_that_is_gone_ends_what_a_far_end_goes_on_to_say() -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(bytes(65536))
                await writer.drain()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    told: list[FlowrunnerError] = []
    async with forward_tcp(to("127.0.0.1", server.sockets[0].getsockname()[1]), on_error=told.append) as forward:
        async with through(forward) as stream:
            await stream.receive()
        with anyio.fail_after(5):
            while forward.open:
                await anyio.sleep(0.001)
    assert len(told) == 1
    server.close()
