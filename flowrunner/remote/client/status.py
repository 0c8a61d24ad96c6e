"""What a status of gRPC means: whose fault it is, in words."""

from __future__ import annotations

import re

import grpc
import grpc.aio

from flowrunner.errors import BenchError

BROKEN = re.compile(
    r"failed to connect|stream removed|socket closed|connection (reset|refused|timed out)|broken pipe|goaway|transport"
    r"|keepalive|cancelling all calls|channel|resolution|endpoint|recvmsg",
    re.IGNORECASE,
)
"""Words of gRPC itself for a connection that ended or never was."""


def failure(error: grpc.aio.AioRpcError, exporter: str, *, connected: bool) -> Exception:
    """The error that a call of a driver ended with; `connected` says whether there is a connection now.

    Where the driver's own exception is known from the status (see the table of Jumpstarter's exporter), it is that one,
    so that it is worded as a driver's in this process.
    """
    code, said = error.code(), (error.details() or "").strip()
    match code:
        case grpc.StatusCode.UNIMPLEMENTED | grpc.StatusCode.NOT_FOUND:
            return NotImplementedError()
        case grpc.StatusCode.INVALID_ARGUMENT:
            return BenchError(said or "an argument was refused", blame="config")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return TimeoutError(said)
        case grpc.StatusCode.UNAVAILABLE if connected and not BROKEN.search(said):
            return ConnectionError(said)
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.CANCELLED | grpc.StatusCode.ABORTED:
            return lost(exporter)
        case grpc.StatusCode.FAILED_PRECONDITION:
            return BenchError(said or f"{exporter} is not ready", blame="infra")
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return BenchError(f"{exporter} refused: {said or code.name}", blame="config")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return BenchError(f"too much at once for {exporter}: {said or code.name}", blame="infra")
        case _:
            return _said(said, code)


def lost(exporter: str) -> BenchError:
    """The error of a call whose fate nobody knows."""
    what = f"the connection to {exporter} was lost"
    return BenchError(what, blame="infra", help="whether the device did as asked is not known")


def _said(said: str, code: grpc.StatusCode) -> BenchError:
    """What the driver raised; an exception that its exporter did not expect is a defect there."""
    unexpected = re.fullmatch(r"Unexpected <class '([\w.]+)'>:? ?(.*)", said, re.DOTALL)
    if unexpected:
        kind, words = unexpected.groups()
        what = f"the driver raised {kind.rpartition('.')[2]}" + (f": {words}" if words else "")
        return BenchError(what, blame="internal", help="this is a defect of the driver or of its exporter")
    first, _, rest = said.partition("\n")
    return BenchError(first or f"the driver failed and said nothing ({code.name})", said=rest.strip() or None)
