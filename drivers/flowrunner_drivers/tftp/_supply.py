"""The packets that are to be sent next, made in a thread: a disk may be slow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flowrunner_drivers.tftp._content import BATCH, Content
from flowrunner_drivers.tftp._packets import HEADER


class Supply:
    """Has packets of `content` made; `made` is told of them, or of why there are none."""

    def __init__(self, content: Content, made: Callable[[list[memoryview] | BaseException], None]) -> None:
        agreed = content.agreed
        self._content = content
        self._made = made
        self._low = max(agreed.windowsize, BATCH // (agreed.blksize + HEADER.size)) // 2 + agreed.windowsize
        self._making: asyncio.Future[list[memoryview]] | None = None

    @property
    def ended(self) -> bool:
        """Whether no more will come."""
        return not self._making and self._content.ended

    def left(self, count: int) -> None:
        """So many packets are left: more are made when they are few."""
        if count < self._low and not self._making and not self._content.ended:
            self._making = asyncio.ensure_future(asyncio.to_thread(self._content.packets))
            self._making.add_done_callback(self._done)

    async def close(self) -> None:
        """Wait for the thread, which reads the file."""
        if self._making:
            self._making.remove_done_callback(self._done)
            await asyncio.wait([self._making])

    def _done(self, making: asyncio.Future[list[memoryview]]) -> None:
        self._making = None
        if not making.cancelled():
            self._made(making.exception() or making.result())
