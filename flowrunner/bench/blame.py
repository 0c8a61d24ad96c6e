"""Whose fault it is when a driver raises: every error of a driver leaves the bench with its path and call."""

from __future__ import annotations

import anyio

from flowrunner.errors import BenchError, FlowrunnerError


def blamed(error: Exception, *, driver: str, type: str, call: str) -> FlowrunnerError:
    """`error` as one of ours, complete: `driver` is the path on the bench, `type` the driver's, `call` what was asked.

    A `BenchError` and any other of ours stays itself; what a driver let through becomes a `BenchError`.
    """
    if isinstance(error, ExceptionGroup):
        return blamed(error.exceptions[0], driver=driver, type=type, call=call)
    found = error if isinstance(error, FlowrunnerError) else _foreign(error, type, call)
    if isinstance(found, BenchError):
        found.driver = found.driver or driver
        found.call = found.call or call
    return found


def _foreign(error: Exception, type: str, call: str) -> BenchError:
    said = str(error)
    match error:
        case NotImplementedError():
            verb = said or {"read": "measure"}.get(call, call)
            return BenchError(f"{type} cannot {verb}", blame="config", help="leave it out, or use another driver")
        case TimeoutError():
            return BenchError(f"{type} did not answer '{call}' in time" + (f": {said}" if said else ""))
        case OSError():
            place = f" ({error.filename})" if error.filename else ""
            return BenchError(f"{type} could not do '{call}': {error.strerror or said}{place}")
        case anyio.EndOfStream() | anyio.BrokenResourceError() | anyio.ClosedResourceError():
            return BenchError(f"{type} lost its connection while '{call}' ran")
        case _:
            what = f"{type} raised {error.__class__.__name__} in '{call}'" + (f": {said}" if said else "")
            return BenchError(what, blame="internal", help="this is a defect of the driver")
