"""The run's clock: monotonic, and counted from its start."""

from __future__ import annotations

import asyncio

from flowrunner.model import Duration


class Clock:
    """Seconds since the run started, by the clock of the event loop that it is made in."""

    def __init__(self, offset: float = 0.0) -> None:
        self._time = asyncio.get_running_loop().time  # kept: each line and each step asks, and finding it costs more
        self._zero = self._time() - offset

    def now(self) -> Duration:
        """Seconds since the start."""
        return Duration(self._time() - self._zero)

    def since_start(self, loop_time: float) -> Duration:
        """A time of the loop as seconds since the start."""
        return Duration(loop_time - self._zero)
