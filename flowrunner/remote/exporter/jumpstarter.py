"""ExporterService, for clients of Jumpstarter and for the report of our own."""

from __future__ import annotations

from typing import Any

import grpc.aio

from flowrunner.remote.exporter.report import report
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.wire import messages, services


class Exporter(services.ExporterServiceServicer):
    """The service over a station."""

    def __init__(self, station: Station) -> None:
        self._station = station

    async def GetReport(  # noqa: N802
        self, request: Any, context: grpc.aio.ServicerContext[Any, Any]
    ) -> messages.GetReportResponse:
        return report(self._station)
