"""ExporterService, for clients of Jumpstarter: the report, calls, the log, the status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, NoReturn, TypeAlias
from uuid import uuid4

import grpc
import grpc.aio

from flowrunner.errors import FlowrunnerError
from flowrunner.remote.exporter.facades import Facades
from flowrunner.remote.exporter.operations import Kind, Operation, Operations
from flowrunner.remote.exporter.refusal import Refusal, refused, word
from flowrunner.remote.exporter.report import report
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.told import told
from flowrunner.remote.later import framed, text
from flowrunner.remote.values import from_value, to_value
from flowrunner.remote.wire import MESSAGE_LIMIT, DecodeError, Value, messages, services

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"
Call: TypeAlias = "messages.DriverCallRequest | messages.StreamingDriverCallRequest"

SOME = str(uuid4())
"""The uuid of each answer: it must be there, and means nothing."""

RESULT = 2
ANSWER = text(1, SOME)
NOTHING = ANSWER + framed(RESULT, Value(null_value=0).SerializeToString())
"""The bytes of a `DriverCallResponse`: the number of its result, its beginning, the whole of one that says nothing."""

ROOM = 64
"""Bytes of an answer beside its result."""


CALL = "/jumpstarter.v1.ExporterService/DriverCall"


class Exporter(services.ExporterServiceServicer, grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types
    """The service over a station, as a handler for a gRPC server. Its calls go to the open device: nobody is refused but by who has the bench alone."""

    def __init__(self, station: Station, facades: Facades) -> None:
        self._station = station
        self._facades = facades
        self._operations = Operations(facades, station.logs)
        self._ending: asyncio.Task[None] | None = None
        self._rpcs = {METHOD.format(name): handler for name, handler in self._handlers()}

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._rpcs.get(handler_call_details.method)

    def _handlers(self) -> Iterator[tuple[str, grpc.RpcMethodHandler]]:
        for rpc in messages.DESCRIPTOR.services_by_name["ExporterService"].methods:
            

    async def GetReport(self, request: Any, context: Context) -> messages.GetReportResponse:  # noqa: N802
        return await report(self._station, self._facades)

    async def DriverCall(self, request: bytes, context: Context) -> bytes:  # noqa: N802
        """Both messages as bytes: most calls have no arguments and no answer, and are the same each time."""
        operation = None
        try:
            operation, arguments = self._call(request)
            operation.begun()
            answer = await operation.method(*arguments)
            data = NOTHING if answer is None else ANSWER + framed(RESULT, _checked(to_value(answer)).SerializeToString())
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            await _abort(context, error, operation)
        except BaseException:
            if operation:
                operation.failed("its client went away", "cancelled")
            raise
        operation.done()
        return data

    def _call(self, request: bytes) -> tuple[Operation, Sequence[Any]]:
        """What is called, and with what."""
        if self._station.statuses.ready and (known := self._operations.call(request)):
            return known, ()
        try:
            message = messages.DriverCallRequest.FromString(request)
        except DecodeError as error:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "the request is no DriverCallRequest") from error
        operation = self._operation("unary", message)
        self._operations.seen(request, message, operation)
        return operation, [from_value(each) for each in message.args]

    async def StreamingDriverCall(  # noqa: N802
        self, request: messages.StreamingDriverCallRequest, context: Context
    ) -> AsyncIterator[messages.StreamingDriverCallResponse]:
        operation = None
        try:
            operation = self._operation("iterators", request)
            operation.begun()
            async with _closing(operation.method(*map(from_value, request.args))) as answers:
                async for answer in answers:
                    value = _checked(to_value(answer))
                    yield messages.StreamingDriverCallResponse(uuid=SOME, result=value)
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            await _abort(context, error, operation)
        except BaseException:  # clients end iterators so: it is no failure
            if operation:
                operation.done()
            raise
        operation.done()

    async def LogStream(  # noqa: N802
        self, request: Any, context: Context
    ) -> AsyncIterator[messages.LogStreamResponse]:
        async with aclosing(self._station.logs.everything()) as lines:
            async for said in lines:
                yield told(said)

    async def GetStatus(  # noqa: N802
        self, request: Any, context: Context
    ) -> messages.GetStatusResponse:
        now = self._station.statuses.now
        previous = {} if now.previous is None else {"previous_status": int(now.previous)}
        return messages.GetStatusResponse(
            status=int(now.status), message=now.message, status_version=now.version, **previous
        )

    async def EndSession(  # noqa: N802
        self, request: Any, context: Context
    ) -> messages.EndSessionResponse:
        if self._station.turn:
            return messages.EndSessionResponse(success=False, message=f"in use by {self._station.turn.owner}")
        self._ending = asyncio.create_task(self._station.end_session())
        return messages.EndSessionResponse(success=True)

    async def Reset(self, request: Any, context: Context) -> messages.ResetResponse:  # noqa: N802
        try:
            await self._station.reset()
        except FlowrunnerError as error:
            await _abort(context, error)
        return messages.ResetResponse()

    def _operation(self, kind: Kind, request: Call) -> Operation:
        """What is called.

        Raises:
            Refusal: there is no such thing, or no call may be made now.
        """
        if not self._station.statuses.ready:
            what = f"Exporter not ready for driver calls (status: {self._station.statuses.now.status.name})"
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, what)
        return self._operations.find(kind, request.uuid, request.method)


async def _abort(context: Context, error: Exception, operation: Operation | None = None) -> NoReturn:
    """End an rpc with what went wrong, in the words of the wire."""
    refusal = refused(error)
    if operation:
        operation.failed(refusal.what, word(error, refusal))
    await context.abort(refusal.code, refusal.what)
    raise refusal  # for those who read types: abort raises


def _checked(answer: Any) -> Any:
    """An answer that clients take.

    Raises:
        Refusal: it is too large.
    """
    if (size := answer.ByteSize()) > MESSAGE_LIMIT - ROOM:
        what = f"the answer has {size} bytes, more than the {MESSAGE_LIMIT} of one message"
        raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, what)
    return answer


def _closing(answers: Any) -> aclosing[AsyncGenerator[Any, None]]:
    """Close an iterator behind its last use, where it can be."""
    return aclosing(answers if hasattr(answers, "aclose") else _closable(answers))


async def _closable(answers: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    async for answer in answers:
        yield answer
