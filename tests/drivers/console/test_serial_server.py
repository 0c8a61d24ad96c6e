"""Ports behind a terminal server: `ser2net`, with and without RFC 2217."""

import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from serial import SerialException

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Direct
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.serial import SerialLines
from flowrunner_drivers.console._rfc2217 import Rfc2217Port
from flowrunner_drivers.console.serial import SerialConsole
from tests.support.bench import execute
from tests.support.consoles import reading
from tests.support.ports import OF_PYSERIAL, Far, echo, lines_server, ser2net

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.machine,
    OF_PYSERIAL,
]

RFC2217 = "telnet(rfc2217),tcp"
ALL = bytes(range(256)) * 64


@pytest.fixture
def far() -> Iterator[Far]:
    end = Far()
    yield end
    end.unplug()


@asynccontextmanager
async def connected(url: str, **config: object) -> AsyncIterator[tuple[SerialLines, ByteStream]]:
    driver = SerialConsole.make({"url": url, "check_present": False, **config})
    assert isinstance(driver, SerialConsole)
    async with Console.client(Direct(driver)).connect() as stream:
        yield SerialLines.client(Direct(driver)), stream


async def read(stream: ByteStream, count: int) -> bytes:
    data = b""
    with anyio.fail_after(20):
        while len(data) < count:
            data += await stream.receive()
    return data


@pytest.mark.parametrize(("scheme", "accepter"), [("rfc2217", RFC2217), ("socket", "tcp")])
async def test_carries_every_byte_both_ways(far: Far, tmp_path: Path, scheme: str, accepter: str) -> None:
    with ser2net(tmp_path, far.path, accepter) as server:
        async with connected(f"{scheme}://127.0.0.1:{server.port}") as (_, stream):
            await stream.send(ALL)
            assert await anyio.to_thread.run_sync(far.read, len(ALL)) == ALL
            far.write(ALL)
            assert await read(stream, len(ALL)) == ALL


async def test_sets_the_speed_of_the_port_behind_the_server(far: Far, tmp_path: Path) -> None:
    with ser2net(tmp_path, far.path, RFC2217) as server:
        async with connected(f"rfc2217://127.0.0.1:{server.port}", baudrate=57600) as (lines, stream):
            assert far.speed() == termios.B57600
            await lines.set_baudrate(921600)
            await stream.send(b"fast")
            assert await anyio.to_thread.run_sync(far.read, 4) == b"fast"
            assert far.speed() == termios.B921600


async def test_a_line_that_the_port_does_not_have_is_refused_and_the_console_goes_on(far: Far, tmp_path: Path) -> None:
    with ser2net(tmp_path, far.path, RFC2217) as server:
        async with connected(f"rfc2217://127.0.0.1:{server.port}") as (lines, stream):
            with pytest.raises(BenchError, match="did not take the DTR line False"):
                await lines.set_dtr(False)
            await stream.send(b"on")
            assert await anyio.to_thread.run_sync(far.read, 2) == b"on"


@pytest.mark.parametrize(("scheme", "accepter"), [("rfc2217", RFC2217), ("socket", "tcp")])
async def test_types_slowly_for_a_board_that_drops_what_comes_faster(
    far: Far, tmp_path: Path, scheme: str, accepter: str
) -> None:
    with ser2net(tmp_path, far.path, accepter) as server:
        async with connected(f"{scheme}://127.0.0.1:{server.port}", cps=200) as (_, stream):
            start = anyio.current_time()
            await stream.send(b"setenv bootargs console=ttyS0\r"[:20])
            assert anyio.current_time() - start >= 0.1
            assert await anyio.to_thread.run_sync(far.read, 20) == b"setenv bootargs cons"


@pytest.mark.parametrize(("scheme", "accepter"), [("rfc2217", RFC2217), ("socket", "tcp")])
async def test_comes_back_when_the_server_does(tmp_path: Path, scheme: str, accepter: str) -> None:
    device = tmp_path / "ttyUSB0"
    with echo(device), ser2net(tmp_path, device, accepter) as server:
        driver = SerialConsole.make({"url": f"{scheme}://127.0.0.1:{server.port}", "check_present": False})
        assert isinstance(driver, Console)
        async with reading(driver, tmp_path) as reader:
            await reader.session.send(b"before")
            with anyio.fail_after(20):
                while reader.log.read(0) != b"before":
                    await anyio.sleep(0.01)
            server.process.kill()
            with anyio.fail_after(20):
                while reader.log.gone is None:
                    await anyio.sleep(0.01)
            with ser2net(tmp_path, device, accepter, port=server.port):
                await reader.session.send(b"after")
                with anyio.fail_after(20):
                    while reader.log.read(0) != b"beforeafter":
                        await anyio.sleep(0.01)


@pytest.mark.parametrize(("scheme", "accepter"), [("rfc2217", RFC2217), ("socket", "tcp")])
async def test_an_adapter_that_is_unplugged_from_the_server_ends_the_console(
    far: Far, tmp_path: Path, scheme: str, accepter: str
) -> None:
    with ser2net(tmp_path, far.path, accepter) as server:
        async with connected(f"{scheme}://127.0.0.1:{server.port}") as (_, stream):
            far.write(b"login: ")
            assert await read(stream, 7) == b"login: "
            far.unplug()
            with pytest.raises((BenchError, anyio.EndOfStream)), anyio.fail_after(20):
                await stream.receive()


async def test_what_a_server_sent_before_it_died_is_read(tmp_path: Path) -> None:
    with lines_server() as server:
        port = Rfc2217Port(f"rfc2217://127.0.0.1:{server.port}", timeout=5)
        await anyio.to_thread.run_sync(port.open)
        port.write(b"x" * 5000)
        with anyio.fail_after(20):
            while port.in_waiting < 5000:
                await anyio.sleep(0.01)
            server.process.kill()
            while port.in_waiting == 5000:  # the end is put behind them
                await anyio.sleep(0.01)
        assert port.read(4000) + port.read(4000) == b"x" * 5000
        for _ in range(2):
            with pytest.raises(SerialException, match="the server closed the connection"):
                port.read()
        await anyio.to_thread.run_sync(port.close)


async def test_a_server_that_is_in_use_says_so_itself(far: Far, tmp_path: Path) -> None:
    with ser2net(tmp_path, far.path, RFC2217) as server:
        async with connected(f"rfc2217://127.0.0.1:{server.port}"):
            with pytest.raises(BenchError, match="closed the connection at once") as error:
                async with connected(f"rfc2217://127.0.0.1:{server.port}?timeout=1"):
                    pass
    assert error.value.said == "Port already in use"
    assert error.value.blame == "infra"


async def test_a_bare_port_is_not_taken_for_one_that_speaks_rfc_2217(far: Far, tmp_path: Path) -> None:
    with (
        ser2net(tmp_path, far.path, "tcp") as server,
        pytest.raises(BenchError, match="does not speak RFC 2217") as error,
    ):
        async with connected(f"rfc2217://127.0.0.1:{server.port}?timeout=1"):
            pass
    assert "socket://HOST:PORT" in (error.value.help or "")


def test_a_pipeline_moves_lines_while_it_reads_the_console(tmp_path: Path) -> None:
    with lines_server() as server:
        done = execute(
            tmp_path,
            "devices: {dut: board=any}\nsteps:\n"
            "  - {driver: {call: dut.console.set_dtr, with: {on: false}}}\n"
            "  - {driver: {call: dut.console.send_break, with: {duration: 0.1}}}\n"
            "  - {id: lines, driver: dut.console.lines}\n"
            "  - assert: ${{ not steps.lines.outputs.result.dtr and steps.lines.outputs.result.rts is none }}\n"
            "  - send: hello\n  - expect: {pattern: hello, within: 20s}\n",
            export=f"{{console: {{type: console.serial, config: {{url: 'rfc2217://127.0.0.1:{server.port}'}}}}}}",
        )
    assert done.outcome == "passed", done.finished.result
    assert [each for each in server.moved if each.split()[0] in ("dtr", "rts", "break")] == [
        "dtr 0",
        "break 1",
        "break 0",
    ]
