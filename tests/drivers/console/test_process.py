from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream, Direct
from flowrunner.interfaces.console import Console
from flowrunner_drivers.console.process import ProcessConsole
from tests.support.processes import ended

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def connected(command: object, **config: object) -> AsyncIterator[ByteStream]:
    driver = ProcessConsole.make({"command": command, **config})
    async with driver.opened():
        assert isinstance(driver, Console)
        async with Console.client(Direct(driver)).connect() as stream:
            yield stream


async def until(stream: ByteStream, mark: bytes) -> bytes:
    data = b""
    with anyio.fail_after(10):
        while mark not in data:
            data += await stream.receive()
    return data


async def all_of(stream: ByteStream) -> bytes:
    data = b""
    with anyio.fail_after(10):
        while True:
            try:
                data += await stream.receive()
            except anyio.EndOfStream:
                return data


async def test_a_terminal_echoes_and_has_jobs() -> None:
    async with connected(["/bin/sh", "-i"], env={"PS1": "$ ", "ENV": ""}) as stream:
        await until(stream, b"$ ")
        await stream.send(b"tty; set -o | grep monitor\r")
        said = await until(stream, b"monitor  ")
    assert said.startswith(b"tty; set -o | grep monitor\r\n/dev/pts/")
    assert b"job control turned off" not in said


async def test_a_raw_terminal_and_pipes_change_nothing() -> None:
    for config in ({"raw": True}, {"pty": False}):
        async with connected(["cat"], **config) as stream:
            await anyio.sleep(0.05)
            await stream.send(b"\x03\x04a\r\nb")
            assert await until(stream, b"b") == b"\x03\x04a\r\nb"


@pytest.mark.parametrize("pty", [True, False])
async def test_the_end_of_the_command_is_the_end_of_the_console(pty: bool) -> None:
    async with connected("seq 20000; echo done", pty=pty, raw=True) as stream:
        said = await all_of(stream)
    assert said == b"".join(b"%d\n" % n for n in range(1, 20001)) + b"done\n"


@pytest.mark.parametrize("pty", [True, False])
async def test_leaves_no_process(pty: bool, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    command = f"trap '' HUP TERM; sleep 60 & echo $! $$ > {pids}; echo up; wait"
    async with connected(command, pty=pty) as stream:
        await until(stream, b"up")
        found = [int(pid) for pid in pids.read_text().split()]
    assert all(ended(pid) for pid in found)


async def test_what_a_command_leaves_behind_does_not_keep_the_console_open(tmp_path: Path) -> None:
    async with connected("sleep 60 & echo bye") as stream:
        assert (await all_of(stream)).startswith(b"bye")


async def test_the_errors_of_the_one_who_uses_it_pass() -> None:
    with pytest.raises(KeyError):
        async with connected(["cat"]):
            raise KeyError("x")


@pytest.mark.parametrize("pty", [True, False])
async def test_a_command_that_is_not_there_is_an_error(pty: bool) -> None:
    with pytest.raises(BenchError, match="'no-such-command' could not be started") as error:
        async with connected(["no-such-command"], pty=pty):
            pass
    assert error.value.blame == "config"


async def test_typing_to_a_command_that_has_ended_is_an_error() -> None:
    async with connected("exec 0<&-; echo gone", pty=False) as stream:
        await all_of(stream)
        with pytest.raises((anyio.BrokenResourceError, anyio.ClosedResourceError)):
            for _ in range(100):
                await stream.send(b"x" * 65536)
