"""WebSocket against a real server: binary and text, large messages, refusals, an abrupt end."""

import asyncio
import os
import socket

import anyio
import pytest
from websockets.asyncio.server import ServerConnection, serve

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.network import Network
from flowrunner_drivers.network.websocket import WebsocketNetwork
from tests.support.far_ends import tcp_echo, websocket_echo

pytestmark = pytest.mark.anyio


def network(url: str, **config: object) -> Network:
    driver = WebsocketNetwork.make({"url": url, **config})
    assert isinstance(driver, Network)
    return Network.client(Direct(driver))


async def test_carries_large_messages() -> None:
    content = os.urandom(16 << 20)
    async with websocket_echo() as where, network(where["url"]).connect() as stream:
        await stream.send(content)
        assert await stream.receive() == content
        assert await network(where["url"]).address() == where["url"]


async def test_takes_text_and_sends_bytes_and_sees_the_end() -> None:
    heard: list[str | bytes] = []

    async def talk(connection: ServerConnection) -> None:
        await connection.send("grüße")
        heard.append(await connection.recv())

    async with serve(talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with network(f"ws://127.0.0.1:{port}/x").connect() as stream:
            assert await stream.receive() == "grüße".encode()
            await stream.send(b"\x00\xff")
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()
    assert heard == [b"\x00\xff"]


async def test_an_abrupt_end_is_told() -> None:
    async def cut(connection: ServerConnection) -> None:
        connection.transport.abort()

    async with serve(cut, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        async with network(f"ws://127.0.0.1:{port}").connect() as stream:
            with pytest.raises(BenchError, match=f"the connection to 'ws://127.0.0.1:{port}' broke: no close frame"):
                await stream.receive()
            with pytest.raises(anyio.BrokenResourceError):
                await stream.send(b"x")


async def test_refusals_say_why() -> None:
    async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        writer.close()

    web = await asyncio.start_server(page, "127.0.0.1", 0)
    with pytest.raises(BenchError, match="refused the connection with status 404"):
        await network(f"ws://127.0.0.1:{web.sockets[0].getsockname()[1]}/x").check()
    web.close()
    async with tcp_echo() as where:
        with pytest.raises(BenchError, match="does not speak WebSocket"):
            await network(f"ws://127.0.0.1:{where['port']}").check()
    with pytest.raises(BenchError, match=r"'ws://127\.0\.0\.1:9' cannot be reached: .*refused") as error:
        await network("ws://127.0.0.1:9").check()
    assert error.value.blame == "infra"


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    given_up = pytest.raises(BenchError, match="did not answer within 100ms")
    with socket.create_server(("127.0.0.1", 0)) as silent, given_up:
        await network(f"ws://127.0.0.1:{silent.getsockname()[1]}", timeout=0.1).check()


@pytest.mark.parametrize("url", ["http://x/", "ws://", "wss:///path"])
def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="pattern"):
        WebsocketNetwork.make({"url": url})
