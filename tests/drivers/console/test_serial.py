import os
import pty
import select
import socket
import subprocess
import sys
import threading
import time
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest
import serial

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Direct
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.serial import SerialLines
from flowrunner_drivers.console.serial import SerialConsole

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


class Far:
    """The target's end of a port."""

    def __init__(self) -> None:
        self.handle, theirs = pty.openpty()
        tty.setraw(theirs)
        self.path = Path(os.ttyname(theirs))
        self._theirs = theirs

    def write(self, data: bytes) -> None:
        threading.Thread(target=self._write, args=(data,), daemon=True).start()

    def _write(self, data: bytes) -> None:
        left = memoryview(data)
        while left:
            left = left[os.write(self.handle, left) :]

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count and select.select([self.handle], [], [], 5)[0]:
            data += os.read(self.handle, 65536)
        return data

    def unplug(self) -> None:
        for handle in (self.handle, self._theirs):
            if handle >= 0:
                os.close(handle)
        self.handle = self._theirs = -1


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
        with pytest.raises(BenchError, match=f"'{far.path}' is in use by another process") as error:
            async with console(far.path):
                pass
        assert error.value.blame == "infra"
        with pytest.raises(BenchError, match="is connected already"):
            async with first.connect():
                pass
    async with console(far.path) as again, again.connect():
        pass


async def test_a_missing_port_is_told_at_the_start_unless_told_not_to(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=f"there is no serial port '{tmp_path}/ttyUSB9'"):
        async with console(tmp_path / "ttyUSB9"):
            pass
    async with console(tmp_path / "ttyUSB9", check_present=False):
        pass


async def test_a_file_is_no_port(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(BenchError, match="could not be opened"):
        async with console(tmp_path / "file"):
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
        ("rfc2217://127.0.0.1:1", "device", "could not be opened"),
        ("hwgrep://no-such-adapter", "device", "was not found"),
        ("carrier://pigeon", "device", "was not found"),
    ],
)
async def test_says_why_a_url_cannot_be_opened(url: str, blame: str, what: str) -> None:
    with pytest.raises(BenchError, match=what) as error:
        async with console(url):
            pass
    assert error.value.blame == blame


async def test_lines_belong_to_an_open_port(far: Far) -> None:
    driver = SerialConsole.make({"url": str(far.path)})
    assert isinstance(driver, SerialLines)
    lines = SerialLines.client(Direct(driver))
    with pytest.raises(BenchError, match="it is not an open port"):
        await lines.lines()
    await lines.set_dtr(False)
    async with driver.opened():
        pass
    looped = SerialConsole.make({"url": "loop://"})
    assert isinstance(looped, SerialLines)
    with pytest.raises(BenchError, match="has no RTS line"):
        await SerialLines.client(Direct(looped)).set_rts(True)


@pytest.mark.filterwarnings(r"ignore:set(Daemon|Name)\(\) is deprecated")  # of pyserial's client
async def test_an_rfc2217_server_carries_bytes_both_ways(tmp_path: Path) -> None:
    with rfc2217_server() as address:
        async with console(f"rfc2217://{address}", check_present=False) as port, port.connect() as stream:
            data = bytes(range(256)) * 20
            await stream.send(data)
            assert await read(stream, len(data)) == data


@contextmanager
def rfc2217_server() -> Iterator[str]:
    """A terminal server whose port is a loop, made of pyserial's own server side."""
    code = """
import serial, serial.rfc2217, socket, threading
port = serial.serial_for_url("loop://", timeout=0.02)
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
peer, _ = server.accept()
class Out:
    def write(self, data): peer.sendall(data)
manager = serial.rfc2217.PortManager(port, Out())
def pump():
    while True:
        if data := port.read(port.in_waiting or 1):
            peer.sendall(b"".join(manager.escape(data)))
threading.Thread(target=pump, daemon=True).start()
while data := peer.recv(4096):
    port.write(b"".join(manager.filter(data)))
"""
    server = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert server.stdout
    try:
        yield f"127.0.0.1:{server.stdout.readline().strip()}"
    finally:
        server.kill()
        server.wait()
        server.stdout.close()
