"""Holds one driver open, in a task of its own."""

from __future__ import annotations

import anyio
from anyio.abc import TaskStatus

from flowrunner.bench.blame import blamed
from flowrunner.bench.part import Part
from flowrunner.errors import BenchError, FlowrunnerError

CLOSE_LIMIT = 30.0
"""Seconds that a driver may take to close before it is cancelled."""


class Keeper:
    """One open driver.

    The driver's context lives in its own task: neither an error of the job nor its cancellation enters the driver, and
    a driver whose background work breaks cancels nothing but itself. `broken` says why it is open no more.
    """

    def __init__(self, part: Part, path: str) -> None:
        self.part = part
        self.path = path
        self.broken: FlowrunnerError | None = None
        self._scope = anyio.CancelScope(shield=True)
        self._closing = anyio.Event()
        self._ended = anyio.Event()

    async def run(self, *, task_status: TaskStatus[None]) -> None:
        """Open the driver, report it, wait for `close`, close it. Raises what opening raises, nothing later."""
        opened = False
        try:
            with self._scope:
                async with self.part.driver.opened():
                    opened = True
                    task_status.started()
                    await self._closing.wait()
        except Exception as error:
            call = "close" if self._closing.is_set() else "keep open" if opened else "open"
            self.broken = blamed(error, driver=self.path, type=self.part.type, call=call)
            if not opened:
                raise self.broken from error
        finally:
            self._ended.set()

    async def close(self) -> None:
        """Close the driver, whatever else is being cancelled. Never raises: see `broken`."""
        self._closing.set()
        with anyio.move_on_after(CLOSE_LIMIT, shield=True):
            await self._ended.wait()
        if not self._ended.is_set():
            self.broken = BenchError(
                f"{self.part.type} did not close within {CLOSE_LIMIT:g}s", driver=self.path, call="close"
            )
            self._scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._ended.wait()
