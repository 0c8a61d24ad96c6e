"""ExporterService, for clients of Jumpstarter: the report, calls, the log, the status."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any

import grpc
import grpc.aio

from flowrunner.errors import FlowrunnerError
from flowrunner.remote.exporter.driver_calls import SOME, DriverCalls
from flowrunner.remote.exporter.facades import Facades
from flowrunner.remote.exporter.log_message import log_message
from flowrunner.remote.exporter.operations import Operations
from flowrunner.remote.exporter.refusal import Context, abort, checked, read
from flowrunner.remote.exporter.report import report
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.values import from_value, to_value
from flowrunner.remote.wire import messages

log = logging.getLogger(__name__)

SERVICE = "/jumpstarter.v1.ExporterService/"


class Exporter(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """The service over a station, as a handler for a gRPC server.

    Its calls go to the open device: nobody is refused but by who has the bench alone. It is not registered with the
    stubs' own function: gRPC would find what that registers before it asks a doorkeeper.
    """

    def __init__(self, station: Station, facades: Facades) -> None:
        self._station = station
        self._facades = facades
        self._operations = Operations(station, facades)
        self._changes: set[asyncio.Task[None]] = set()
        self._rpcs = self._handlers()

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._rpcs.get(handler_call_details.method)

    def _handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        """Requests come as bytes: most say nothing, and what cannot be read is for us to answer."""
        one, many = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        rpcs = {
            "GetReport": one(self._get_report, None, messages.GetReportResponse.SerializeToString),
            "DriverCall": one(DriverCalls(self._operations).answer),
            "StreamingDriverCall": many(self._iterate, None, messages.StreamingDriverCallResponse.SerializeToString),
            "LogStream": many(self._log_stream, None, messages.LogStreamResponse.SerializeToString),
            "Reset": one(self._reset, None, messages.ResetResponse.SerializeToString),
            "GetStatus": one(self._get_status, None, messages.GetStatusResponse.SerializeToString),
            "EndSession": one(self._end_session, None, messages.EndSessionResponse.SerializeToString),
        }
        return {SERVICE + name: handler for name, handler in rpcs.items()}

    async def _get_report(self, request: bytes, context: Context) -> messages.GetReportResponse:
        return await report(self._station, self._facades)

    async def _iterate(self, request: bytes, context: Context) -> AsyncIterator[messages.StreamingDriverCallResponse]:
        operation = None
        try:
            message = read(messages.StreamingDriverCallRequest, request)
            operation = self._operations.find("iterators", message.uuid, message.method)
            operation.begun()
            async with _closing(operation.method(*map(from_value, message.args))) as answers:
                async for answer in answers:
                    value = to_value(answer)
                    checked(value)
                    yield messages.StreamingDriverCallResponse(uuid=SOME, result=value)
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            await abort(context, error, operation)
        except BaseException:  # clients end iterators so: it is no failure
            if operation:
                operation.done()
            raise
        operation.done()

    async def _log_stream(self, request: bytes, context: Context) -> AsyncIterator[messages.LogStreamResponse]:
        async with aclosing(self._station.logs.everything()) as lines:
            async for said in lines:
                yield log_message(said)

    async def _get_status(self, request: bytes, context: Context) -> messages.GetStatusResponse:
        now = self._station.statuses.now
        previous = {} if now.previous is None else {"previous_status": int(now.previous)}
        return messages.GetStatusResponse(
            status=int(now.status), message=now.message, status_version=now.version, **previous
        )

    async def _end_session(self, request: bytes, context: Context) -> messages.EndSessionResponse:
        turn = self._station.turn
        if turn:
            return messages.EndSessionResponse(success=False, message=f"the exporter is in use by {turn.owner}")
        self._changing(self._station.end_session())
        return messages.EndSessionResponse(success=True, message="the session ends: watch the status")

    async def _reset(self, request: bytes, context: Context) -> messages.ResetResponse:
        try:
            await asyncio.shield(self._changing(self._station.reset()))
        except FlowrunnerError as error:
            await abort(context, error)
        return messages.ResetResponse()

    def _changing(self, change: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Change the station, to the end: gRPC cancels what a client has asked for when that goes away."""
        task = asyncio.create_task(change)
        self._changes.add(task)
        task.add_done_callback(self._changed)
        return task

    def _changed(self, task: asyncio.Task[None]) -> None:
        self._changes.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.warning("what a client has asked for was not done: %s", error)


def _closing(answers: Any) -> aclosing[AsyncGenerator[Any, None]]:
    """Close an iterator behind its last use, where it can be."""
    return aclosing(answers if hasattr(answers, "aclose") else _closable(answers))


async def _closable(answers: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    async for answer in answers:
        yield answer
