"""Bytes between two streams, both ways until both ends have said all."""

from __future__ import annotations

import anyio

from flowrunner.interface import ByteStream, end_sending


async def join(near: ByteStream, far: ByteStream) -> None:
    """Carry what comes from each to the other; the end of one half is passed on as such.

    A far end that takes no more may still have an answer on its way, such as a refusal of an upload: what comes for it
    is dropped then, and the answer is carried. A near end that takes no more is the end.

    Raises:
        FlowrunnerError, anyio.BrokenResourceError: one of them broke: nothing of either is carried any more.
    """
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_inward, near, far)
            await _outward(far, near)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _outward(far: ByteStream, near: ByteStream) -> None:
    try:
        while True:
            await near.send(await far.receive())
    except anyio.EndOfStream:
        await end_sending(near)


async def _inward(near: ByteStream, far: ByteStream) -> None:
    takes = True
    try:
        while True:
            data = await near.receive()
            if takes:
                try:
                    await far.send(data)
                except anyio.BrokenResourceError:
                    takes = False
    except anyio.EndOfStream:
        if takes:
            await end_sending(far)
