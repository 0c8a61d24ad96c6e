"""What a port has beside its data, at a port of this host and at a terminal server's."""

import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest
import serial

from flowrunner.errors import BenchError
from flowrunner.interface import Direct
from flowrunner.interfaces.serial import SerialLines
from flowrunner_drivers.console._speed import check_speed
from flowrunner_drivers.console.serial import SerialConsole
from tests.support.ports import OF_PYSERIAL, Far, LinesServer, lines_server

pytestmark = [
    pytest.mark.anyio,
    OF_PYSERIAL,
]


@pytest.fixture
def far() -> Iterator[Far]:
    end = Far()
    yield end
    end.unplug()


@pytest.fixture
def server() -> Iterator[LinesServer]:
    with lines_server() as running:
        yield running


def port(url: object, **config: object) -> tuple[SerialConsole, SerialLines]:
    driver = SerialConsole.make({"url": str(url), "check_present": False, **config})
    assert isinstance(driver, SerialConsole)
    return driver, SerialLines.client(Direct(driver))


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not holds():
            await anyio.sleep(0.01)


async def test_goes_on_at_another_speed_and_is_opened_with_it(far: Far) -> None:
    driver, lines = port(far.path)
    async with driver.connect() as stream:
        assert far.speed() == termios.B115200
        await lines.set_baudrate(921600)
        assert far.speed() == termios.B921600
        assert not far.hangs_up()
        await stream.send(b"fast")
        assert await anyio.to_thread.run_sync(far.read, 4) == b"fast"
    async with driver.connect():
        assert far.speed() == termios.B921600
    await lines.set_baudrate(9600)
    assert far.speed() == termios.B9600, "a port that nobody has open is opened for it"
    with pytest.raises(BenchError, match="0 is no speed"):
        await lines.set_baudrate(0)


async def test_a_speed_that_the_port_took_is_not_warned_of(far: Far, caplog: pytest.LogCaptureFixture) -> None:
    driver, lines = port(far.path, baudrate=250_000)
    async with driver.connect():
        await lines.set_baudrate(1_234_567)
    assert not caplog.records


def test_warns_when_the_port_runs_at_another_speed(far: Far, caplog: pytest.LogCaptureFixture) -> None:
    with serial.Serial(str(far.path), 115200) as opened:
        for speed in ("9600", "115200"):  # what a kernel does whose port knows no other
            subprocess.run(["stty", "-F", str(far.path), speed], check=True)
            check_speed(opened)
    assert [record.getMessage() for record in caplog.records] == [
        f"'{far.path}' says that it runs at 9600 bits a second, not at 115200: perhaps its adapter cannot"
    ]


async def test_a_terminal_of_a_program_has_no_lines_and_nothing_is_kept_of_the_attempt(far: Far) -> None:
    driver, lines = port(far.path)
    async with driver.connect():
        for attempt, what in (
            (lines.lines(), "modem lines"), (lines.set_dtr(False), "DTR line"), (lines.set_rts(True), "RTS line")
        ):  # fmt: skip
            with pytest.raises(BenchError, match=f"'{far.path}' has no {what}") as error:
                await attempt
            assert error.value.blame == "config"
    async with driver.connect():
        pass


@pytest.mark.parametrize("url", ["socket://127.0.0.1:1", "loop://"])
async def test_a_bare_stream_has_none_of_it(url: str) -> None:
    _, lines = port(url)
    for attempt, what in (
        (lines.set_rts(True), "RTS line"), (lines.lines(), "modem lines"), (lines.send_break(), "break"),
        (lines.set_baudrate(9600), "speed"),
    ):  # fmt: skip
        with pytest.raises(BenchError, match=f"'{url}' has no {what}") as error:
            await attempt
    assert ("rfc2217://" in (error.value.help or "")) == url.startswith("socket")


async def test_closing_leaves_the_lines_as_they_are_unless_told_otherwise(far: Far) -> None:
    for config, falls in (({}, False), ({"disable_hupcl": False}, True), ({}, False)):
        driver, _ = port(far.path, **config)
        async with driver.connect():
            pass
        assert far.hangs_up() is falls


async def test_opening_moves_no_line_and_throws_nothing_away(server: LinesServer) -> None:
    driver, _ = port(f"rfc2217://127.0.0.1:{server.port}", baudrate=57600)
    async with driver.connect():
        pass
    await until(lambda: "baudrate 57600" in server.moved)
    assert not {"dtr 0", "dtr 1", "rts 0", "rts 1", "purge"} & set(server.moved)


async def test_opening_moves_the_lines_that_it_is_told_to(server: LinesServer) -> None:
    driver, _ = port(f"rfc2217://127.0.0.1:{server.port}", dtr=False)
    async with driver.connect():
        pass
    assert [each for each in server.moved if each[:3] in ("dtr", "rts")] == ["dtr 0"]


async def test_lines_are_set_and_read_back(server: LinesServer) -> None:
    driver, lines = port(f"rfc2217://127.0.0.1:{server.port}")

    async def becomes(*, dsr: bool, cts: bool) -> None:
        with anyio.fail_after(10):
            while True:
                found = await lines.lines()
                if (found.dsr, found.cts) == (dsr, cts):
                    return
                await anyio.sleep(0.02)

    async with driver.connect() as stream:
        await lines.set_dtr(False)
        await becomes(dsr=False, cts=True)
        await lines.set_rts(False)
        await lines.set_dtr(True)
        await becomes(dsr=True, cts=False)
        found = await lines.lines()
        assert (found.dtr, found.rts, found.cd, found.ri) == (True, False, True, False)
        await stream.send(b"and data")
        data = b""
        with anyio.fail_after(10):
            while data != b"and data":
                data += await stream.receive()


async def test_a_break_is_held_for_as_long_as_asked(server: LinesServer) -> None:
    driver, lines = port(f"rfc2217://127.0.0.1:{server.port}")
    async with driver.connect():
        start = anyio.current_time()
        await lines.send_break(0.3)
        assert anyio.current_time() - start >= 0.3
        await until(lambda: [each for each in server.moved if "break" in each] == ["break 1", "break 0"])


async def test_a_break_that_is_cancelled_ends(server: LinesServer) -> None:
    driver, lines = port(f"rfc2217://127.0.0.1:{server.port}")
    async with driver.connect():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lines.send_break, 60)
            await until(lambda: "break 1" in server.moved)
            tasks.cancel_scope.cancel()
        await until(lambda: server.moved[-1] == "break 0")


async def test_a_break_on_a_port_of_this_host_loses_no_data(far: Far) -> None:
    driver, lines = port(far.path)
    async with driver.connect() as stream:
        await stream.send(b"before")
        await lines.send_break(0.01)
        await stream.send(b"after")
        assert await anyio.to_thread.run_sync(far.read, 11) == b"beforeafter"


async def test_lines_of_a_port_that_cannot_be_opened(tmp_path: Path) -> None:
    _, lines = port(tmp_path / "ttyUSB0")
    with pytest.raises(BenchError, match="there is no serial port"):
        await lines.set_dtr(False)


async def test_lines_can_be_read_of_a_port_that_nobody_has_open(server: LinesServer) -> None:
    _, lines = port(f"rfc2217://127.0.0.1:{server.port}", dtr=True)
    found = await lines.lines()
    assert (found.dsr, found.dtr, found.rts) == (True, True, None)
