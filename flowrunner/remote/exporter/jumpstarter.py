"""ExporterService, for clients of Jumpstarter: the report, calls, the log, the status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, NoReturn, TypeAlias
from uuid import uuid4

import grpc
import grpc.aio

from flowrunner.errors import FlowrunnerError
from flowrunner.remote.client.remote import LogLine
from flowrunner.remote.exporter.facades import Facades
from flowrunner.remote.exporter.refusal import Refusal, refused
from flowrunner.remote.exporter.report import report
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.status import READY
from flowrunner.remote.values import from_value, to_value
from flowrunner.remote.wire import messages, services

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

SOURCES = {"driver": 1, "before_lease": 2, "after_lease": 3, "system": 4}
"""`jumpstarter.v1.LogSource`."""


class Exporter(services.ExporterServiceServicer):
    """The service over a station. Its calls go to the open device: nobody is refused but by who has the bench alone."""

    def __init__(self, station: Station, facades: Facades) -> None:
        self._station = station
        self._facades = facades
        self._ending: asyncio.Task[None] | None = None

    async def GetReport(self, request: Any, context: Context) -> messages.GetReportResponse:  # noqa: N802
        return report(self._station)

    async def DriverCall(  # noqa: N802
        self, request: messages.DriverCallRequest, context: Context
    ) -> messages.DriverCallResponse:
        try:
            method = self._method(request, "unary")
            with self._logged(request):
                answer = to_value(await method(*map(from_value, request.args)))
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            await _abort(context, refused(error))
        return messages.DriverCallResponse(uuid=str(uuid4()), result=answer)

    async def StreamingDriverCall(  # noqa: N802
        self, request: messages.StreamingDriverCallRequest, context: Context
    ) -> AsyncIterator[messages.StreamingDriverCallResponse]:
        try:
            method = self._method(request, "iterators")
            with self._logged(request):
                async for answer in method(*map(from_value, request.args)):
                    yield messages.StreamingDriverCallResponse(uuid=str(uuid4()), result=to_value(answer))
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            await _abort(context, refused(error))

    async def LogStream(  # noqa: N802
        self, request: Any, context: Context
    ) -> AsyncIterator[messages.LogStreamResponse]:
        async for line in self._station.logs.lines(kept=True):
            yield messages.LogStreamResponse(severity=line.severity, message=line.message, source=SOURCES[line.source])

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
            await _abort(context, refused(error))
        return messages.ResetResponse()

    def _method(self, request: Any, kind: str) -> Callable[..., Any]:
        """The method that is meant.

        Raises:
            Refusal: there is none, or no call may be made now.
        """
        stand = self._station.statuses.now
        if stand.status not in READY:
            what = f"Exporter not ready for driver calls (status: {stand.status.name})"
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, what)
        try:
            facade = self._facades.facade(request.uuid)
        except KeyError:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"there is no driver '{request.uuid}'") from None
        methods: Mapping[str, Callable[..., Any]] = getattr(facade, kind)
        if request.method in methods:
            return methods[request.method]
        if any(request.method in table for table in (facade.unary, facade.iterators, facade.streams)):
            marker = "marker_drivercall" if kind == "unary" else "marker_streamingdrivercall"
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"method {request.method} missing marker {marker}")
        raise Refusal(grpc.StatusCode.NOT_FOUND, f"method {request.method} not found on driver")

    def _logged(self, request: Any) -> _Operation:
        return _Operation(self._station, self._facades.node(request.uuid).part.path, request.method)


class _Operation:
    """Tells the log how an operation begins and ends."""

    __slots__ = ("_driver", "_operation", "_station")

    def __init__(self, station: Station, driver: str, operation: str) -> None:
        self._station = station
        self._driver = driver
        self._operation = operation

    def __enter__(self) -> None:
        self._say("Operation started", "INFO")

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        if kind is None:
            self._say("Operation completed", "INFO")
        else:
            self._say("Operation failed", "ERROR" if issubclass(kind, Exception) else "WARNING")

    def _say(self, message: str, severity: str) -> None:
        line = LogLine(
            message=f"{self._driver} {self._operation}: {message}", severity=severity, source="driver",
            driver=self._driver, operation=self._operation,
        )  # fmt: skip
        self._station.logs.say(line)


async def _abort(context: Context, refusal: Refusal) -> NoReturn:
    await context.abort(refusal.code, refusal.what)
    raise refusal  # for those who read types: abort raises
