"""Byte streams and resources of an exporter, over a gRPC channel: the client's side of RouterService."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
import grpc.aio

from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.remote.client.stream_call import Call, Metadata, opened_call
from flowrunner.remote.codecs import ENCODINGS, decoded, encoded
from flowrunner.remote.frame_stream import FrameStream
from flowrunner.remote.wire import ACCEPTED, ENCODING, RESOURCE

Handle = dict[str, Any]

FLUSH_LIMIT = 5.0
"""Seconds that the last bytes may take to leave when a stream is left."""

LINGER = 0.5
"""Seconds after the last byte was sent before which an rpc is not cancelled."""

DONE_LIMIT = 30.0
"""Seconds in which an exporter has to say that a driver is done with a resource, once its call has answered."""


@asynccontextmanager
async def stream(
    channel: grpc.aio.Channel, uuid: str, method: str = "connect", *, datagrams: bool = False, metadata: Metadata = ()
) -> AsyncIterator[FrameStream]:
    """Open a byte stream of a driver; `metadata` goes with the rpc. Leaving closes it.

    What was sent before reaches the device, unless the block failed: the rpc is cancelled only when the exporter has
    had time for it.

    Raises:
        BenchError: the exporter refused, or could not open the device.
    """
    request = {"kind": "driver", "uuid": uuid, "method": method}
    async with opened_call(channel, request, metadata, datagrams=datagrams) as call:
        yield call.stream
        await _lingered(call)


@asynccontextmanager
async def sending(
    channel: grpc.aio.Channel, uuid: str, chunks: AsyncIterator[bytes], *, encoding: str | None = None,
    metadata: Metadata = (),
) -> AsyncIterator[Handle]:  # fmt: skip
    """Offer `chunks` to one call of the driver `uuid`: the handle to call it with.

    `encoding` says how the chunks are packed, and the driver gets them unpacked: by the exporter, or here where it
    does not know how. The chunks are read while the call works. Leaving waits until the driver is done with them.

    Raises:
        BenchError: the exporter refused, lost its client, or the chunks were damaged.
        Exception: what reading `chunks` raised; the exporter gets no end of them then.
    """
    async with _resource(channel, uuid, encoding, metadata) as (call, handle):
        packed = decoded(chunks, encoding) if encoding and not handle[ENCODING] else chunks
        feeding = asyncio.create_task(_feed(call, packed))
        try:
            yield handle
            with anyio.move_on_after(DONE_LIMIT):
                await _all_of(call.stream)
        except Exception as error:
            failure = await _stopped(feeding)
            if failure:
                raise failure from error
            raise
        finally:
            failure = await _stopped(feeding)
        if failure:
            raise failure


@asynccontextmanager
async def receiving(
    channel: grpc.aio.Channel, uuid: str, *, encoding: str | None = None, metadata: Metadata = ()
) -> AsyncIterator[tuple[Handle, AsyncIterator[bytes]]]:
    """Take what one call of the driver `uuid` writes: the handle to call it with, and the chunks.

    The chunks come while the call works, so they are to be read beside it. With `encoding` they come packed.

    Raises:
        BenchError: the exporter refused; and the chunks raise one when the stream breaks before its end.
    """
    async with _resource(channel, uuid, encoding, metadata) as (call, handle):
        chunks = received(call.stream)
        yield handle, encoded(chunks, encoding) if encoding and not handle[ENCODING] else chunks


async def _lingered(call: Call) -> None:
    """Half close, and wait for the far end to do so as well; not for long, since a console for example never does.

    A cancel overtakes what is on its way, and the protocol has no word for "I have got it".
    """
    stream = call.stream
    ended_before = stream.ended
    await stream.send_eof()
    with anyio.move_on_after(FLUSH_LIMIT):
        await stream.flushed()
    with anyio.move_on_after(max(0.0, LINGER - stream.idle)), suppress(FlowrunnerError):
        await (call.rpc.code() if ended_before else _all_of(stream))


async def received(stream: FrameStream) -> AsyncIterator[bytes]:
    """What comes over `stream`, until its end."""
    while True:
        try:
            chunk = await stream.receive()
        except anyio.EndOfStream:
            return
        yield chunk


async def _feed(call: Call, chunks: AsyncIterator[bytes]) -> None:
    """Send `chunks` and their end. When they cannot be read the rpc is cut off, so that nobody takes that for an end.

    When the far end takes no more nothing is wrong here: its call says why.
    """
    try:
        async for chunk in chunks:
            await call.stream.send(chunk)
    except anyio.BrokenResourceError:
        return
    except BaseException:
        call.rpc.cancel()
        raise
    await call.stream.send_eof()


async def _stopped(feeding: asyncio.Task[None]) -> BaseException | None:
    """Why `feeding` failed; one that still feeds is ended."""
    feeding.cancel()
    with anyio.CancelScope(shield=True):
        await asyncio.wait((feeding,))
    return None if feeding.cancelled() else feeding.exception()


async def _all_of(stream: FrameStream) -> None:
    async for _ in received(stream):
        pass


@asynccontextmanager
async def _resource(
    channel: grpc.aio.Channel, uuid: str, encoding: str | None, metadata: Metadata
) -> AsyncIterator[tuple[Call, Handle]]:
    """A stream for a resource, and its handle; `None` as encoding in it says that the exporter packs nothing."""
    if encoding is not None and encoding not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        raise BenchError(f"nothing is packed with '{encoding}'", blame="config", help=f"known: {known}")
    request = {"kind": "resource", "uuid": uuid, ENCODING: encoding}
    async with opened_call(channel, request, metadata) as call:
        handle = _handle(call.answer.get(RESOURCE))
        handle[ENCODING] = encoding if call.answer.get(ACCEPTED) == encoding else None
        yield call, handle


def _handle(text: str | None) -> Handle:
    try:
        handle = json.loads(text or "")
    except ValueError:
        handle = None
    if not isinstance(handle, dict):
        raise BenchError("the exporter opened a stream for a resource without saying which", blame="internal")
    return handle
