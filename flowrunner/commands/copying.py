"""Copying between a byte stream and the files and terminals of this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from enum import Enum, auto

import anyio
import anyio.to_thread

from flowrunner.commands.keeping import Keep
from flowrunner.commands.output import write_all
from flowrunner.interface import ByteStream, end_sending

READ = 1 << 16
"""Bytes that are read at once."""


class End(Enum):
    """How copying ended."""

    OURS = auto()
    """The input was at its end, and the device had said what was waited for."""

    THEIRS = auto()
    """The device closed the stream."""

    UNSENT = auto()
    """It did so when there was something to be sent."""


async def copy(
    stream: ByteStream, source: AsyncIterator[bytes] | None, handle: int | None, keep: Keep, *, ends: bool,
    half: bool = False, linger: float | None = None,
) -> End:  # fmt: skip
    """Copy both ways: `source` to the device, and what it says to `keep` and to `handle`.

    With `ends` the end of the input is the end of all, with `half` the device is told of it and answers to the end;
    `linger` is for how many seconds it may answer.
    """
    linger = 0.0 if ends else linger
    try:
        return await _both(stream, source, handle, keep, half=half, linger=linger)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _both(
    stream: ByteStream, source: AsyncIterator[bytes] | None, handle: int | None, keep: Keep, *, half: bool,
    linger: float | None,
) -> End:  # fmt: skip
    end = End.THEIRS

    async def send(data: AsyncIterator[bytes]) -> None:
        nonlocal end
        try:
            async for piece in data:
                if piece:
                    await stream.send(piece)
            if half:
                end = End.OURS
                await end_sending(stream)
            if linger is not None:
                await anyio.sleep(linger)
                end = End.OURS
                group.cancel_scope.cancel()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            end = End.UNSENT
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        if source is not None:
            group.start_soon(send, source)
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                data = await stream.receive()
                await anyio.to_thread.run_sync(keep, data)
                if handle is not None:
                    await _write(handle, data)
        group.cancel_scope.cancel()
    return end


async def _write(handle: int, data: bytes) -> None:
    """Write without keeping the event loop: a terminal may be stopped, a pipe full."""
    await anyio.to_thread.run_sync(write_all, handle, data, abandon_on_cancel=True)


async def typed(handle: int) -> AsyncIterator[bytes]:
    """What is typed, as soon as it is; the end when the terminal is gone."""
    with suppress(OSError):
        while True:
            await anyio.wait_readable(handle)
            if not (data := os.read(handle, READ)):
                return
            yield data


async def read_to_end(handle: int) -> AsyncIterator[bytes]:
    """A file, a pipe or a terminal to its end. No thread waits in it, which would outlive a signal."""
    while True:
        with suppress(PermissionError):  # a file or such, which can always be read
            await anyio.wait_readable(handle)
        data = await anyio.to_thread.run_sync(os.read, handle, READ, abandon_on_cancel=True)
        if not data:
            return
        yield data
