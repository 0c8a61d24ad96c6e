"""Errors as clients of Jumpstarter are told them: a status code and a text."""

from __future__ import annotations

import grpc

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.remote.exporter.turn import Busy
from flowrunner.remote.faults import to_fault

CODES: tuple[tuple[type[Exception], grpc.StatusCode], ...] = (
    (NotImplementedError, grpc.StatusCode.UNIMPLEMENTED),
    (ValueError, grpc.StatusCode.INVALID_ARGUMENT),
    (TimeoutError, grpc.StatusCode.DEADLINE_EXCEEDED),
    (ConnectionError, grpc.StatusCode.UNAVAILABLE),
    (OSError, grpc.StatusCode.INTERNAL),
)
"""The code for what a driver raised; the first that fits counts."""


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
        return Refusal(grpc.StatusCode.FAILED_PRECONDITION, error.what)
    if isinstance(error, ValueError):
        return Refusal(grpc.StatusCode.INVALID_ARGUMENT, str(error))
    if not isinstance(error, FlowrunnerError):
        return Refusal(grpc.StatusCode.UNKNOWN, str(to_fault(error)["what"]))
    raised = error.__cause__ or error
    code = next((code for kind, code in CODES if isinstance(raised, kind)), grpc.StatusCode.UNKNOWN)
    said = error.said if isinstance(error, BenchError) else None
    return Refusal(code, "\n".join(filter(None, (error.what, error.help, said))))
