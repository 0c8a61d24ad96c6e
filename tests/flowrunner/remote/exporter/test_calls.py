"""Calls of clients of Jumpstarter, over the wire: many at once, again and again, and those that make no sense."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import grpc
import grpc.aio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrunner.bench.config import load_exporter
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Listen
from flowrunner.remote.exporter import server, station
from flowrunner.remote.exporter.server import serving
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.status import Status
from flowrunner.remote.values import to_value
from flowrunner.remote.wire import ListValue, Value, messages

SERVICE = "/jumpstarter.v1.ExporterService/"
BENCH = """
export:
  power: {type: power.virtual, config: {interval: 0}}
  slow: {type: power.virtual, config: {faults: [{call: 'on', delay: 0.5, times: null}, {call: 'off', hang: true, times: null}]}}
  board: {type: machine.virtual, config: {boot_time: 0}}
  host: {type: shell.command, config: {methods: {say: 'echo "$1"', forever: 'while echo x; do sleep 0.01; done'}}}
"""


@dataclass
class Served:
    """An exporter, and a client that sends bytes."""

    station: Station
    channel: grpc.aio.Channel

    def uuid(self, path: str) -> str:
        (uuid,) = (node.uuid for node in self.station.nodes() if node.path == path)
        return uuid

    def request(self, path: str, method: str, *args: Any) -> bytes:
        message = messages.DriverCallRequest(uuid=self.uuid(path), method=method, args=[to_value(arg) for arg in args])
        return bytes(message.SerializeToString())

    def call(self, request: bytes) -> Any:
        return self.channel.unary_unary(SERVICE + "DriverCall")(request)

    async def fails(self, request: bytes) -> tuple[grpc.StatusCode, str]:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await self.call(request)
        return raised.value.code(), str(raised.value.details())


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Served]:
    (folder / "exporter.yaml").write_text(BENCH)
    found = Station(load_exporter(folder / "exporter.yaml"), "bench")
    address = Address(path=folder / "s")
    channel = grpc.aio.insecure_channel(address.target)
    async with found.opened(), serving(found, [Listen(address=address)]), channel:
        yield Served(found, channel)


@pytest.mark.anyio
async def test_thirty_calls_run_at_once(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        request = one.request("slow", "on")
        with anyio.fail_after(10):
            answers = await asyncio.gather(*(one.call(request) for _ in range(30)))
    assert {len(answer) for answer in answers} == {len(answers[0])}
    answer = messages.DriverCallResponse.FromString(answers[0])
    assert answer.result.WhichOneof("kind") == "null_value"


@pytest.mark.anyio
async def test_more_calls_at_once_than_it_takes_are_refused_and_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "RPCS", 5)
    async with served(tmp_path) as one:
        calls = [one.call(one.request("slow", "off")) for _ in range(8)]
        done, _ = await asyncio.wait([asyncio.ensure_future(call.code()) for call in calls], timeout=0.5)
        assert {each.result() for each in done} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        for call in calls:
            call.cancel()
        with anyio.fail_after(10):
            while one.station.logs.kept[-1].message != "slow off: Operation failed":
                await anyio.sleep(0.01)
        await one.call(one.request("power", "on"))


@pytest.mark.anyio
async def test_the_same_request_is_looked_at_afresh_each_time(tmp_path: Path) -> None:
    """Requests are known by their bytes: what is admitted, and by which driver, may change meanwhile."""
    async with served(tmp_path) as one:
        request = one.request("power", "on")
        for _ in range(3):
            await one.call(request)
        one.station.statuses.set(Status.AVAILABLE)
        code, words = await one.fails(request)
        assert code is grpc.StatusCode.FAILED_PRECONDITION
        assert words == "Exporter not ready for driver calls (status: AVAILABLE)"
        one.station.statuses.set(Status.LEASE_READY)
        await one.call(request)
        await one.station.reset()
        await one.call(request)
        switched = one.station.logs.kept[-1]
        assert (switched.driver, switched.operation) == ("power", "on")


@pytest.mark.anyio
async def test_a_request_that_is_written_in_another_way_means_the_same(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        request = one.request("power", "on")
        await one.call(request)
        uuid, method = one.uuid("power").encode(), b"on"
        turned = b"\x12" + bytes([len(method)]) + method + b"\x0a" + bytes([len(uuid)]) + uuid
        assert turned != request
        await one.call(turned)
        await one.call(request + b"\xf2\x7f\x03abc")  # a field that nobody knows
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await one.call(request.replace(b"on", b"up"))
        assert raised.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.anyio
async def test_a_client_that_leaves_ends_its_call_and_the_log_says_so(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        call = one.call(one.request("slow", "off"))
        messages_ = [said.message for said in one.station.logs.kept]
        with anyio.fail_after(10):
            while "slow off: Operation started" not in messages_:
                await anyio.sleep(0.01)
                messages_ = [said.message for said in one.station.logs.kept]
            call.cancel()
            while (last := one.station.logs.kept[-1]).message != "slow off: Operation failed":
                await anyio.sleep(0.01)
        assert last.fields == {"result": "failure", "error_type": "cancelled", "error": "its client went away"}


@pytest.mark.anyio
async def test_an_iterator_that_its_client_leaves_is_closed(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        read = one.channel.unary_stream(SERVICE + "StreamingDriverCall")(
            one.request("host", "call_method", "forever", {})
        )
        for _ in range(3):
            assert await read.read()
        read.cancel()
        with anyio.fail_after(10):
            while one.station.logs.kept[-1].message != "host call_method: Operation completed":
                await anyio.sleep(0.01)


@pytest.mark.anyio
async def test_a_reset_goes_on_when_its_client_leaves(tmp_path: Path) -> None:
    async with served(tmp_path) as one:
        before = one.station.open_device
        reset = one.channel.unary_unary(SERVICE + "Reset")(b"")
        with anyio.fail_after(10):
            while not one.station.turn:
                await anyio.sleep(0)
            reset.cancel()
            while one.station.turn or not one.station.statuses.ready:
                await anyio.sleep(0.01)
        assert one.station.open_device is not before
        await one.call(one.request("power", "on"))


@pytest.mark.anyio
async def test_a_value_that_is_nested_without_end_is_refused(tmp_path: Path) -> None:
    deep = Value(null_value=0)
    for _ in range(40):
        deep = Value(list_value=ListValue(values=[deep]))
    data = deep.SerializeToString()
    while len(data) < 100_000:
        data = _listed(data)
    async with served(tmp_path) as one:
        head = messages.DriverCallRequest(uuid=one.uuid("power"), method="on").SerializeToString()
        code, _ = await one.fails(head + _framed(3, data))
        assert code is grpc.StatusCode.INVALID_ARGUMENT
        await one.call(one.request("power", "on"))


def _framed(number: int, payload: bytes) -> bytes:
    size, length = len(payload), b""
    while size > 127:
        length, size = length + bytes([size & 127 | 128]), size >> 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + payload


def _listed(value: bytes) -> bytes:
    """A `Value` that is a list of one."""
    return _framed(6, _framed(1, value))


PARTS = ("", "power", "slow", "board", "board.power", "host")
METHODS = (
    "on",
    "off",
    "read",
    "connect",
    "get_methods",
    "call_method",
    "flash",
    "stat",
    "open",
    "__class__",
    "",
    "\x00",
)
RPCS = ("GetReport", "DriverCall", "StreamingDriverCall", "LogStream", "GetStatus", "EndSession", "Reset", "Nothing")
plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
sent = st.tuples(st.sampled_from(PARTS), st.sampled_from(METHODS), st.lists(plain, max_size=3)) | st.binary(max_size=60)


@given(st.lists(st.tuples(st.sampled_from(RPCS), sent), min_size=25, max_size=25))
@settings(deadline=None, max_examples=10, suppress_health_check=list(HealthCheck))
def test_nothing_that_is_sent_breaks_it_or_is_a_defect(
    tmp_path_factory: pytest.TempPathFactory,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    attempts: list[tuple[str, Any]],
) -> None:
    """Random bytes, and messages that are right with arguments that are not: no traceback here, none there."""
    caplog.clear()
    monkeypatch.setattr(station, "SEEN", 0.05)

    async def attempt(one: Served, rpc: str, what: Any) -> None:
        request = what if isinstance(what, bytes) else one.request(what[0], what[1], *what[2])
        call = one.channel.unary_stream(SERVICE + rpc)(request)
        try:
            with anyio.move_on_after(0.2):
                await call.read()
        except grpc.aio.AioRpcError as error:
            words = str(error.details())
            assert "Traceback" not in words
            assert ".py" not in words
            assert "the exporter failed with" not in words
            assert "Unexpected <class" not in words
        finally:
            call.cancel()

    async def main() -> None:
        async with served(tmp_path_factory.mktemp("fuzz")) as one:
            with anyio.fail_after(20):
                await asyncio.gather(*(attempt(one, rpc, what) for rpc, what in attempts))
                while not one.station.statuses.ready or one.station.turn:
                    await anyio.sleep(0.01)
                await one.call(one.request("power", "on"))

    anyio.run(main)
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
