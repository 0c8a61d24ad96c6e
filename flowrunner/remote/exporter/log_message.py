"""A line of the log as clients of Jumpstarter get it."""

from __future__ import annotations

from flowrunner.remote.client.remote import SOURCES
from flowrunner.remote.exporter.logs import Said
from flowrunner.remote.later import framed, text, texts
from flowrunner.remote.wire import Timestamp, messages

DRIVER_TYPE, OPERATION, TIMESTAMP, FIELDS = 5, 6, 7, 8
"""Fields of `LogStreamResponse` that 0.9.0 has not."""


def log_message(said: Said) -> messages.LogStreamResponse:
    """The message of a line."""
    answer = messages.LogStreamResponse(severity=said.severity, message=said.message, source=SOURCES[said.source])
    at = Timestamp(seconds=int(said.time), nanos=int(said.time % 1 * 1e9))
    more = text(DRIVER_TYPE, said.type or said.driver) + text(OPERATION, said.operation)
    answer.MergeFromString(more + framed(TIMESTAMP, at.SerializeToString()) + texts(FIELDS, said.fields))
    return answer
