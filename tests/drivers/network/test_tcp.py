"""TCP against real sockets: half close, reset, refusal, names, both families, many at once."""

import asyncio
import socket
import struct
import threading

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import Direct, end_sending
from flowrunner.interfaces.network import Network
from flowrunner_drivers.network.tcp import TcpNetwork
from tests.support.far_ends import tcp_echo

pytestmark = pytest.mark.anyio


def network(host: str, port: int, **config: object) -> Network:
    driver = TcpNetwork.make({"host": host, "port": port, **config})
    assert isinstance(driver, Network)
    return Network.client(Direct(driver))


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_reaches_both_families_and_tells_the_address(host: str) -> None:
    async with tcp_echo(host) as where:
        port = where["port"]
        assert await network(host, port).request(b"x" * 300_000) == b"x" * 300_000
        shown = f"[{host}]" if ":" in host else host
        assert await network(host, port).address() == f"tcp://{shown}:{port}"


async def test_takes_whichever_address_of_a_name_answers() -> None:
    async with tcp_echo("127.0.0.1") as where:
        assert await network("localhost", where["port"]).request(b"hello") == b"hello"
        assert await network("localhost", where["port"]).address() in (
            f"tcp://127.0.0.1:{where['port']}", f"tcp://[::1]:{where['port']}",
        )  # fmt: skip


async def test_an_address_that_is_not_to_be_told_is_not_told() -> None:
    with pytest.raises(BenchError, match="the address of this tcp port is not told") as error:
        await network("127.0.0.1", 22, enable_address=False).address()
    assert error.value.blame == "config"


async def test_a_half_that_is_closed_is_seen_by_the_far_end() -> None:
    heard: list[bytes] = []

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.write(b"%d bytes" % len(heard[0]))
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    async with network("127.0.0.1", server.sockets[0].getsockname()[1]).connect() as stream:
        await stream.send(b"some ")
        await stream.send(b"words")
        await end_sending(stream)
        assert await stream.receive() == b"10 bytes"
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
    server.close()


async def test_a_far_end_that_closes_its_half_can_still_be_sent_to() -> None:
    heard = asyncio.get_running_loop().create_future()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write_eof()
        heard.set_result(await reader.read())
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with network("127.0.0.1", server.sockets[0].getsockname()[1]).connect() as stream:
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        await stream.send(b"late")
    assert await heard == b"late"
    server.close()


async def test_a_reset_names_the_far_end_and_why() -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with network("127.0.0.1", port).connect() as stream:
        await stream.send(b"x")
        with pytest.raises(BenchError, match=f"the connection to '127.0.0.1:{port}' broke: Connection reset by peer"):
            await stream.receive()
        with pytest.raises(anyio.BrokenResourceError):
            await stream.send(b"x")
    server.close()


async def test_a_refusal_names_the_port_and_is_the_fault_of_the_lab() -> None:
    port = free_port()
    with pytest.raises(BenchError, match=f"'127.0.0.1:{port}' cannot be reached: Connection refused") as error:
        await network("127.0.0.1", port).check()
    assert error.value.blame == "infra"


async def test_a_host_that_is_not_known_is_told() -> None:
    with pytest.raises(BenchError, match=r"the host 'no-such-host\.invalid' was not found: "):
        await network("no-such-host.invalid", 22).check()


async def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        silent = pytest.raises(BenchError, match=f"'127.0.0.1:{port}' did not answer within 100ms")
        with socket.create_connection(("127.0.0.1", port)), silent:
            for _ in range(8):
                await network("127.0.0.1", port, timeout=0.1).check()


async def test_waits_for_a_server_that_comes_later() -> None:
    port = free_port()

    async def later() -> None:
        await anyio.sleep(0.1)
        servers.append(await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", port))

    servers: list[asyncio.Server] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(later)
        await network("127.0.0.1", port).wait(timeout=5)
    servers[0].close()
    with pytest.raises(BenchError, match=r"nobody answered within 300ms: .* cannot be reached: Connection refused"):
        await network("127.0.0.1", free_port()).wait(timeout=0.3)


async def test_what_is_not_read_makes_the_sender_wait_and_others_go_on() -> None:
    async with tcp_echo() as where:
        target = network("127.0.0.1", where["port"])
        async with target.connect() as stuffed:
            with anyio.move_on_after(0.3) as limit:
                while True:
                    await stuffed.send(bytes(1 << 20))
            assert limit.cancelled_caught
            assert await target.request(b"still alive") == b"still alive"


async def test_a_stream_that_is_always_ready_can_be_cancelled_and_lets_others_work() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sink = threading.Thread(target=_swallow, args=(listener,))
        sink.start()
        ticks = 0
        async with network("127.0.0.1", listener.getsockname()[1]).connect() as stream:
            with anyio.move_on_after(0.3) as limit:
                async with anyio.create_task_group() as tasks:

                    async def tick() -> None:
                        nonlocal ticks
                        while True:
                            await anyio.sleep(0.001)
                            ticks += 1

                    tasks.start_soon(tick)
                    while True:
                        await stream.send(b"x")
        sink.join()
    assert limit.cancelled_caught
    assert ticks > 10


def _swallow(listener: socket.socket) -> None:
    with listener.accept()[0] as connection:
        while connection.recv(1 << 20):
            pass


async def test_a_thousand_streams_at_once_each_get_their_own() -> None:
    async with tcp_echo() as where:
        target = network("127.0.0.1", where["port"])
        answers: dict[int, bytes] = {}
        opened = anyio.Event()

        async def talk(number: int) -> None:
            async with target.connect() as stream:
                await stream.send(b"%d" % number)
                answers[number] = await stream.receive()
                if len(answers) == 1000:
                    opened.set()
                await opened.wait()

        async with anyio.create_task_group() as tasks:
            for number in range(1000):
                tasks.start_soon(talk, number)
        assert answers == {number: b"%d" % number for number in range(1000)}


@pytest.mark.parametrize("config", [{"host": "", "port": 1}, {"host": "a", "port": 0}, {"host": "a", "port": 65536}])
def test_a_port_that_cannot_be_is_refused(config: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        TcpNetwork.make(config)
