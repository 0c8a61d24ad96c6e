"""The log of an exporter: who hears what, and what is heard of drivers, of hooks, of the exporter itself."""

from __future__ import annotations

import asyncio
import io
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import anyio
import grpc.aio
import pytest

from flowrunner.bench.calling import Calling, calling
from flowrunner.bench.config import load_exporter
from flowrunner.remote.address import Address
from flowrunner.remote.client.remote import LogLine
from flowrunner.remote.endpoint import Listen
from flowrunner.remote.exporter.logs import KEPT, LONGEST, Logs, Said
from flowrunner.remote.exporter.server import serving
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.wire import NAME, Empty, messages, services

pytestmark = pytest.mark.anyio

log = logging.getLogger("tests.exporter")


async def texts(lines: AsyncGenerator[Said, None], count: int) -> list[str]:
    """The next messages."""
    found: list[str] = []
    with anyio.fail_after(10):
        while len(found) < count:
            found.append((await anext(lines)).message)
    return found


def say(logs: Logs, *lines: str) -> None:
    for line in lines:
        logs.tell(Said("INFO", line))


async def test_one_who_comes_later_gets_the_last_lines_first() -> None:
    logs = Logs()
    say(logs, *(str(number) for number in range(KEPT + 10)))
    async with aclosing(logs.everything()) as lines:
        assert await texts(lines, KEPT) == [str(number) for number in range(10, KEPT + 10)]
        say(logs, "new")
        assert await texts(lines, 1) == ["new"]


async def test_one_who_is_slow_is_told_how_much_was_lost_and_nobody_waits_for_him() -> None:
    logs = Logs()
    async with aclosing(logs.everything()) as slow, aclosing(logs.everything()) as fast:
        first = [asyncio.create_task(anext(each)) for each in (slow, fast)]
        await asyncio.sleep(0)
        say(logs, "first")
        assert [(await each).message for each in first] == ["first", "first"]
        for number in range(KEPT + 7):
            say(logs, str(number))
            assert await texts(fast, 1) == [str(number)]
        assert await texts(slow, 3) == ["7 lines were lost here: they came too fast", "7", "8"]


async def test_what_a_driver_logs_has_its_name_from_whatever_thread() -> None:
    logs = Logs()
    at = Calling("board.power", "power.virtual", "on", logs.heard)

    def work() -> None:
        log.warning("hot: %d", 90)

    with logs.gathering(), calling(at):
        log.info("switching")
        await asyncio.to_thread(work)
        log.debug("not to be told")
    await asyncio.sleep(0)
    assert [
        (said.message, said.severity, said.source, said.driver, said.type, said.operation) for said in logs.kept
    ] == [
        ("switching", "INFO", "driver", "board.power", "power.virtual", "on"),
        ("hot: 90", "WARNING", "driver", "board.power", "power.virtual", "on"),
    ]


async def test_what_the_exporter_itself_logs_is_the_systems_and_has_no_traceback() -> None:
    logs = Logs()
    with logs.gathering():
        try:
            raise ValueError("no such relay")
        except ValueError:
            log.exception("a defect")
    log.warning("after the end")
    (said,) = logs.kept
    assert (said.message, said.severity, said.source) == ("a defect: ValueError: no such relay", "ERROR", "system")


async def test_what_others_print_of_the_log_stays_the_same() -> None:
    root, printed = logging.getLogger(), io.StringIO()
    handler = logging.StreamHandler(printed)
    root.addHandler(handler)
    before = root.level
    root.setLevel(logging.ERROR)
    try:
        logs = Logs()
        with logs.gathering():
            log.info("for those who listen")
            log.error("for all")
        assert printed.getvalue() == "for all\n"
        assert [said.message for said in logs.kept] == ["for those who listen", "for all"]
        assert (root.level, handler.level) == (logging.ERROR, logging.NOTSET)
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


async def test_clients_of_ours_hear_drivers_and_hooks_and_not_who_calls_them() -> None:
    logs = Logs()
    heard: list[LogLine] = []

    async def listen() -> None:
        async for line in logs.lines():
            heard.append(line)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(listen)
        await asyncio.sleep(0)
        logs.tell(Said("INFO", "power on: Operation started", "driver", "power", "power.virtual", "on", None, True))
        logs.tell(Said("INFO", "the exporter's own"))
        logs.tell(Said("INFO", "switched", "driver", "power", "power.virtual", "on"))
        logs.say(LogLine(message="from a hook", source="before_lease"))
        with anyio.fail_after(5):
            while len(heard) < 2:
                await asyncio.sleep(0)
        tasks.cancel_scope.cancel()
    assert [line.message for line in heard] == ["switched", "from a hook"]
    assert (heard[0].driver, heard[0].operation) == ("power", "on")
    assert heard[0].time is not None


async def test_a_line_without_end_is_cut() -> None:
    logs = Logs()
    with logs.gathering():
        log.info("x" * (2 * LONGEST))
    assert len(logs.kept[0].message) == LONGEST


@asynccontextmanager
async def stub(folder: Path, text: str) -> AsyncIterator[services.ExporterServiceStub]:
    (folder / "exporter.yaml").write_text(text)
    station = Station(load_exporter(folder / "exporter.yaml"), "bench")
    address = Address(path=folder / "s")
    channel = grpc.aio.insecure_channel(address.target)
    async with station.opened(), serving(station, [Listen(address=address)]), channel:
        yield services.ExporterServiceStub(channel)


async def test_the_stream_tells_the_driver_the_operation_and_the_time_as_newer_clients_read_them(
    tmp_path: Path,
) -> None:
    async with stub(tmp_path, "export: {power: {type: power.virtual}}") as client:
        (uuid,) = (one.uuid for one in (await client.GetReport(Empty())).reports if one.labels.get(NAME) == "power")
        await client.DriverCall(messages.DriverCallRequest(uuid=uuid, method="on"))
        stream = client.LogStream(Empty())
        with anyio.fail_after(10):
            while (line := await stream.read()).message != "power on: Operation completed":
                pass
        stream.cancel()
    assert line.source == 1
    data = line.SerializeToString()
    for field, content in ((5, b"power.virtual"), (6, b"on"), (8, b"\n\x06result\x12\x07success")):
        assert bytes([field << 3 | 2, len(content)]) + content in data
    assert bytes([7 << 3 | 2]) in data


async def test_a_client_that_reads_nothing_holds_nobody_up(tmp_path: Path) -> None:
    async with stub(tmp_path, "export: {power: {type: power.virtual}}") as client:
        (uuid,) = (one.uuid for one in (await client.GetReport(Empty())).reports if one.labels.get(NAME) == "power")
        call = messages.DriverCallRequest(uuid=uuid, method="on")
        await client.DriverCall(call)
        deaf = client.LogStream(Empty())
        await deaf.read()
        with anyio.fail_after(30):
            for _ in range(20):
                await asyncio.gather(*(client.DriverCall(call) for _ in range(30)))
        deaf.cancel()
