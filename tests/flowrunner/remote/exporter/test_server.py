"""The server of an exporter: where it listens, whom it lets in, what it takes."""

from __future__ import annotations

import socket
import stat
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest

from flowrunner.bench.config import load_exporter
from flowrunner.errors import BenchError, FlowrunnerError, PipelineError
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


async def refuses(folder: Path, *listens: Listen) -> FlowrunnerError:
    """The error with which it does not start."""
    with pytest.raises(FlowrunnerError) as raised:
        async with server(folder, *listens):
            pass
    assert raised.value.help
    return raised.value


async def test_a_certificate_that_cannot_be_used_is_an_error(tmp_path: Path) -> None:
    mine, other = certificate(tmp_path), certificate(tmp_path, "elsewhere")
    locked, none = tmp_path / "locked.key", tmp_path / "none.pem"
    command = ["openssl", "ec", "-in", str(mine.key), "-aes128", "-passout", "pass:x", "-out", str(locked)]
    subprocess.run(command, check=True, capture_output=True)
    none.write_text("no certificate")
    for pem, key, words in (
        (none, mine.key, "cannot be used"),
        (mine.certificate, other.key, "is not that of the certificate"),
        (mine.certificate, locked, "is locked with a password"),
        (tmp_path / "nothing", mine.key, "cannot be read: No such file"),
    ):
        error = await refuses(tmp_path, Listen(address=ANY_PORT, certificate=pem, key=key))
        assert isinstance(error, PipelineError)
        assert words in error.what


async def test_a_port_is_served_in_plain_text_only_when_that_is_said(tmp_path: Path) -> None:
    error = await refuses(tmp_path, Listen(address=ANY_PORT))
    assert "has no certificate" in error.what


async def test_an_address_that_cannot_be_had_says_why(tmp_path: Path) -> None:
    missing = await refuses(tmp_path, Listen(address=Address(path=tmp_path / "nowhere" / "s")))
    assert "there is no folder" in missing.what
    foreign = await refuses(tmp_path, Listen(address=Address(host="192.0.2.1", port=0), insecure=True))
    assert "'192.0.2.1' is no address of this machine" in foreign.what
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken = Address(host="127.0.0.1", port=busy.getsockname()[1])
        assert "the port is in use" in (await refuses(tmp_path, Listen(address=taken, insecure=True))).what


async def test_when_one_address_cannot_be_had_none_stays(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken = Address(host="127.0.0.1", port=busy.getsockname()[1])
        first = Listen(address=Address(path=tmp_path / "s"))
        await refuses(tmp_path, first, Listen(address=taken, insecure=True))
    assert not (tmp_path / "s").exists()


async def test_each_address_has_the_passphrase_that_was_said_for_it(tmp_path: Path) -> None:
    open_, closed, port = (
        Listen(address=Address(path=tmp_path / "open")),
        Listen(address=Address(path=tmp_path / "closed"), passphrase="sesame"),
        Listen(address=ANY_PORT, insecure=True, passphrase="mellon"),
    )
    async with server(tmp_path, open_, closed, port) as found:
        where = found.addresses
        assert (await report(where[0])).reports
        for address, phrase in ((where[1], "mellon"), (where[2], "sesame")):
            with pytest.raises(grpc.aio.AioRpcError, match="invalid or missing passphrase"):
                await report(address, [("x-jumpstarter-passphrase", phrase)])
        assert (await report(where[1], [("x-jumpstarter-passphrase", "sesame")])).reports
        assert (await report(where[2], [("x-jumpstarter-passphrase", "mellon")])).reports


async def test_a_passphrase_that_is_empty_is_an_error(tmp_path: Path) -> None:
    error = await refuses(tmp_path, Listen(address=Address(path=tmp_path / "s"), passphrase=""))
    assert error.what == "the passphrase is empty"


async def test_a_passphrase_said_twice_is_not_said(tmp_path: Path) -> None:
    address = Address(path=tmp_path / "s")
    async with server(tmp_path, Listen(address=address, passphrase="sesame")):
        with pytest.raises(grpc.aio.AioRpcError, match="invalid or missing passphrase"):
            await report(address, [("x-jumpstarter-passphrase", "guess"), ("x-jumpstarter-passphrase", "sesame")])


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
            stub.GetStatus(messages.GetStatusRequest(), metadata=metadata),
            stub.StreamingDriverCall(messages.StreamingDriverCallRequest(), metadata=metadata).read(),
            stub.EndSession(messages.EndSessionRequest(), metadata=metadata),
            stub.Reset(messages.ResetRequest(), metadata=metadata), channel.unary_unary("/no.Such/Rpc")(b"", metadata=metadata),
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
