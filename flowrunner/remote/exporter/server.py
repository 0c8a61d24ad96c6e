"""The gRPC server of an exporter."""

from __future__ import annotations

import hmac
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import grpc
import grpc.aio

from flowrunner.errors import BenchError
from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Listen
from flowrunner.remote.exporter.facades import Facades
from flowrunner.remote.exporter.jumpstarter import Exporter
from flowrunner.remote.exporter.router import Router
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.wire import PASSPHRASE, services

OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.max_concurrent_streams", 1000),
)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens; `addresses` are the true ones, with the ports that were found free."""

    addresses: tuple[Address, ...]


@asynccontextmanager
async def serving(
    station: Station, listens: Sequence[Listen], handlers: Sequence[grpc.GenericRpcHandler] = ()
) -> AsyncIterator[Server]:
    """Serve until left.

    Raises:
        BenchError: one of the addresses cannot be listened on, or its certificate cannot be used.
    """
    passphrases = {listen.passphrase for listen in listens if listen.passphrase}
    interceptors = [_Passphrase(passphrases)] if passphrases else []
    server = grpc.aio.server(interceptors=interceptors, options=OPTIONS)
    facades = Facades(station)
    router = Router(facades.facade, facades.resources, station.closed_to_all)
    server.add_generic_rpc_handlers((*handlers, router))
    services.add_ExporterServiceServicer_to_server(Exporter(station, facades), server)
    addresses = tuple(_bind(server, listen) for listen in listens)
    await server.start()
    for address in addresses:
        if address.path:
            os.chmod(address.path, 0o600)  # noqa: PTH101
    try:
        yield Server(addresses)
    finally:
        await server.stop(0.2)
        for address in addresses:
            if address.path:
                address.path.unlink(missing_ok=True)


def _bind(server: grpc.aio.Server, listen: Listen) -> Address:
    address = listen.address
    if address.path:
        _clear(address)
    try:
        if listen.certificate and listen.key:
            pair = (listen.key.read_bytes(), listen.certificate.read_bytes())
            port = server.add_secure_port(address.target, grpc.ssl_server_credentials([pair]))
        else:
            port = server.add_insecure_port(address.target)
    except (RuntimeError, OSError) as error:
        raise BenchError(f"cannot listen on {address}", blame="infra", help="is it in use already?") from error
    return address if address.path else replace(address, port=port)


def _clear(address: Address) -> None:
    """Remove a socket that nobody listens on any more."""
    assert address.path
    if not address.path.is_socket():
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(address.path))
        except ConnectionRefusedError:
            address.path.unlink()
            return
    raise BenchError(f"another exporter listens on {address}", blame="infra", help="stop it, or choose another address")


class _Passphrase(grpc.aio.ServerInterceptor):  # type: ignore[misc] # grpc has no types
    """Refuses every rpc that does not bring the passphrase."""

    def __init__(self, known: set[str]) -> None:
        self._known = [text.encode() for text in known]

    async def intercept_service(
        self, continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]], details: grpc.HandlerCallDetails
    ) -> Any:
        given = next((value for key, value in details.invocation_metadata if key == PASSPHRASE), "")
        said = given.encode() if isinstance(given, str) else given
        matches = sum(hmac.compare_digest(said, known) for known in self._known)  # all of them: it takes the same time
        return await continuation(details) if matches else _REFUSAL


async def _refuse(requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
    await context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid or missing passphrase")


_REFUSAL = grpc.stream_stream_rpc_method_handler(_refuse)
