"""A port that comes and goes with the board's power."""

import subprocess
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import anyio
import pytest
from pydantic import ValidationError

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Direct
from flowrunner.interfaces.console import Console
from flowrunner_drivers.console import _returning
from flowrunner_drivers.console.serial import SerialConsole
from tests.support.machines import read_until
from tests.support.ports import Far, echo

pytestmark = pytest.mark.anyio


def connected(path: Path, **config: object) -> AbstractAsyncContextManager[ByteStream]:
    driver = SerialConsole.make({"url": str(path), "with_power": True, **config})
    assert isinstance(driver, Console)
    return Console.client(Direct(driver)).connect()


async def sent(stream: ByteStream, data: bytes) -> None:
    """Send as soon as the port is there, and read it back."""
    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_until, stream, data)
            while True:
                try:
                    return await stream.send(data)
                except BenchError:
                    await anyio.sleep(0.02)


async def test_one_stream_lives_through_the_boards_power_cycles(tmp_path: Path) -> None:
    path = tmp_path / "ttyACM0"
    driver = SerialConsole.make({"url": str(path), "with_power": True})
    async with driver.opened(), connected(path, cps=1000) as stream:
        for boot in (b"first", b"second"):
            with echo(path):
                await sent(stream, boot)
            path.unlink()


async def test_waiting_for_the_board_can_be_given_up(tmp_path: Path) -> None:
    path = tmp_path / "ttyACM0"
    async with connected(path) as stream:
        for _ in range(2):
            with anyio.move_on_after(0.1) as limit:
                await stream.receive()
            assert limit.cancelled_caught
        with echo(path):
            await sent(stream, b"up")
            with anyio.move_on_after(0.1) as limit:
                await stream.receive()
            assert limit.cancelled_caught
            await sent(stream, b"still up")


async def test_typing_while_the_board_is_off_says_so(tmp_path: Path) -> None:
    async with connected(tmp_path / "ttyACM0") as stream:
        with pytest.raises(BenchError, match=f"nothing can be sent: '{tmp_path}/ttyACM0' is not there"):
            await stream.send(b"hello?")


async def test_a_port_that_another_program_keeps_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_returning, "SETTLE", 0.2)
    far = Far()
    with subprocess.Popen(["flock", far.path, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as lock:
        assert lock.stdin
        assert lock.stdout
        lock.stdin.write(b"x")
        lock.stdin.flush()
        assert lock.stdout.read(1) == b"x"  # it has the lock
        async with connected(far.path) as stream:
            with pytest.raises(BenchError, match="is in use by another process"), anyio.fail_after(20):
                await stream.receive()
            lock.stdin.close()
            lock.wait()
            far.write(b"login: ")
            assert await read_until(stream, b"login: ") == b"login: "
    far.unplug()


def test_only_a_port_of_this_host_comes_and_goes() -> None:
    with pytest.raises(ValidationError, match="with_power is for a port of this host by its path, not for 'rfc2217"):
        SerialConsole.make({"url": "rfc2217://ts1:4001", "with_power": True})
