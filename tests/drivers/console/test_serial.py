import os
import socket
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
import serial

from flowrunner.console.reader import ConsoleReader
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Direct
from flowrunner.interfaces.console import Console
from flowrunner_drivers.console.serial import SerialConsole
from tests.support.consoles import reading
from tests.support.ports import Far, echo

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def console(url: object, **config: object) -> AsyncIterator[Console]:
    driver = SerialConsole.make({"url": str(url), **config})
    async with driver.opened():
        assert isinstance(driver, Console)
        yield Console.client(Direct(driver))


async def read(stream: ByteStream, count: int) -> bytes:
    data = b""
    with anyio.fail_after(10):
        while len(data) < count:
            data += await stream.receive()
    return data


@pytest.fixture
def far() -> Iterator[Far]:
    end = Far()
    yield end
    end.unplug()


async def test_carries_bytes_both_ways_over_a_device(far: Far) -> None:
    data = bytes(range(256)) * 4096
    async with console(far.path) as port, port.connect() as stream:
        far.write(data)
        assert await read(stream, len(data)) == data
        await stream.send(data[:4096])
        assert await anyio.to_thread.run_sync(far.read, 4096) == data[:4096]


async def test_loses_nothing_that_came_before_it_was_opened(far: Far) -> None:
    async with console(far.path, check_present=False) as port:
        os.write(far.handle, b"U-Boot 2026.04\r\n")
        async with port.connect() as stream:
            assert await read(stream, 16) == b"U-Boot 2026.04\r\n"


async def test_reads_much_at_once(far: Far) -> None:
    async with console(far.path) as port, port.connect() as stream:
        os.write(far.handle, b"x" * 3000)
        assert len(await stream.receive()) > 1000


async def test_nobody_else_can_open_it(far: Far) -> None:
    async with console(far.path) as first, first.connect():
        with pytest.raises(serial.SerialException, match="exclusively lock"):
            serial.Serial(str(far.path), exclusive=True)
        async with console(far.path) as second:
            with pytest.raises(BenchError, match=f"'{far.path}' is in use by another process") as error:
                async with second.connect():
                    pass
        assert error.value.blame == "infra"
        with pytest.raises(BenchError, match="is connected already"):
            async with first.connect():
                pass
    async with console(far.path) as again, again.connect():
        pass


async def test_a_port_that_vanishes_is_an_error_of_the_device(far: Far) -> None:
    async with console(far.path) as port, port.connect() as stream:
        far.write(b"last words")
        assert await read(stream, 10) == b"last words"
        far.unplug()
        with pytest.raises(BenchError, match=f"serial port '{far.path}' is gone") as error, anyio.fail_after(5):
            await stream.receive()
        with pytest.raises(BenchError, match="is gone"):
            await stream.send(b"?")
    assert error.value.blame == "device"


async def test_sends_no_faster_than_asked(far: Far) -> None:
    async with console(far.path, cps=500) as port, port.connect() as stream:
        start = time.monotonic()
        await stream.send(b"a" * 50)
        assert 0.1 <= time.monotonic() - start < 1
        assert far.read(50) == b"a" * 50


async def test_sends_one_character_after_the_other_however_they_come(far: Far) -> None:
    async with console(far.path, cps=200) as port, port.connect() as stream:
        start = time.monotonic()
        for key in b"a" * 20:
            await stream.send(bytes([key]))
        assert time.monotonic() - start >= 0.1


async def test_comes_back_when_it_is_plugged_in_again(tmp_path: Path) -> None:
    path = tmp_path / "ttyUSB0"
    driver = SerialConsole.make({"url": str(path), "check_present": False})
    assert isinstance(driver, Console)
    with echo(path) as adapter:
        async with reading(driver, tmp_path) as reader:
            await reader.session.send(b"before")
            await said(reader, b"before")
            adapter.kill()
            with anyio.fail_after(10):
                while reader.log.gone is None:
                    await anyio.sleep(0.01)
            assert f"serial port '{path}' is gone" in reader.log.gone.what
            with echo(path):
                await reader.session.send(b"after")
                await said(reader, b"beforeafter")


async def said(reader: ConsoleReader, text: bytes) -> None:
    with anyio.fail_after(10):
        while reader.log.read(0) != text:
            await reader.log.changed(reader.log.end)


async def test_a_loop_gives_back_what_is_sent() -> None:
    async with console("loop://") as port, port.connect() as stream:
        await stream.send(b"hello")
        assert await stream.receive() == b"hello"


async def test_a_socket_carries_bytes_both_ways_and_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        async with console(url, check_present=False) as port, port.connect() as stream:
            peer, _ = server.accept()
            with peer:
                peer.sendall(b"login: ")
                assert await read(stream, 7) == b"login: "
                await stream.send(b"root\r")
                assert await anyio.to_thread.run_sync(peer.recv, 5) == b"root\r"
            with pytest.raises(anyio.EndOfStream):
                await stream.receive()


@pytest.mark.parametrize(
    ("url", "blame", "what"),
    [
        ("socket://127.0.0.1:1", "infra", "cannot be reached: .*refused"),
        ("socket://nowhere", "config", "needs a host and a port"),
        ("rfc2217://127.0.0.1:1", "infra", "'rfc2217://127.0.0.1:1' cannot be reached: Connection refused"),
        ("hwgrep://no-such-adapter", "device", "was not found"),
        ("carrier://pigeon", "device", "was not found"),
    ],
)
async def test_says_why_a_url_cannot_be_opened(url: str, blame: str, what: str) -> None:
    with pytest.raises(BenchError, match=what) as error:
        async with console(url):
            pass
    assert error.value.blame == blame
