"""Nothing that a client of our own protocol sends breaks the exporter, or shows what is not its business."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import grpc.aio
import msgpack
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowrunner.interfaces.power import Power
from flowrunner.remote.client.remote import Claim
from flowrunner.remote.client.session import ClientWire
from flowrunner.remote.link.packet import METHOD, VERSION, Kind, pack, pack_content, pack_head, unpack
from tests.support.served import Served, served

BENCH = "export: {power: {type: power.virtual, config: {interval: 0}}}"

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
paths = st.sampled_from(["power", "", "nothing", "power.power", "__class__"])
methods = st.sampled_from(["on", "off", "read", "cycle", "__init__", "client", "config", "calls"])
calls = st.tuples(paths, methods, st.dictionaries(st.sampled_from(["self", "off_for", "x"]), plain, max_size=2)).map(
    list
)
messages = st.tuples(st.sampled_from(Kind), st.integers(0, 5), plain | calls)


async def converse(exporter: Served, first: bytes, rest: list[bytes]) -> list[bytes]:
    """Send messages, and return what is answered until the exporter is silent or ends the connection."""
    answers: list[bytes] = []
    async with grpc.aio.insecure_channel(exporter.endpoint.address.target) as channel:
        call = channel.stream_stream(METHOD)()
        wire = ClientWire(call)
        try:
            for data in (first, *rest):
                await wire.write(data)
            reading = asyncio.create_task(_read_all(wire, answers))
            await asyncio.wait({reading}, timeout=0.02)
            reading.cancel()  # apart from this task: grpc cancels what it waits for with the one that waits
            await asyncio.wait({reading})
        except ConnectionError:
            pass
        finally:
            call.cancel()
    return answers


async def _read_all(wire: ClientWire, answers: list[bytes]) -> None:
    with suppress(ConnectionError):
        while (answer := await wire.read()) is not None:
            answers.append(answer)


async def works(exporter: Served) -> None:
    """Check that another client is served."""
    with anyio.fail_after(5):
        async with exporter.remote().leased(Claim(role="dut", owner="other"), lambda *_: None) as lease:
            power = lease.device.at("power").client
            assert isinstance(power, Power)
            await power.on()


def hello(**changed: Any) -> bytes:
    return pack({"link": uuid4().hex, "received": 0, "beat": 1.0, "version": VERSION, **changed})


@given(
    st.lists(st.tuples(st.binary(max_size=60), st.lists(st.binary(max_size=60), max_size=3)), min_size=5, max_size=5)
)
@settings(deadline=None, max_examples=3, suppress_health_check=list(HealthCheck))
def test_random_bytes_do_no_harm(tmp_path_factory: Any, talks: list[tuple[bytes, list[bytes]]]) -> None:
    async def main() -> None:
        async with served(tmp_path_factory.mktemp("fuzz"), BENCH) as exporter:
            for first, rest in talks:
                await converse(exporter, first, rest)
                await converse(exporter, hello(), [first, *rest])
            await works(exporter)

    anyio.run(main)


@given(st.lists(st.lists(messages, max_size=6), min_size=8, max_size=8))
@settings(deadline=None, max_examples=4, suppress_health_check=list(HealthCheck))
def test_random_messages_do_no_harm_and_no_answer_shows_a_traceback(
    tmp_path_factory: Any, talks: list[list[tuple[Kind, int, Any]]]
) -> None:
    async def main() -> None:
        async with served(tmp_path_factory.mktemp("fuzz"), BENCH) as exporter:
            for talk in talks:
                take = pack_content(Kind.TAKE, 0, {"owner": "fuzz", "grace": 0.5})
                content = [take, *(encoded for message in talk if (encoded := encode(message)))]
                packets = [pack_head(n, 0, more=True) + one for n, one in enumerate(content, 1)]
                for answer in await converse(exporter, hello(), packets):
                    assert b"Traceback" not in answer
                    assert b".py" not in answer
            await works(exporter)

    anyio.run(main)


def encode(message: tuple[Kind, int, Any]) -> bytes | None:
    try:
        return pack_content(*message)
    except ValueError:
        return None


def test_a_session_that_is_not_known_is_told_so(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(tmp_path, BENCH) as exporter:
            (answer,) = await converse(exporter, hello(received=7), [])
            assert "does not know this session" in msgpack.unpackb(answer)["gone"]

    anyio.run(main)


def test_a_call_without_a_lease_is_refused(tmp_path: Path) -> None:
    async def main() -> None:
        async with served(tmp_path, BENCH) as exporter:
            call = pack_head(1, 0, more=True) + pack_content(Kind.CALL, 1, ["power", "on", {}])
            _, answer = await converse(exporter, hello(), [call])
            (packet,) = unpack(answer)
            assert Kind(packet.kind) is Kind.FAULT
            assert packet.body["what"] == "the exporter is not yours: take it first"

    anyio.run(main)
