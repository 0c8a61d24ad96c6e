"""Bytes between a device and a client, both ways until both ends have said all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import anyio

from flowrunner.errors import FlowrunnerError
from flowrunner.interface import ByteStream, end_sending
from flowrunner.remote.exporter.server_wire import Gone
from flowrunner.remote.frame_stream import FrameStream

LAST_LIMIT = 2.0
"""Seconds that a device may take for what its client had sent before it left."""

_log = logging.getLogger(__name__)


async def carried(device: ByteStream, client: FrameStream, *, ended: Callable[[], Awaitable[FlowrunnerError]]) -> None:
    """Carry bytes until both directions have ended. `ended` returns the reason for which it is over at once.

    A client may leave at any time: the device still gets what had come from it.

    Raises:
        FlowrunnerError: the device broke, or the client sent nonsense, or what `ended` returned.
    """
    watch = asyncio.create_task(_watched(ended))
    outward = asyncio.create_task(_outward(device, client))
    inward = asyncio.create_task(_inward(client, device))
    tasks = {watch, outward, inward}
    try:
        while not (outward.done() and inward.done()):
            done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        await client.flushed()
    except asyncio.CancelledError:
        client.leave(Gone())
        with anyio.CancelScope(shield=True):
            await asyncio.wait((inward,), timeout=LAST_LIMIT)
        raise
    except Exception:
        with anyio.move_on_after(LAST_LIMIT):
            await client.flushed()
        raise
    finally:
        tasks = {watch, outward, inward}
        for task in tasks:
            task.cancel()
        with anyio.CancelScope(shield=True):
            await asyncio.wait(tasks)


async def _watched(ended: Callable[[], Awaitable[FlowrunnerError]]) -> None:
    raise await ended()


async def _outward(device: ByteStream, client: FrameStream) -> None:
    """From the device to the client."""
    try:
        while True:
            try:
                data = await device.receive()
            except (anyio.EndOfStream, anyio.ClosedResourceError):
                break
            await client.send(data)
    except anyio.BrokenResourceError:
        return  # the client is gone, and gRPC is about to cancel us
    await client.send_eof()


async def _inward(client: FrameStream, device: ByteStream) -> None:
    """From the client to the device; what a device takes no more is dropped, so that its client does not wait."""
    takes = True
    while True:
        try:
            data = await client.receive()
        except anyio.EndOfStream:
            break
        except Gone:
            return  # and gRPC is about to cancel us
        try:
            if takes:
                await device.send(data)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            takes = False
            _log.warning("a device takes no more bytes: what its client goes on sending is dropped")
    if takes:
        await end_sending(device)
