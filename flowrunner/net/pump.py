"""Bytes between two streams, both ways until both ends have said all."""

from __future__ import annotations

import anyio

from flowrunner.interface import ByteStream, end_sending


async def join(near: ByteStream, far: ByteStream) -> None:
    """Carry what comes from each to the other; the end of one half is passed on as such.

    Raises:
        FlowrunnerError, OSError: one of them broke: nothing of either is carried any more.
    """
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_carry, near, far)
            await _carry(far, near)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _carry(source: ByteStream, target: ByteStream) -> None:
    try:
        while True:
            await target.send(await source.receive())
    except anyio.EndOfStream:
        await end_sending(target)
