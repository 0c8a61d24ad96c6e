"""Work that is done to its end, though nobody waits for it any more."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import anyio


async def finished(work: Coroutine[Any, Any, None]) -> None:
    """Do `work` to its end, however often this is cancelled meanwhile: with anyio, or as gRPC does it."""
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):
        while not task.done():
            try:
                await asyncio.wait((task,))
            except asyncio.CancelledError as error:
                cancelled = error
    task.result()
    if cancelled:
        raise cancelled
