"""What a call of a driver of Jumpstarter ends with, for each status that an exporter may send."""

from __future__ import annotations

from typing import Any

import grpc.aio
import pytest

from flowrunner.bench.blame import blamed
from flowrunner.errors import BenchError
from flowrunner.remote.client.peer import ChannelPeer
from flowrunner.remote.wire import messages, services

pytestmark = pytest.mark.anyio


Servicer: Any = services.ExporterServiceServicer
"""Abstract in its types only: what is left out is answered as unimplemented."""


class Refusing(Servicer):  # type: ignore[misc]
    """Refuses each call with the status that its method's name says."""

    async def DriverCall(self, request: messages.DriverCallRequest, context: Any) -> messages.DriverCallResponse:
        name, _, words = request.method.partition(" ")
        await context.abort(grpc.StatusCode[name], words)
        raise AssertionError


async def told(*statuses: str) -> list[tuple[str, str]]:
    """For each `STATUS words`: what is said of it, and who is to blame."""
    server = grpc.aio.server()
    services.add_ExporterServiceServicer_to_server(Refusing(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    found: list[tuple[str, str]] = []
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            peer = ChannelPeer(channel, "1", "the bench")
            for status in statuses:
                with pytest.raises(Exception) as raised:
                    await peer.call(status)
                error = blamed(raised.value, driver="dut.power", type="relay", call="on")
                assert isinstance(error, BenchError)
                found.append((error.what, error.blame))
    finally:
        await server.stop(0)
    return found


async def test_a_status_tells_who_is_to_blame() -> None:
    assert await told(
        "UNIMPLEMENTED", "NOT_FOUND method on not found on driver", "INVALID_ARGUMENT no such colour",
        "DEADLINE_EXCEEDED", "UNAVAILABLE the relay hung up", "FAILED_PRECONDITION in use by somebody",
        "UNAUTHENTICATED invalid or missing passphrase", "RESOURCE_EXHAUSTED a large message",
        "INTERNAL a cable is loose", "UNKNOWN it is stuck", "UNKNOWN", "ABORTED",
        "UNKNOWN Unexpected <class 'KeyError'>: UUID('1')", "UNKNOWN Unexpected <class 'jumpstarter.x.Odd'>",
    ) == [
        ("relay cannot on", "config"), ("relay cannot on", "config"), ("no such colour", "config"),
        ("relay did not answer 'on' in time", "device"), ("relay could not do 'on': the relay hung up", "device"),
        ("in use by somebody", "infra"), ("the bench refused: invalid or missing passphrase", "config"),
        ("too much at once for the bench: a large message", "infra"), ("a cable is loose", "device"),
        ("it is stuck", "device"), ("the driver failed and said nothing (UNKNOWN)", "device"),
        ("the connection to the bench was lost", "infra"), ("the driver raised KeyError: UUID('1')", "internal"),
        ("the driver raised Odd", "internal"),
    ]  # fmt: skip


async def test_a_long_answer_has_its_first_line_as_the_error_and_the_rest_as_what_was_said() -> None:
    server = grpc.aio.server()
    services.add_ExporterServiceServicer_to_server(Refusing(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(BenchError) as raised:
                await ChannelPeer(channel, "1", "the bench").call("UNKNOWN it broke\nline 1\nline 2")
    finally:
        await server.stop(0)
    assert (raised.value.what, raised.value.said) == ("it broke", "line 1\nline 2")


async def test_nobody_there_is_a_lost_connection() -> None:
    async with grpc.aio.insecure_channel("127.0.0.1:1") as channel:
        with pytest.raises(BenchError, match="the connection to the bench was lost") as raised:
            await ChannelPeer(channel, "1", "the bench").call("on")
    assert raised.value.blame == "infra"
