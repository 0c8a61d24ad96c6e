"""What an exporter of Jumpstarter logs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC
from typing import Any

import anyio
import grpc
import grpc.aio

from flowrunner.remote.client.remote import SOURCES, LogLine, Source
from flowrunner.remote.wire import Empty, services

ATTEMPTS = 10
PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""How often a stream that broke is opened again, and the seconds before that: the second doubles the first."""

WORDS: Mapping[int, Source] = {number: word for word, number in SOURCES.items()}


async def follow(channel: grpc.aio.Channel, on_log: Callable[[LogLine], None]) -> None:
    """Tell what it logs, until cancelled; one that does not log for others ends it.

    With several clients each line reaches only one of them, in versions up to 0.9.0.
    """
    stub, pause = services.ExporterServiceStub(channel), PAUSE
    for _ in range(ATTEMPTS):
        try:
            async for message in stub.LogStream(Empty()):
                pause = PAUSE
                on_log(line(message))
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.CANCELLED):
                return
        await anyio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE)


def line(message: Any) -> LogLine:
    """One line; fields that this version of the protocol does not have are left out."""
    present = {field.name for field, _ in message.ListFields()}
    return LogLine(
        message=message.message,
        severity=message.severity or "INFO",
        source=WORDS.get(message.source, "system"),
        driver=message.driver_type if "driver_type" in present else None,
        operation=message.operation if "operation" in present else None,
        time=message.timestamp.ToDatetime(UTC) if "timestamp" in present else None,
    )
