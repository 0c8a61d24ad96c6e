"""Reaching an exporter: what is trusted, and what is said of one that cannot be reached."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import grpc.aio
import pytest

from flowrunner.errors import BenchError, FlowrunnerError, PipelineError
from flowrunner.remote.address import Address
from flowrunner.remote.client.channel import opened_channel
from flowrunner.remote.client.connect import connected
from flowrunner.remote.endpoint import Endpoint, Trust
from flowrunner.remote.wire import CLIENT, PASSPHRASE, Empty, messages, services
from tests.support.certificates import Certificate, certificate
from tests.support.relay import Relay

pytestmark = pytest.mark.anyio


Servicer: Any = services.ExporterServiceServicer
"""Abstract in its types only: what is left out is answered as unimplemented."""


class Exporter(Servicer):  # type: ignore[misc]
    """The least that is an exporter. It wants `passphrase`, and counts its calls."""

    def __init__(self, passphrase: str | None) -> None:
        self.passphrase = passphrase
        self.calls = 0

    async def GetReport(self, request: Any, context: Any) -> messages.GetReportResponse:
        await self._introduced(context)
        part = messages.DriverInstanceReport(uuid="1", labels={CLIENT: "acme.Client"})
        return messages.GetReportResponse(uuid="0", reports=[part])

    async def DriverCall(self, request: Any, context: Any) -> messages.DriverCallResponse:
        self.calls += 1
        await asyncio.Event().wait()
        raise AssertionError

    async def _introduced(self, context: Any) -> None:
        if self.passphrase not in (None, dict(context.invocation_metadata()).get(PASSPHRASE)):
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid or missing passphrase")


@asynccontextmanager
async def exporter(
    tls: Certificate | None = None, passphrase: str | None = None
) -> AsyncIterator[tuple[Address, Exporter]]:
    server, service = grpc.aio.server(), Exporter(passphrase)
    services.add_ExporterServiceServicer_to_server(service, server)
    if tls:
        pair = (tls.key.read_bytes(), tls.pem)
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([pair]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield Address(host="127.0.0.1", port=port), service
    finally:
        await server.stop(0)


async def refused(address: Address, trust: Trust | None = None, **fields: Any) -> FlowrunnerError:
    """Why it cannot be connected to."""
    with pytest.raises(FlowrunnerError) as raised:
        async with connected(Endpoint(address=address, trust=trust or Trust(insecure=True), **fields)):
            raise AssertionError("it can")
    return raised.value


async def works(address: Address, trust: Trust, **fields: Any) -> None:
    async with connected(Endpoint(address=address, trust=trust, **fields)) as remote:
        assert remote.id == "0"


async def test_a_certificate_is_trusted_by_who_signed_it_or_by_itself(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    async with exporter(tls) as (address, _):
        await works(address, Trust(ca=tls.pem))
        await works(address, Trust(pin=tls.pin))
        await works(address, Trust(pin=":".join(tls.pin.upper()[at : at + 2] for at in range(0, 64, 2))))


async def test_a_pinned_certificate_may_be_for_another_name(tmp_path: Path) -> None:
    tls = certificate(tmp_path, "bench.lab.example")
    async with exporter(tls) as (address, _):
        await works(address, Trust(pin=tls.pin))
        await works(address, Trust(ca=tls.pem, server_name="bench.lab.example"))
        why = await refused(address, Trust(ca=tls.pem))
    assert "is not trusted" in why.what


async def test_another_certificate_than_the_pinned_one_is_refused_even_when_its_signer_is_trusted(
    tmp_path: Path,
) -> None:
    (tmp_path / "other").mkdir()
    tls, other = certificate(tmp_path), certificate(tmp_path / "other")
    async with exporter(tls) as (address, _):
        why = await refused(address, Trust(pin=other.pin, ca=tls.pem))
        assert why.what == f"{address} has another certificate than the pinned one"
        assert tls.pin in (why.help or "")
        nonsense = await refused(address, Trust(pin="abc"))
    assert isinstance(nonsense, PipelineError)


async def test_a_certificate_that_is_not_trusted_says_the_pin_that_would_trust_it(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    async with exporter(tls) as (address, _):
        why = await refused(address, Trust())
        assert isinstance(why, BenchError)
        assert "is not trusted: self-signed certificate" in why.what
        assert f"--tls-pin {tls.pin}" in (why.help or "")
        assert why.blame == "config"


async def test_plain_text_and_tls_are_told_apart(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    async with exporter(tls) as (address, _):
        why = await refused(address, Trust(insecure=True))
        assert why.what == f"{address} speaks TLS, not plain text"
        assert tls.pin in (why.help or "")
    async with exporter() as (address, _):
        for trust in (Trust(), Trust(pin=tls.pin), Trust(ca=tls.pem)):
            why = await refused(address, trust)
            assert (why.what, why.help) == (f"{address} does not speak TLS", "if plain text is meant, write --insecure")


async def test_a_passphrase_goes_with_each_rpc_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    async with exporter(passphrase="open sesame") as (address, _):
        await works(address, Trust(insecure=True), passphrase="open sesame")
        assert (await refused(address, passphrase="open poppy")).what == f"{address} refused the passphrase"
        assert (await refused(address)).what == f"{address} wants a passphrase"


async def test_nobody_at_a_port_or_under_a_name_is_told() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        address = Address(host="127.0.0.1", port=bound.getsockname()[1])
        why = await refused(address)
    assert why.what == f"'{address}' cannot be reached: Connection refused"
    why = await refused(Address(host="nowhere.invalid", port=1234))
    assert "the host 'nowhere.invalid' was not found" in why.what


async def test_nobody_at_a_socket_is_told(tmp_path: Path) -> None:
    path = tmp_path / "s"
    assert (await refused(Address(path=path))).what == f"there is no socket '{path}'"
    path.write_text("mine")
    assert (await refused(Address(path=path))).what == f"'{path}' is no socket"
    path.unlink()
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))
        assert (await refused(Address(path=path))).what == f"nobody listens on unix:{path}"


async def test_something_else_than_an_exporter_is_told() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    web = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with web:
        address = Address(host="127.0.0.1", port=web.sockets[0].getsockname()[1])
        assert (await refused(address)).what.startswith(f"{address} is no exporter")
    other = grpc.aio.server()
    port = other.add_insecure_port("127.0.0.1:0")
    await other.start()
    try:
        address = Address(host="127.0.0.1", port=port)
        assert (await refused(address)).what == f"{address} is no exporter: it speaks gRPC, but gives no report"
    finally:
        await other.stop(0)


async def reported(stub: Any) -> messages.GetReportResponse:
    """The report over a new connection; the old one may take a moment to be seen as broken."""
    with anyio.fail_after(10):
        while True:
            with suppress(grpc.aio.AioRpcError):
                found: messages.GetReportResponse = await stub.GetReport(Empty(), wait_for_ready=True)
                return found
            await asyncio.sleep(0.01)


async def test_a_call_whose_connection_breaks_is_done_once() -> None:
    async with exporter() as (address, service):
        relay = Relay(address.port)
        async with relay.running():
            near = Endpoint(address=Address(host="127.0.0.1", port=relay.port), trust=Trust(insecure=True))
            async with opened_channel(near) as channel:
                stub = services.ExporterServiceStub(channel)
                calling = asyncio.ensure_future(stub.DriverCall(messages.DriverCallRequest()))
                while not service.calls:
                    await asyncio.sleep(0.01)
                relay.cut()
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await calling
                assert (await reported(stub)).uuid == "0"
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    assert service.calls == 1


async def test_a_connection_that_is_silent_for_a_while_goes_on() -> None:
    async with exporter() as (address, _):
        relay = Relay(address.port)
        async with relay.running():
            near = Endpoint(address=Address(host="127.0.0.1", port=relay.port), trust=Trust(insecure=True))
            async with opened_channel(near) as channel:
                stub = services.ExporterServiceStub(channel)
                await stub.GetReport(Empty())
                relay.go_silent()
                asking = asyncio.ensure_future(stub.GetReport(Empty()))
                await asyncio.sleep(1)
                assert not asking.done()
                relay.heal()
                assert (await asking).uuid == "0"
            assert relay.connections == 1
