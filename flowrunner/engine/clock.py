"""The run's clock: monotonic, and counted from its start."""

from __future__ import annotations

import anyio

from flowrunner.model import Duration


class Clock:
    """Seconds since the run started, by the event loop's clock."""

    def __init__(self, offset: float = 0.0) -> None:
        self._zero = anyio.current_time() - offset

    def now(self) -> Duration:
        """Seconds since the start."""
        return Duration(anyio.current_time() - self._zero)

    def since_start(self, loop_time: float) -> Duration:
        """A time of the loop as seconds since the start."""
        return Duration(loop_time - self._zero)
