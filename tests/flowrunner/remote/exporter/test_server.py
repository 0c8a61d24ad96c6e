"""The server of an exporter: where it listens, whom it lets in, what it takes."""

from __future__ import annotations

import socket
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from flowrunner.bench.config import load_exporter
from flowrunner.errors import BenchError
from flowrunner.remote.address import Address
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.remote import Claim
from flowrunner.remote.endpoint import Endpoint, Listen, Trust
from flowrunner.remote.exporter.own import OwnProtocol
from flowrunner.remote.exporter.server import Server, serving
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.link.packet import METHOD
from flowrunner.remote.wire import Empty, messages, services
from tests.support.certificates import certificate

pytestmark = pytest.mark.anyio

BENCH = "export: {power: {type: power.virtual, config: {interval: 0}}}"
ANY_PORT = Address(host="127.0.0.1", port=0)


@asynccontextmanager
async def server(folder: Path, *listens: Listen) -> AsyncIterator[Server]:
    (folder / "exporter.yaml").write_text(BENCH)
    station = Station(load_exporter(folder / "exporter.yaml"), "bench")
    own = OwnProtocol(station)
    async with station.opened(), serving(station, listens, [own]) as found, own.running():
        yield found


async def report(address: Address, metadata: Sequence[tuple[str, str]] = ()) -> Any:
    async with grpc.aio.insecure_channel(address.target) as channel:
        return await services.ExporterServiceStub(channel).GetReport(Empty(), metadata=metadata, timeout=5)


async def works(endpoint: Endpoint) -> None:
    """Lease it and call a driver."""
    claim = Claim(role="dut", owner="tester")
    async with connected(endpoint) as remote, remote.leased(claim, lambda *_: None) as lease:
        await lease.device.at("power").client.on()  # type: ignore[union-attr]


async def test_a_socket_is_for_its_owner_only_and_goes_with_the_server(tmp_path: Path) -> None:
    address = Address(path=tmp_path / "s")
    async with server(tmp_path, Listen(address=address)):
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
        assert (await report(address)).reports
    assert not (tmp_path / "s").exists()


async def test_a_socket_that_nobody_listens_on_is_replaced_and_any_other_file_is_not(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    async with server(tmp_path, Listen(address=Address(path=tmp_path / "s"))):
        with pytest.raises(BenchError, match="another exporter listens on"):
            async with server(tmp_path, Listen(address=Address(path=tmp_path / "s"))):
                pass
        assert (await report(Address(path=tmp_path / "s"))).reports
    (tmp_path / "file").write_text("mine")
    with pytest.raises(BenchError, match="cannot listen on"):
        async with server(tmp_path, Listen(address=Address(path=tmp_path / "file"))):
            pass
    assert (tmp_path / "file").read_text() == "mine"


async def test_a_port_that_was_found_is_told_and_one_in_use_is_an_error(tmp_path: Path) -> None:
    async with server(tmp_path, Listen(address=ANY_PORT, insecure=True)) as first:
        (address,) = first.addresses
        assert address.port
        await works(Endpoint(address=address, trust=Trust(insecure=True)))
        with pytest.raises(BenchError, match=f"cannot listen on 127.0.0.1:{address.port}"):
            async with server(tmp_path, Listen(address=address, insecure=True)):
                pass


async def test_tls_is_trusted_by_authority_or_by_pin_and_not_otherwise(tmp_path: Path) -> None:
    mine, other = certificate(tmp_path), certificate(tmp_path, "elsewhere")
    listen = Listen(address=ANY_PORT, certificate=mine.certificate, key=mine.key)
    async with server(tmp_path, listen) as found:
        (address,) = found.addresses
        await works(Endpoint(address=address, trust=Trust(ca=mine.pem)))
        await works(Endpoint(address=address, trust=Trust(pin=mine.pin)))
        for trust in (Trust(), Trust(ca=other.pem), Trust(pin=other.pin), Trust(insecure=True)):
            with pytest.raises(BenchError) as raised:
                await works(Endpoint(address=address, trust=trust))
            assert raised.value.blame in ("infra", "config")
            assert raised.value.help


async def test_a_certificate_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    mine = certificate(tmp_path)
    mine.certificate.write_text("no certificate")
    with pytest.raises(BenchError, match="certificate"):
        async with server(tmp_path, Listen(address=ANY_PORT, certificate=mine.certificate, key=mine.key)):
            pass


@pytest.mark.parametrize("said", [None, "", "wrong", "sesame ", "SESAME"])
async def test_the_passphrase_is_asked_for_on_each_rpc_of_each_service(tmp_path: Path, said: str | None) -> None:
    listen = Listen(address=Address(path=tmp_path / "s"), passphrase="sesame")
    metadata = () if said is None else (("x-jumpstarter-passphrase", said),)
    async with server(tmp_path, listen), grpc.aio.insecure_channel(f"unix://{tmp_path}/s") as channel:
        stub = services.ExporterServiceStub(channel)
        call = messages.DriverCallRequest(uuid="x", method="on")
        own = channel.stream_stream(METHOD)(metadata=metadata)
        router = channel.stream_stream("/jumpstarter.v1.RouterService/Stream")(metadata=metadata)
        attempts = (
            stub.GetReport(Empty(), metadata=metadata), stub.DriverCall(call, metadata=metadata),
            stub.LogStream(Empty(), metadata=metadata).read(), own.read(), router.read(),
        )  # fmt: skip
        for attempt in attempts:
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await attempt
            assert raised.value.code() is grpc.StatusCode.UNAUTHENTICATED
            assert raised.value.details() == "invalid or missing passphrase"


async def test_who_knows_the_passphrase_is_let_in(tmp_path: Path) -> None:
    async with server(tmp_path, Listen(address=Address(path=tmp_path / "s"), passphrase="sesame")):
        await works(Endpoint(address=Address(path=tmp_path / "s"), passphrase="sesame"))
        with pytest.raises(BenchError, match="passphrase") as raised:
            await works(Endpoint(address=Address(path=tmp_path / "s"), passphrase="secret-guess"))
        assert "secret-guess" not in str(raised.value)


async def test_what_is_too_large_is_refused_and_the_next_one_works(tmp_path: Path) -> None:
    address = Address(path=tmp_path / "s")
    async with server(tmp_path, Listen(address=address)), grpc.aio.insecure_channel(address.target) as channel:
        stub = services.ExporterServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await stub.DriverCall(messages.DriverCallRequest(uuid="x", method="m" * 5_000_000))
        assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        with pytest.raises(grpc.aio.AioRpcError):
            await stub.GetReport(Empty(), metadata=[("huge", "x" * 200_000)])
        assert (await stub.GetReport(Empty())).reports
