"""Our own protocol on the exporter: connections come and go, the clients behind them stay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import grpc
import grpc.aio

from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.tenant import Tenant
from flowrunner.remote.exporter.turn import Turn
from flowrunner.remote.link.packet import METHOD, VERSION, pack, unpack_map

MOST = 200
"""Clients at once, those that wait among them."""


class OwnProtocol(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """The service, as a handler for a gRPC server."""

    def __init__(self, station: Station, within: Turn | None = None) -> None:
        """`within` is a turn in which all clients work, without waiting: for the exporter's own hooks."""
        self._within = within
        self._station = station
        self._tenants: dict[str, Tenant] = {}
        self._tasks: set[asyncio.Task[None]] | None = None
        self._handler = grpc.stream_stream_rpc_method_handler(self._open)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve clients; leaving ends their sessions and makes their devices safe."""
        self._tasks = set()
        try:
            yield
        finally:
            tasks, self._tasks = self._tasks, None
            for tenant in self._tenants.values():
                tenant.stop("the exporter was stopped")
            if tasks:
                with anyio.CancelScope(shield=True):
                    await asyncio.wait(tasks)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handler if handler_call_details.method == METHOD else None

    async def _open(self, requests: object, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        wire = ServerWire(context)
        try:
            hello = unpack_map(await wire.read() or b"")
            tenant, welcome = self._welcome(hello, near=context.peer().startswith("unix"))
            await wire.write(pack(welcome))
            if tenant:
                await tenant.link.carry(wire, hello["received"])
        except ValueError as error:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except ConnectionError:
            return

    def _welcome(self, hello: dict[str, Any], *, near: bool) -> tuple[Tenant | None, dict[str, Any]]:
        """The client that says hello, and the answer to it."""
        match hello:
            case {"link": str(link), "received": int(received), "beat": float() | int() as beat, "version": int()} if (
                0 < len(link) <= 64 and 0.05 <= beat <= 60
            ):
                pass
            case _:
                raise ValueError("not a hello of this protocol")
        tenant = self._tenants.get(link)
        if tenant is None and received:
            return None, {"gone": "the exporter does not know this session any more: it was restarted or gave it up"}
        if tenant is None and (self._tasks is None or len(self._tenants) >= MOST):
            return None, {"gone": f"more than {MOST} clients at once"}
        if tenant is None:
            tenant = Tenant(self._station, beat=beat, near=near, within=self._within)
            self._admit(link, tenant)
        return tenant, {"version": VERSION, "received": tenant.link.received}

    def _admit(self, link: str, tenant: Tenant) -> None:
        assert self._tasks is not None
        self._tenants[link] = tenant
        task = asyncio.create_task(tenant.run())
        self._tasks.add(task)

        def forget(_: object) -> None:
            tenant.link.leave()
            del self._tenants[link]
            if self._tasks is not None:
                self._tasks.discard(task)

        task.add_done_callback(forget)


class ServerWire:
    """The server's end of one connection."""

    def __init__(self, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        self._context = context

    async def read(self) -> bytes | None:
        data = await self._context.read()
        return data if isinstance(data, bytes) else None

    async def write(self, data: bytes) -> None:
        try:
            await self._context.write(data)
        except (grpc.RpcError, asyncio.InvalidStateError, grpc.aio.UsageError, RuntimeError) as error:
            raise ConnectionError("the connection has ended") from error
