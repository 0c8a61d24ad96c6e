"""Copying between a byte stream and the files and terminals of this process."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import anyio
import anyio.to_thread

from flowrunner.commands.output import write_all
from flowrunner.interface import ByteStream, end_sending

READ = 1 << 16
"""Bytes that are read at once."""


async def copy(
    stream: ByteStream, source: AsyncIterator[bytes] | None, handle: int | None, *, ends: bool, half: bool = False
) -> bool:
    """Copy both ways; True when the device closed the stream before it had all.

    With `ends` the end of the input is the end of all, with `half` the device is told of it and answers to the end.
    """
    try:
        return await _both(stream, source, handle, ends=ends, half=half)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _both(
    stream: ByteStream, source: AsyncIterator[bytes] | None, handle: int | None, *, ends: bool, half: bool
) -> bool:
    lost = whole = False

    async def send(data: AsyncIterator[bytes]) -> None:
        nonlocal lost, whole
        try:
            async for piece in data:
                await stream.send(piece)
            if half:
                whole = True
                await end_sending(stream)
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            lost = True
        if ends or lost:
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        if source is not None:
            group.start_soon(send, source)
        with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
            while True:
                data = await stream.receive()
                if handle is not None:
                    await _write(handle, data)
        lost = not whole
        group.cancel_scope.cancel()
    return lost


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
    """A file, a pipe or a terminal to its end."""
    read: Callable[[], Awaitable[bytes]] = lambda: anyio.to_thread.run_sync(  # noqa: E731
        os.read, handle, READ, abandon_on_cancel=True
    )
    while data := await read():
        yield data
