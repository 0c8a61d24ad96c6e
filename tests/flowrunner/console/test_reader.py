"""The reader: every byte from lease to release, through breaks, for steps and watches."""

from __future__ import annotations

import asyncio
import os
import resource
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from flowrunner.console.log import PATIENCE, LogError
from flowrunner.console.patterns import Line, Match, Prompt
from flowrunner.engine.mask import Masker
from flowrunner.errors import BenchError, ExpectationError
from flowrunner.replay.clock import run_virtual
from tests.support.consoles import FedConsole, ProgramConsole, reading

pytestmark = pytest.mark.anyio


def virtual(function: Callable[[Path], Awaitable[Any]]) -> Callable[[Path], None]:
    """Run a test on a virtual clock."""

    def test(tmp_path: Path) -> None:
        run_virtual(lambda: function(tmp_path))

    test.__doc__ = function.__doc__
    return test


async def test_the_log_has_every_byte_of_a_real_program_in_order(tmp_path: Path) -> None:
    script = "stty raw -echo; for i in $(seq 0 399); do echo line $i; done; printf '\\377\\000end\\n'; read x"
    async with reading(ProgramConsole(["sh", "-c", script]), tmp_path) as reader:
        await reader.session.expect([Line("end")], within=20)
    expected = b"".join(b"line %d\n" % i for i in range(400)) + b"\xff\x00end\n"
    assert (tmp_path / "dut.console.log").read_bytes() == expected
    stamped = (tmp_path / "dut.console.times.log").read_text().splitlines()
    assert stamped[7].endswith("] line 7")
    assert stamped[-1].endswith("] \\xff\\x00end")
    assert [line[:15] for line in stamped] == sorted(line[:15] for line in stamped)


@virtual
async def test_reconnects_without_losing_a_byte(tmp_path: Path) -> None:
    console = FedConsole()
    async with reading(console, tmp_path) as reader:
        console.feed(b"before, ")
        console.break_off()
        console.feed(b"after\n")
        match = await reader.session.expect([Line("before, after")], within=5)
        assert match.text == "before, after"
        assert console.connections == 2
        await reader.session.send(b"hello")
    assert console.sent == b"hello"
    assert (tmp_path / "dut.console.log").read_bytes() == b"before, after\n"


@virtual
async def test_an_expect_learns_that_the_console_does_not_come_back(tmp_path: Path) -> None:
    console = FedConsole()
    async with reading(console, tmp_path) as reader:
        console.refuse = OSError("no such device")
        console.break_off()
        before = anyio.current_time()
        with pytest.raises(BenchError, match="the console was lost and does not come back: no such device") as caught:
            await reader.session.expect([Line("never")], within=600)
        assert PATIENCE <= anyio.current_time() - before < PATIENCE + 5
        assert (caught.value.driver, caught.value.blame) == ("dut.console", "device")
        with pytest.raises(BenchError, match="does not come back"):
            await reader.session.send(b"x")
        waiting = asyncio.create_task(reader.session.expect([Line("back")], within=600))
        await anyio.sleep(PATIENCE / 2)
        console.refuse = None
        console.feed(b"back again\n")
        assert (await waiting).text == "back"


async def test_a_first_connection_that_fails_is_raised_with_the_drivers_words(tmp_path: Path) -> None:
    console = FedConsole()
    console.refuse = BenchError("/dev/ttyUSB9 is not there", blame="infra", help="plug it in")
    with pytest.raises(BenchError, match="the console could not be opened: /dev/ttyUSB9 is not there") as caught:
        async with reading(console, tmp_path):
            pass
    assert (caught.value.blame, caught.value.help, caught.value.driver) == ("infra", "plug it in", "dut.console")


async def test_a_disk_that_is_full_ends_the_expect_with_the_reason(tmp_path: Path) -> None:
    console = FedConsole()
    async with reading(console, tmp_path) as reader:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, reader.log._raw)
        os.close(full)
        console.feed(b"x")
        with pytest.raises(LogError, match="No space left on device"):
            await reader.session.expect([Line("never")], within=5)


async def test_a_driver_that_breaks_is_named_to_who_waits(tmp_path: Path) -> None:
    class Broken(FedConsole):
        async def receive(self) -> bytes:
            await super().receive()
            raise ZeroDivisionError("oops")

    console = Broken()
    async with reading(console, tmp_path) as reader:
        console.feed(b"x")
        with pytest.raises(BenchError, match=r"the console's driver broke: ZeroDivisionError\('oops'\)") as caught:
            await reader.session.expect([Line("never")], within=5)
    assert caught.value.blame == "internal"


async def test_waiting_ends_when_the_reader_does(tmp_path: Path) -> None:
    async with reading(FedConsole(), tmp_path) as reader:
        waiting = asyncio.create_task(reader.session.expect([Line("never")], within=60))
        await anyio.sleep(0)
    with pytest.raises(BenchError, match="the console is closed"):
        await waiting


@virtual
async def test_a_watch_sees_every_line_once_and_leaves_the_cursor_alone(tmp_path: Path) -> None:
    console = FedConsole()
    async with reading(console, tmp_path) as reader:
        console.feed(b"old panic\n")
        await reader.session.expect([Line("old")], within=1)
        start = reader.session.end
        watch = asyncio.create_task(reader.watch(Line("panic: (?P<why>.+)"), start))
        console.feed(b"fine\npanic: oops\n")
        assert (await reader.session.expect([Line("oops")], within=1)).start == 22
        hit = await watch
        assert (hit.groups, hit.start, reader.session.cursor) == ({"why": "oops"}, 15, 27)
        again = asyncio.create_task(reader.watch(Line("panic"), hit.end))
        await anyio.sleep(100)
        assert not again.done()
        again.cancel()


@virtual
async def test_tells_the_hooks_what_happens(tmp_path: Path) -> None:
    told: list[Any] = []
    console = FedConsole()
    async with reading(
        console, tmp_path, mask=Masker(["secret-word"]).stream(), on_data=told.append,
        on_match=lambda match: told.append(match.text), on_send=lambda data, secret: told.append((data, secret)),
    ) as reader:  # fmt: skip
        console.feed(b"my sec")
        console.feed(b"ret-word\n")
        await reader.session.expect([Line("secret-word")], within=1)
        await reader.session.send(b"pass", secret=True)
    assert [item for item in told if isinstance(item, bytes)] == [b"my ", b"***********\n"]
    assert [item for item in told if not isinstance(item, bytes)] == ["secret-word", (b"pass", True)]


@virtual
async def test_paces_what_is_sent(tmp_path: Path) -> None:
    console = FedConsole(answer=lambda data: data)
    async with reading(console, tmp_path) as reader:
        before = anyio.current_time()
        await reader.session.send(b"slow", delay=0.5)
        assert anyio.current_time() - before == pytest.approx(1.5)
        await reader.session.expect([Prompt("slow")], within=1)


@virtual
async def test_quiet_waits_for_a_pause(tmp_path: Path) -> None:
    console = FedConsole()

    async def chatter() -> None:
        for _ in range(5):
            await anyio.sleep(0.4)
            console.feed(b".")

    async with reading(console, tmp_path) as reader, anyio.create_task_group() as group:
        group.start_soon(chatter)
        before = anyio.current_time()
        await reader.session.quiet(0.5)
        assert anyio.current_time() - before == pytest.approx(2.5)


@virtual
async def test_draining_waits_for_the_last_bytes_but_not_for_ever(tmp_path: Path) -> None:
    console = FedConsole()
    async with reading(console, tmp_path) as reader:
        console.feed(b"last words\n")
        await reader.drain()
        assert reader.log.end == 11
        with anyio.fail_after(5):
            async with anyio.create_task_group() as group:

                async def endless() -> None:
                    while True:
                        console.feed(b"y\n")
                        await anyio.sleep(0.01)

                group.start_soon(endless)
                await reader.drain()
                group.cancel_scope.cancel()


async def test_an_endless_console_takes_bounded_memory_while_it_is_searched(tmp_path: Path) -> None:
    async with reading(
        ProgramConsole(["sh", "-c", "stty raw; yes 0123456789012345678901234567890"]), tmp_path
    ) as reader:
        with anyio.fail_after(30):
            while reader.log.end < 4 << 20:
                await anyio.sleep(0.02)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            waiting = asyncio.create_task(reader.session.expect([Line("never there")], within=60))
            while reader.log.end < 32 << 20:
                await anyio.sleep(0.02)
        waiting.cancel()
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 20 * 1024
    assert (tmp_path / "dut.console.log").stat().st_size >= 32 << 20


async def test_a_step_that_misses_its_prompt_leaves_no_match_behind(tmp_path: Path) -> None:
    matches: list[Match] = []
    async with reading(ProgramConsole(["sh", "-c", "echo up; read x"]), tmp_path, on_match=matches.append) as reader:
        await reader.session.expect([Line("up")], within=5)
        with pytest.raises(ExpectationError, match="not seen within 300ms"):
            await reader.session.expect([Line("never")], within=0.3)
    assert [match.text for match in matches] == ["up"]
