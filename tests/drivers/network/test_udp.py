"""UDP against real sockets: borders stay, nothing is lost in a burst, a closed port is told."""

import socket

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct, has_borders
from flowrunner.interfaces.network import Network
from flowrunner_drivers.network.udp import UdpNetwork
from tests.support.far_ends import udp_echo

pytestmark = pytest.mark.anyio


def network(host: str, port: int) -> Network:
    driver = UdpNetwork.make({"host": host, "port": port})
    assert isinstance(driver, Network)
    return Network.client(Direct(driver))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_one_send_is_one_datagram_and_back(host: str) -> None:
    async with udp_echo(host) as where, network(host, where["port"]).connect() as stream:
        assert has_borders(stream)
        for datagram in (b"a", b"", b"b" * 1472, b"c" * 65507):
            await stream.send(datagram)
        assert [await stream.receive() for _ in range(4)] == [b"a", b"", b"b" * 1472, b"c" * 65507]
        shown = f"[{host}]" if ":" in host else host
        assert await network(host, where["port"]).address() == f"udp://{shown}:{where['port']}"


async def test_a_burst_waits_until_it_is_read() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as far:
        far.bind(("127.0.0.1", 0))
        async with network("127.0.0.1", far.getsockname()[1]).connect() as stream:
            await stream.send(b"hello")
            _, address = far.recvfrom(100)
            for number in range(150):
                far.sendto(b"%d" % number, address)
            assert [await stream.receive() for _ in range(150)] == [b"%d" % number for number in range(150)]


async def test_nothing_of_a_stranger_comes_in() -> None:
    async with udp_echo() as where, network("127.0.0.1", where["port"]).connect() as stream:
        await stream.send(b"hello")
        assert await stream.receive() == b"hello"
        own = stream._socket.getsockname()  # type: ignore[attr-defined]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"forged", own)
        await stream.send(b"again")
        assert await stream.receive() == b"again"


async def test_a_datagram_that_is_too_long_is_told_and_harms_nothing() -> None:
    async with udp_echo() as where, network("127.0.0.1", where["port"]).connect() as stream:
        with pytest.raises(BenchError, match=r"a datagram to '127\.0\.0\.1:.*' was too long"):
            await stream.send(bytes(65508))
        await stream.send(b"fits")
        assert await stream.receive() == b"fits"


async def test_a_port_where_nobody_listens_is_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    async with network("127.0.0.1", port).connect() as stream:
        await stream.send(b"x")
        with (
            anyio.fail_after(2),
            pytest.raises(BenchError, match=f"the connection to '127.0.0.1:{port}' broke: Connection refused"),
        ):
            await stream.receive()
