"""The gRPC server of an exporter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import anyio
import grpc
import grpc.aio

from flowrunner.remote.address import Address
from flowrunner.remote.endpoint import Listen
from flowrunner.remote.exporter.binding import bound
from flowrunner.remote.exporter.facades import Facades
from flowrunner.remote.exporter.jumpstarter import Exporter
from flowrunner.remote.exporter.limits import OPTIONS, RPCS
from flowrunner.remote.exporter.router import Router
from flowrunner.remote.exporter.security import Doorkeeper
from flowrunner.remote.exporter.station import Station

LAST_LIMIT = 0.2
"""Seconds that rpcs may take to end when the server stops."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens; `addresses` are the true ones, with the ports that were found free."""

    addresses: tuple[Address, ...]


@asynccontextmanager
async def serving(
    station: Station, listens: Sequence[Listen], handlers: Sequence[grpc.GenericRpcHandler] = ()
) -> AsyncIterator[Server]:
    """Serve clients of Jumpstarter, and those that `handlers` are for, until left.

    Raises:
        PipelineError: a port has no certificate, or one that cannot be used; a passphrase is empty.
        BenchError: one of the addresses cannot be listened on.
    """
    facades = Facades(station)
    exporter, router = Exporter(station, facades), Router(facades.facade, facades.resources, station.closed_to_all)
    servers: dict[str | None, grpc.aio.Server] = {}
    with ExitStack() as sockets:
        try:
            addresses = []
            for listen in listens:
                if listen.passphrase not in servers:
                    servers[listen.passphrase] = made(exporter, (router, *handlers), listen.passphrase)
                addresses.append(sockets.enter_context(bound(servers[listen.passphrase], listen)))
            for server in servers.values():
                await server.start()
            yield Server(tuple(addresses))
        finally:
            with anyio.CancelScope(shield=True):
                for server in servers.values():
                    await server.stop(LAST_LIMIT)


def made(
    exporter: Exporter, handlers: Sequence[grpc.GenericRpcHandler], passphrase: str | None = None
) -> grpc.aio.Server:
    """A server that listens nowhere yet. All of its rpcs need the passphrase: each has its server."""
    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=RPCS)
    if passphrase is not None:
        server.add_generic_rpc_handlers((Doorkeeper(passphrase),))
    server.add_generic_rpc_handlers((exporter, *handlers))
    return server
