"""DriverCall, the rpc that is called most, with its messages as bytes.

Most calls have no arguments and no answer: their requests are the same each time, and so are their answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from flowrunner.remote.exporter.operations import Operation, Operations
from flowrunner.remote.exporter.refusal import Context, abort, checked, read
from flowrunner.remote.later import framed, text
from flowrunner.remote.values import from_value, to_value
from flowrunner.remote.wire import messages

SOME = str(uuid4())
"""The uuid of each answer: it must be there, and means nothing."""

RESULT = 2
"""The number of the field `DriverCallResponse.result`."""

BEGINNING = text(1, SOME)
"""The bytes of an answer before its result."""

NOTHING = BEGINNING + framed(RESULT, to_value(None).SerializeToString())
"""An answer that says nothing."""


class DriverCalls:
    """The rpc."""

    def __init__(self, operations: Operations) -> None:
        self._operations = operations

    async def answer(self, request: bytes, context: Context) -> bytes:
        """Answer a `DriverCallRequest` with a `DriverCallResponse`."""
        operation = None
        try:
            operation, arguments = self._find(request)
            operation.begun()
            answer = await operation.method(*arguments)
            data = NOTHING if answer is None else BEGINNING + framed(RESULT, checked(to_value(answer)))
        except Exception as error:  # noqa: BLE001 - a driver is anyone's code
            await abort(context, error, operation)
        except BaseException:
            if operation:
                operation.failed("its client went away", "cancelled")
            raise
        operation.done()
        return data

    def _find(self, request: bytes) -> tuple[Operation, Sequence[Any]]:
        """What is called, and with what."""
        known = self._operations.known(request)
        if known:
            return known, ()
        message = read(messages.DriverCallRequest, request)
        operation = self._operations.find("unary", message.uuid, message.method)
        self._operations.learn(request, message, operation)
        return operation, [from_value(each) for each in message.args]
