"""Errors as clients of Jumpstarter are told them: a status code and a text."""

from __future__ import annotations

import logging
from typing import Any, NoReturn, Protocol, TypeAlias, TypeVar
from urllib.parse import quote

import grpc
import grpc.aio

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.remote.exporter.turn import Busy
from flowrunner.remote.faults import to_fault
from flowrunner.remote.wire import MESSAGE_LIMIT, DecodeError, Value, messages

CODES: tuple[tuple[type[Exception], grpc.StatusCode, str], ...] = (
    (NotImplementedError, grpc.StatusCode.UNIMPLEMENTED, "not_implemented"),
    (ValueError, grpc.StatusCode.INVALID_ARGUMENT, "validation_error"),
    (TimeoutError, grpc.StatusCode.DEADLINE_EXCEEDED, "timeout"),
    (ConnectionError, grpc.StatusCode.UNAVAILABLE, "connection_error"),
    (OSError, grpc.StatusCode.INTERNAL, "device_error"),
)
"""The code for what a driver raised, and its word in the log; the first that fits counts."""

LONGEST = 6000
"""Bytes of a text with its percent-encoding (gRPC over HTTP/2): it is metadata, of which clients take 8 KiB."""

ROOM = 64
"""Bytes of an answer beside its result."""

Request = TypeVar("Request", messages.DriverCallRequest, messages.StreamingDriverCallRequest)

Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"

_log = logging.getLogger(__name__)


class Failing(Protocol):
    """What is told of a failure: why in words, and in one word for programs."""

    def failed(self, why: str, kind: str) -> None:
        """It went wrong."""
        ...


class Refusal(Exception):
    """What a client is told."""

    def __init__(self, code: grpc.StatusCode, what: str) -> None:
        super().__init__(what)
        self.code = code
        self.what = what


def refused(error: Exception) -> Refusal:
    """`error` for a client: its words, what to do, and the device's last words; never a traceback."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, Busy):
        return Refusal(grpc.StatusCode.FAILED_PRECONDITION, _words(error))
    if isinstance(error, FlowrunnerError):
        raised = _first(error.__cause__ or error)
        code = next((code for kind, code, _ in CODES if isinstance(raised, kind)), grpc.StatusCode.UNKNOWN)
        return Refusal(code, _words(error))
    if isinstance(error, ValueError):  # the arguments or the answer, which do not fit
        return Refusal(grpc.StatusCode.INVALID_ARGUMENT, _cut(str(error)))
    _log.error("a call failed by a defect of the exporter", exc_info=error)
    return Refusal(grpc.StatusCode.UNKNOWN, str(to_fault(error)["what"]))


async def abort(context: Context, error: Exception, operation: Failing | None = None) -> NoReturn:
    """End an rpc with what went wrong, in the words of the wire; `operation` tells the log."""
    refusal = refused(error)
    if operation:
        operation.failed(refusal.what, _word(error, refusal))
    await context.abort(refusal.code, refusal.what)
    raise refusal  # for those who read types: abort raises


def read(kind: type[Request], request: bytes) -> Request:
    """The message in `request`.

    Raises:
        Refusal: it is none of that kind.
    """
    try:
        message: Request = kind.FromString(request)
    except DecodeError as error:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"the request is no {kind.DESCRIPTOR.name}") from error
    return message


def checked(answer: Value) -> bytes:
    """The bytes of an answer that clients take.

    Raises:
        Refusal: it is too large.
    """
    data: bytes = answer.SerializeToString()
    if len(data) > MESSAGE_LIMIT - ROOM:
        what = f"the answer has {len(data)} bytes, more than the {MESSAGE_LIMIT} of one message"
        raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, what)
    return data


def _word(error: Exception, refusal: Refusal) -> str:
    """What kind of error it was, for programs that read the log."""
    known = next((word for _, code, word in CODES if code is refusal.code), None)
    internal = not isinstance(error, FlowrunnerError) or (isinstance(error, BenchError) and error.blame == "internal")
    return known or ("internal_error" if internal else "device_error")


def _first(error: BaseException) -> BaseException:
    """The error that a group is named after (see `blamed`)."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _words(error: FlowrunnerError) -> str:
    said = error.said if isinstance(error, BenchError) else None
    return _cut("\n".join(filter(None, (error.what, error.help, said))))


def _cut(text: str) -> str:
    """`text` without its middle, when it is too long."""
    cut, room = text, len(text)
    while len(quote(cut, errors="replace", safe=" ")) > LONGEST:
        room = room * 3 // 4
        cut = f"{text[: room // 2]}\n[...]\n{text[-room // 2 :]}"
    return cut
