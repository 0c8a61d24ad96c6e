"""Connections through Jumpstarter's own exporter."""

from __future__ import annotations

import asyncio

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import end_sending
from flowrunner.interfaces.network import Network
from tests.flowrunner.remote.peer.conftest import Theirs, part, port, used

pytestmark = [pytest.mark.anyio, pytest.mark.peer]


async def _counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with how much came before the end."""
    size = len(await reader.read(-1))
    writer.write(f"{size} bytes".encode())
    await writer.drain()
    writer.close()


async def test_the_far_end_sees_our_end_and_we_see_its(theirs: Theirs) -> None:
    server = await asyncio.start_server(_counted, sock=theirs.tcp.dup())
    async with server, used(theirs.peer.unix) as lease:
        network = part(lease, "tcp", Network)
        assert await network.address() == f"tcp://127.0.0.1:{port(theirs.tcp)}"
        with anyio.fail_after(10):
            assert await network.request(bytes(3_000_000)) == b"3000000 bytes"


async def test_who_is_not_there_is_named(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease:
        for _ in range(50):  # each time, though gRPC tells of a refusal in two steps
            with pytest.raises(BenchError) as raised:
                await part(lease, "nobody", Network).check()
    assert (
        raised.value.what
        == f"'tcp://127.0.0.1:{port(theirs.nobody)}' cannot be reached: All connection attempts failed"
    )
    assert (raised.value.blame, raised.value.driver, raised.value.call) == ("infra", "dut.nobody", "connect")


class Echo(asyncio.DatagramProtocol):
    """Sends each datagram back."""

    transport: asyncio.DatagramTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(data, addr)


async def test_datagrams_keep_their_borders(theirs: Theirs) -> None:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(Echo, sock=theirs.udp.dup())
    sent = [bytes([n]) * (n + 1) for n in range(20)]
    try:
        async with used(theirs.peer.unix) as lease, part(lease, "udp", Network).connect() as stream:
            for datagram in sent:
                await stream.send(datagram)
            with anyio.fail_after(10):
                assert [await stream.receive() for _ in sent] == sent
    finally:
        transport.close()


async def test_an_echo_without_an_address_echoes(theirs: Theirs) -> None:
    async with used(theirs.peer.unix) as lease:
        echo = part(lease, "echo", Network)
        async with echo.connect() as stream:
            await stream.send(b"hello")
            assert await stream.receive() == b"hello"
            await end_sending(stream)
            with anyio.fail_after(10), pytest.raises(anyio.EndOfStream):
                await stream.receive()
        with pytest.raises(BenchError, match="cannot address"):
            await echo.address()
