"""Get an image onto a medium."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import cast

import anyio
import anyio.to_thread

from flowrunner.errors import BenchError
from flowrunner.image.medium import Medium
from flowrunner.image.opened import OpenImage
from flowrunner.image.stop import in_thread
from flowrunner.interfaces.storage import Extent, Image, Written
from flowrunner.model import Duration


async def write_image(image: Image, medium: Medium, *, sync_timeout: float | None = 900.0) -> Written:
    """Write `image` and make it durable. An image of this process never passes the event loop.

    Raises:
        BenchError: what `Medium` says, or the image is damaged, or it was not durable within `sync_timeout` seconds.
    """
    if isinstance(image, OpenImage):
        written = await in_thread(lambda: _pour(image, medium), image.stopping())
    else:
        written = await _receive(image, medium)
    await durable(medium, sync_timeout)
    return written


def _pour(image: OpenImage, medium: Medium) -> Written:
    medium.begin(image.name, image.size)
    end = 0
    with image.pieces(copy=medium.regular) as pieces:
        for piece in pieces:
            medium.put(piece)
            end = piece.offset + piece.length
    return medium.end(end if image.size is None else image.size)


async def _receive(image: Image, medium: Medium) -> Written:
    await anyio.to_thread.run_sync(medium.begin, image.name, image.size)
    end = 0
    async with aclosing(cast("AsyncGenerator[Extent]", image.extents())) as extents:
        async for extent in extents:
            await anyio.to_thread.run_sync(medium.put, extent)
            end = extent.offset + extent.length
    return await anyio.to_thread.run_sync(medium.end, end if image.size is None else image.size)


async def durable(medium: Medium, timeout: float | None) -> None:
    """Wait until the medium has all of it, `timeout` seconds at most.

    Nothing can stop the kernel in it: a thread that waits for it longer than we do has its own handle.
    """
    handle = os.dup(medium.handle)

    def sync() -> None:
        try:
            medium.sync(handle)
        finally:
            os.close(handle)

    with anyio.move_on_after(timeout) as limit:
        await anyio.to_thread.run_sync(sync, abandon_on_cancel=True)
    if limit.cancelled_caught:
        raise BenchError(f"'{medium.name}' had not taken all data after {Duration(timeout or 0)}")
