"""One rpc of RouterService, as its client has it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import grpc
import grpc.aio

from flowrunner.errors import BenchError, Blame
from flowrunner.remote.frame_stream import FrameStream
from flowrunner.remote.frames import METHOD
from flowrunner.remote.wire import REQUEST

T = TypeVar("T")
Metadata = Sequence[tuple[str, str]]

BEHIND = "/jumpstarter.v1.ExporterService/GetStatus"
BEHIND_LIMIT = 5.0
"""A call that costs nothing, and the seconds that it may take."""

LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.ABORTED)
BROKE = "Internal error from Core"
"""What gRPC says here, as INTERNAL, when a write finds the rpc broken before its status is known."""

BLAMES: Mapping[grpc.StatusCode, Blame] = {
    grpc.StatusCode.NOT_FOUND: "config",
    grpc.StatusCode.UNIMPLEMENTED: "config",
    grpc.StatusCode.INVALID_ARGUMENT: "config",
    grpc.StatusCode.UNAUTHENTICATED: "config",
    grpc.StatusCode.PERMISSION_DENIED: "config",
    grpc.StatusCode.FAILED_PRECONDITION: "infra",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "infra",
    grpc.StatusCode.DEADLINE_EXCEEDED: "infra",
}
"""Whose fault a status is; that of the device where it is not here."""


@dataclass(frozen=True, slots=True)
class Call:
    """A stream that the exporter opened, the metadata of its answer, and the rpc to cut it off."""

    stream: FrameStream
    answer: Mapping[str, str]
    rpc: grpc.aio.StreamStreamCall[bytes, bytes]


@asynccontextmanager
async def opened_call(
    channel: grpc.aio.Channel, request: Mapping[str, Any], metadata: Metadata, *, datagrams: bool = False
) -> AsyncIterator[Call]:
    """Ask the exporter for a stream, and wait until it has opened it. Leaving cancels the rpc.

    Raises:
        BenchError: it refused, or could not.
    """
    rpc = channel.stream_stream(METHOD)(metadata=(*metadata, (REQUEST, json.dumps(request))))
    try:
        wire = ClientWire(rpc)
        answer = await wire.accepted()
        if not answer:
            await wire.accepted_for_sure(channel, metadata)
        async with FrameStream(wire, datagrams=datagrams).running() as stream:
            yield Call(stream, answer, rpc)
    finally:
        rpc.cancel()


class ClientWire:
    """The client's end of an rpc."""

    def __init__(self, rpc: grpc.aio.StreamStreamCall[bytes, bytes]) -> None:
        self._rpc = rpc

    async def accepted(self) -> dict[str, str]:
        """The metadata with which the exporter says that the device is open.

        Raises:
            BenchError: it is not.
        """
        answer = await self._rpc.initial_metadata()
        if self._rpc.done():
            raise refusal(await self._rpc.code(), await self._rpc.details())
        return {key: value for key, value in answer if isinstance(value, str)}

    async def accepted_for_sure(self, channel: grpc.aio.Channel, metadata: Metadata) -> None:
        """After metadata that says nothing: wait for the status, if there is one.

        A refusal has no other metadata than an acceptance, and comes with its status in one; but gRPC tells of them one
        after the other. It tells both before the answer to a call that is made now, whatever that answer is.

        Raises:
            BenchError: it is refused.
        """
        with suppress(grpc.aio.AioRpcError):
            await channel.unary_unary(BEHIND)(b"", metadata=metadata, timeout=BEHIND_LIMIT)
        if self._rpc.done():
            raise refusal(await self._rpc.code(), await self._rpc.details())

    async def read(self) -> bytes | None:
        message = await self._unbroken(self._rpc.read())
        return message if isinstance(message, bytes) else None

    async def write(self, message: bytes) -> None:
        await self._unbroken(self._rpc.write(message))

    async def done_writing(self) -> None:
        await self._unbroken(self._rpc.done_writing())

    async def _unbroken(self, doing: Awaitable[T]) -> T:
        try:
            return await doing
        except grpc.aio.AioRpcError as error:
            raise refusal(error.code(), error.details()) from error
        except (asyncio.InvalidStateError, grpc.aio.BaseError) as error:  # it had ended already
            raise refusal(grpc.StatusCode.UNAVAILABLE, None) from error
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            raise refusal(grpc.StatusCode.CANCELLED, None) from error  # the rpc was, and we were not


def refusal(code: grpc.StatusCode, details: str | None) -> BenchError:
    """The error that a status tells of."""
    said = re.sub(r"^Unexpected <class '[^']*'>:? *", "", details or "").strip()
    if code in LOST or said == BROKE:
        what = "the connection to the exporter was lost" + (f": {said}" if said and said != BROKE else "")
        return BenchError(what, blame="infra")
    return BenchError(said or f"the exporter answered {code.name} to a stream", blame=BLAMES.get(code, "device"))
