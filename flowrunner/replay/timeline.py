"""The times of a recording, moved back by as much as its replay is late."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from flowrunner.model import Duration

TOLERANCE = 0.002
"""Seconds by which a replay may be late without moving what follows."""


class Timeline:
    """When what was recorded of one device is due; `now` is the clock of the replay, in seconds since it started."""

    def __init__(self, now: Callable[[], Duration]) -> None:
        self._now = now
        self.delay = 0.0

    async def until(self, t: float) -> None:
        """Wait until what was recorded at `t` is due."""
        loop = asyncio.get_running_loop()
        while self._now() < (due := t + self.delay):
            wake: asyncio.Future[None] = loop.create_future()
            timer = loop.call_at(loop.time() - self._now() + due if self._now() != loop.time() else due, _wake, wake)
            try:
                await wake
            finally:
                timer.cancel()

    async def arrive(self, t: float) -> None:
        """Do now what was done at `t`: what comes too early waits, what comes late moves all that follows."""
        await self.until(t)
        late = float(self._now()) - t - self.delay
        if late > TOLERANCE:
            self.delay += late


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
