"""Byte streams of drivers and of resources for clients of Jumpstarter: the exporter's side of RouterService."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import anyio
import grpc
import grpc.aio

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interface import ByteStream, has_borders
from flowrunner.remote.exporter.carried import carried
from flowrunner.remote.exporter.refusal import refused
from flowrunner.remote.exporter.resources import Resources
from flowrunner.remote.exporter.server_wire import Gone, ServerContext, ServerWire
from flowrunner.remote.exporter.stream_request import DriverStream, ResourceStream, read_request
from flowrunner.remote.exporter.turn import Busy
from flowrunner.remote.frame_stream import FrameStream
from flowrunner.remote.frames import METHOD
from flowrunner.remote.wire import ACCEPTED, RESOURCE

_log = logging.getLogger(__name__)


class Streams(Protocol):
    """What the router needs of a part's facade: its stream methods, and the names of the others."""

    @property
    def unary(self) -> Mapping[str, Any]:
        """Methods that answer once."""
        ...

    @property
    def iterators(self) -> Mapping[str, Any]:
        """Methods that answer many times."""
        ...

    @property
    def streams(self) -> Mapping[str, Callable[[], AbstractAsyncContextManager[ByteStream]]]:
        """Methods that open a byte stream."""
        ...


class Router(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """The service, as a handler for a gRPC server.

    `facades` and `resources` give what belongs to the part of a uuid; `facades` raises KeyError where there is none.
    A stream that is open ends when `ended` returns.
    """

    def __init__(
        self,
        facades: Callable[[str], Streams],
        resources: Callable[[str], Resources],
        ended: Callable[[], Awaitable[BenchError]],
    ) -> None:
        self._ended = ended
        self._facades = facades
        self._resources = resources
        self._handler = grpc.stream_stream_rpc_method_handler(self._serve)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handler if handler_call_details.method == METHOD else None

    async def _serve(self, requests: object, context: ServerContext) -> None:
        try:
            match read_request(context.invocation_metadata()):
                case DriverStream() as request:
                    await self._device(request, context)
                case ResourceStream() as request:
                    await self._resource(request, context)
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            await self._failed(error, context)

    async def _failed(self, error: Exception, context: ServerContext) -> None:
        """Tell the client; or the log, where the client has left or should not be told."""
        task = asyncio.current_task()
        left = task is not None and task.cancelling() > 0
        ours = isinstance(error, FlowrunnerError)
        if left or not ours:
            _log.error("a byte stream failed: %s", error, exc_info=None if ours else error)
        if not left:
            await context.abort(*_status(error))

    async def _device(self, request: DriverStream, context: ServerContext) -> None:
        opening = self._method(request)
        async with opening() as device:
            await context.send_initial_metadata(())
            async with FrameStream(ServerWire(context), datagrams=has_borders(device)).running() as stream:
                await carried(device, stream, ended=self._ended)

    def _method(self, request: DriverStream) -> Callable[[], AbstractAsyncContextManager[ByteStream]]:
        facade = self._facade(request.uuid)
        if request.method in facade.streams:
            return facade.streams[request.method]
        if request.method in facade.unary or request.method in facade.iterators:
            raise NoSuchMethod(f"method {request.method} missing marker marker_streamcall")
        raise NoSuchMethod(f"method {request.method} not found on driver")

    def _facade(self, uuid: str) -> Streams:
        try:
            return self._facades(uuid)
        except KeyError as error:
            raise BenchError(f"there is no driver '{uuid}'", blame="config") from error

    async def _resource(self, request: ResourceStream, context: ServerContext) -> None:
        """Offer the client's stream to the driver, until that is done with it; then until the client is, too."""
        self._facade(request.uuid)
        async with FrameStream(ServerWire(context)).running() as stream:
            try:
                await self._offered(request, context, stream)
            finally:
                stream.leave(Gone())  # for the driver, when it was still at it

    async def _offered(self, request: ResourceStream, context: ServerContext, stream: FrameStream) -> None:
        with self._resources(request.uuid).offered(stream, request.encoding) as offer:
            answer = [(RESOURCE, json.dumps(offer.handle))]
            if offer.encoding:
                answer.append((ACCEPTED, offer.encoding))
            await context.send_initial_metadata(answer)
            await offer.done.wait()
        await stream.send_eof()
        await _emptied(stream)
        await stream.flushed()


def _status(error: Exception) -> tuple[grpc.StatusCode, str]:
    """How an rpc ends: the table for calls does not count for streams, all but two reasons are UNKNOWN."""
    match error:
        case NoSuchMethod():
            code = grpc.StatusCode.NOT_FOUND
        case Busy():
            code = grpc.StatusCode.FAILED_PRECONDITION
        case _:
            code = grpc.StatusCode.UNKNOWN
    return code, refused(error).what


async def _emptied(stream: FrameStream) -> None:
    """Let the client finish what it sends, though nobody wants it."""
    try:
        while True:
            await stream.receive()
    except (anyio.EndOfStream, FlowrunnerError):
        return


class NoSuchMethod(BenchError):
    """The driver has no such method, or it opens no stream."""
