"""Forwards of datagrams, against real sockets at both ends."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interface import ByteStream
from flowrunner.net.datagrams import forward_udp
from flowrunner.net.dial import dial_host
from flowrunner.net.forward import Connect
from tests.support.far_ends import tcp_echo, udp_echo

pytestmark = pytest.mark.anyio


def to(host: str, port: int, kind: socket.SocketKind = socket.SOCK_DGRAM) -> Connect:
    @asynccontextmanager
    async def connect() -> AsyncIterator[ByteStream]:
        stream = await dial_host(host, port, kind=kind)
        try:
            yield stream
        finally:
            stream.close()

    return connect


async def test_borders_stay_and_senders_are_kept_apart() -> None:
    async with udp_echo() as where, forward_udp(to(**where)) as forward:
        first, second = [await dial_host(forward.host, forward.port, kind=socket.SOCK_DGRAM) for _ in range(2)]
        for count in range(100):
            await first.send(b"a%d" % count)
            await second.send(b"b%d" % count * 100)
        await first.send(b"")
        assert [await first.receive() for _ in range(101)] == [*(b"a%d" % count for count in range(100)), b""]
        assert [await second.receive() for _ in range(100)] == [b"b%d" % count * 100 for count in range(100)]
        assert (forward.open, forward.accepted) == (2, 2)
        first.close()
        second.close()


async def test_a_burst_of_a_thousand_arrives_whole_and_in_order() -> None:
    async with udp_echo() as where, forward_udp(to(**where)) as forward:
        stream = await dial_host(forward.host, forward.port, kind=socket.SOCK_DGRAM)
        for start in range(0, 1000, 100):
            for number in range(start, start + 100):
                await stream.send(b"%d" % number)
            assert [await stream.receive() for _ in range(100)] == [b"%d" % n for n in range(start, start + 100)]
        stream.close()


async def test_who_is_silent_is_forgotten_and_may_come_again() -> None:
    async with udp_echo() as where, forward_udp(to(**where), idle=0.05) as forward:
        stream = await dial_host(forward.host, forward.port, kind=socket.SOCK_DGRAM)
        for count in (1, 2):
            await stream.send(b"x")
            assert await stream.receive() == b"x"
            assert forward.accepted == count
            with anyio.fail_after(2):
                while forward.open:
                    await anyio.sleep(0.005)
        stream.close()


async def test_a_far_end_that_refuses_is_told_and_the_forward_goes_on() -> None:
    told: list[FlowrunnerError] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    async with forward_udp(to("127.0.0.1", port), on_error=told.append) as forward:
        stream = await dial_host(forward.host, forward.port, kind=socket.SOCK_DGRAM)
        await stream.send(b"x")
        with anyio.fail_after(2):
            while not told:
                await anyio.sleep(0.005)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as late:
            late.bind(("127.0.0.1", port))
            await stream.send(b"y")
            late.settimeout(2)
            assert (await anyio.to_thread.run_sync(late.recv, 10)) == b"y"
        stream.close()
    assert f"the connection to '127.0.0.1:{port}' broke: Connection refused" in told[0].what


async def test_a_far_end_without_borders_is_refused() -> None:
    async with tcp_echo() as where:
        with pytest.raises(BenchError, match="only to a part that keeps their borders") as error:
            async with forward_udp(to(**where, kind=socket.SOCK_STREAM)):
                pass
        assert error.value.blame == "config"
