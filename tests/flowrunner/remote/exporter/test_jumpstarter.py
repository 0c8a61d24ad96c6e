"""What clients of Jumpstarter are answered: report, calls, errors, log, status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import grpc
import grpc.aio
import pytest

from flowrunner.bench.config import load_exporter
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Listen
from flowrunner.remote.exporter.server import serving
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.status import Status
from flowrunner.remote.values import from_value, to_value
from flowrunner.remote.wire import CLIENT, MOTD, NAME, Empty, messages, services

pytestmark = pytest.mark.anyio

BENCH = """
metadata: {name: bench-1, labels: {board: virt}}
description: The bench of the tests
export:
  power: {type: power.virtual, config: {interval: 0}, description: The plug, methods_description: {'on': Lets the smoke in}}
  board: {type: machine.virtual, config: {boot_time: 0, faults: [{call: on, fail: the relay is stuck}]}}
  host: {type: shell.command, config: {methods: {say: 'echo "$1"'}}}
  again: {ref: power}
"""
COMPOSITE = "jumpstarter_driver_composite.client.CompositeClient"


class Client:
    """A client that knows nothing but the protocol."""

    def __init__(self, channel: grpc.aio.Channel, station: Station) -> None:
        self.stub = services.ExporterServiceStub(channel)
        self.station = station

    async def uuid(self, *names: str) -> str:
        """The uuid of the part of that path."""
        reports = (await self.stub.GetReport(Empty())).reports
        found = reports[0].uuid
        for name in names:
            (found,) = (one.uuid for one in reports if one.parent_uuid == found and one.labels[NAME] == name)
        return str(found)

    async def call(self, path: str, method: str, *args: Any) -> Any:
        uuid = await self.uuid(*path.split("."))
        request = messages.DriverCallRequest(uuid=uuid, method=method, args=[to_value(arg) for arg in args])
        return from_value((await self.stub.DriverCall(request)).result)

    def iterate(self, uuid: str, method: str, *args: Any) -> Any:
        request = messages.StreamingDriverCallRequest(uuid=uuid, method=method, args=[to_value(arg) for arg in args])
        return self.stub.StreamingDriverCall(request)


@asynccontextmanager
async def client(folder: Path, text: str = BENCH) -> AsyncIterator[Client]:
    (folder / "exporter.yaml").write_text(text)
    station = Station(load_exporter(folder / "exporter.yaml"), "bench-1")
    address = Address(path=folder / "s")
    channel = grpc.aio.insecure_channel(address.target)
    async with station.opened(), serving(station, [Listen(address=address)]), channel:
        yield Client(channel, station)


async def refusal(doing: Awaitable[Any]) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await doing
    return raised.value.code(), str(raised.value.details())


async def test_the_report_has_parents_first_and_a_part_with_two_names_twice(tmp_path: Path) -> None:
    async with client(tmp_path) as one:
        report = await one.stub.GetReport(Empty())
        assert report.labels["board"] == "virt"
        assert report.labels[NAME] == "bench-1"
        root, *others = report.reports
        assert root.labels[CLIENT] == COMPOSITE
        assert not root.HasField("parent_uuid")
        seen = {root.uuid}
        for each in others:
            assert each.parent_uuid in seen
            seen.add(each.uuid)
        below = [one for one in others if one.parent_uuid == root.uuid]
        power, again = (one for one in below if one.labels[NAME] in ("power", "again"))
        assert power.uuid == again.uuid
        assert power.labels[CLIENT] == "jumpstarter_driver_power.client.PowerClient"
        assert power.description == "The plug"
        assert root.description == "The bench of the tests"
        (board,) = (one for one in below if one.labels[NAME] == "board")
        assert not board.HasField("description")
        assert dict(power.methods_description) == {"on": "Lets the smoke in"}


async def test_a_part_that_is_a_group_is_a_composite_and_one_below_it_has_its_description(tmp_path: Path) -> None:
    inner = "{type: power.virtual, description: The inner one}"
    async with client(
        tmp_path, f"export: {{group: {{children: {{inner: {inner}}}}}, alias: {{ref: group.inner}}}}"
    ) as one:
        root, *others = (await one.stub.GetReport(Empty())).reports
        group, inner_, alias = others
        assert group.labels[CLIENT] == COMPOSITE
        assert (inner_.parent_uuid, alias.parent_uuid) == (group.uuid, root.uuid)
        assert inner_.description == alias.description == "The inner one"


async def test_the_message_of_the_day_is_there_for_newer_clients_and_for_ours(tmp_path: Path) -> None:
    async with client(tmp_path, "motd: mind the fan\nexport: {power: {type: power.virtual}}") as one:
        report = await one.stub.GetReport(Empty())
        assert report.labels[MOTD] == "mind the fan"
        assert bytes([5 << 3 | 2, 12]) + b"mind the fan" in report.SerializeToString()


async def test_two_ends_of_a_session_at_once_are_one_after_the_other(tmp_path: Path) -> None:
    async with client(tmp_path) as one:
        answers = await asyncio.gather(*(one.stub.EndSession(messages.EndSessionRequest()) for _ in range(2)))
        assert any(answer.success for answer in answers)
        assert all(answer.success or "in use by the end of a session" in answer.message for answer in answers)
        with anyio.fail_after(10):
            while one.station.turn or not one.station.statuses.ready:
                await anyio.sleep(0.01)
        await one.call("power", "on")


async def test_a_session_that_somebody_else_has_is_not_ended(tmp_path: Path) -> None:
    async def waiting(owner: str, position: int) -> None:
        raise AssertionError(owner)

    async with client(tmp_path) as one, one.station.taken("alice", shared=True, waiting=waiting):
        answer = await one.stub.EndSession(messages.EndSessionRequest())
        assert (answer.success, answer.message) == (False, "the exporter is in use by alice")
        code, words = await refusal(one.stub.Reset(messages.ResetRequest()))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "in use by alice" in words
        await one.call("power", "on")


async def test_calls_and_iterators_answer(tmp_path: Path) -> None:
    async with client(tmp_path) as one:
        assert await one.call("power", "on") is None
        readings = one.iterate(await one.uuid("power"), "read")
        reading = from_value((await readings.read()).result)
        assert reading == {"voltage": 5.0, "current": pytest.approx(reading["current"])}
        readings.cancel()
        said = [
            from_value(each.result)
            async for each in one.iterate(await one.uuid("host"), "call_method", "say", {}, "hi")
        ]
        assert "".join(out for out, _, _ in said) == "hi\n"
        assert said[-1][2] == 0


@pytest.mark.parametrize(
    ("path", "method", "args", "code", "words"),
    [
        ("power", "nothing", (), grpc.StatusCode.NOT_FOUND, "method nothing not found on driver"),
        ("power", "read", (), grpc.StatusCode.NOT_FOUND, "method read missing marker marker_drivercall"),
        ("power", "__init__", (), grpc.StatusCode.NOT_FOUND, "not found"),
        ("power", "on", (1, 2), grpc.StatusCode.INVALID_ARGUMENT, "on"),
        ("power", "off", ("perhaps",), grpc.StatusCode.INVALID_ARGUMENT, "destroy"),
        ("board.power", "on", (), grpc.StatusCode.UNKNOWN, "the relay is stuck"),
    ],
)
async def test_what_cannot_be_done_has_a_code_and_words(
    tmp_path: Path, path: str, method: str, args: tuple[Any, ...], code: grpc.StatusCode, words: str
) -> None:
    async with client(tmp_path) as one:
        found, said = await refusal(one.call(path, method, *args))
        assert found is code
        assert words in said
        assert "Traceback" not in said


async def test_a_uuid_that_is_none_or_in_capitals(tmp_path: Path) -> None:
    async with client(tmp_path) as one:
        for uuid in ("", "nonsense", str(uuid4())):
            code, said = await refusal(one.stub.DriverCall(messages.DriverCallRequest(uuid=uuid, method="on")))
            assert code is grpc.StatusCode.NOT_FOUND
            assert "there is no driver" in said
        upper = (await one.uuid("power")).upper()
        await one.stub.DriverCall(messages.DriverCallRequest(uuid=upper, method="on"))


async def test_every_listener_gets_every_line(tmp_path: Path) -> None:
    async with client(tmp_path) as one:
        first, second = one.stub.LogStream(Empty()), one.stub.LogStream(Empty())
        with anyio.fail_after(10):
            await one.call("power", "on")
            await refusal(one.call("board.power", "on"))
            for listener in (first, second):
                lines = [await listener.read() for _ in range(4)]
                assert [line.message.rpartition(": ")[2] for line in lines] == [
                    "Operation started", "Operation completed", "Operation started", "Operation failed",
                ]  # fmt: skip
                assert [line.severity for line in lines] == ["INFO", "INFO", "INFO", "ERROR"]
        first.cancel()
        second.cancel()


async def test_calls_are_refused_while_the_exporter_is_not_ready_and_while_somebody_has_it(tmp_path: Path) -> None:
    async with client(tmp_path) as one:
        status = await one.stub.GetStatus(messages.GetStatusRequest())
        assert status.status == Status.LEASE_READY
        one.station.statuses.set(Status.BEFORE_LEASE_HOOK_FAILED, "the hook said no")
        code, said = await refusal(one.call("power", "on"))
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert "BEFORE_LEASE_HOOK_FAILED" in said
        later = await one.stub.GetStatus(messages.GetStatusRequest())
        assert (later.status_version, later.previous_status) == (status.status_version + 1, Status.LEASE_READY)
        one.station.statuses.set(Status.LEASE_READY)

        async def patient(owner: str, position: int) -> None:
            pass

        async with one.station.taken("alice", waiting=patient):
            code, said = await refusal(one.call("power", "on"))
            assert code is grpc.StatusCode.FAILED_PRECONDITION
            assert "in use by alice" in said
            code, said = await refusal(one.stub.Reset(messages.ResetRequest()))
            assert "in use by alice" in said
        await one.call("power", "on")
        await one.stub.Reset(messages.ResetRequest())
        await one.call("power", "on")


async def test_the_end_of_a_session_can_be_seen_and_the_next_one_begins(tmp_path: Path) -> None:
    async with client(tmp_path) as one:
        answer = await one.stub.EndSession(messages.EndSessionRequest())
        assert answer.success
        seen: list[int] = []
        with anyio.fail_after(10):
            while Status.AVAILABLE not in seen or seen[-1] != Status.LEASE_READY:
                seen.append((await one.stub.GetStatus(messages.GetStatusRequest())).status)
                await anyio.sleep(0.1)
        await one.call("power", "on")
