"""Holds one driver open, in a task of its own."""

from __future__ import annotations

import anyio

from flowrunner.bench.blame import blamed
from flowrunner.bench.calling import Calling, OnLog, calling
from flowrunner.bench.part import Part
from flowrunner.errors import BenchError, FlowrunnerError

CLOSE_LIMIT = 30.0
"""Seconds that a driver may take to close before it is cancelled."""


class Keeper:
    """One open driver.

    The driver's context lives in its own task: neither an error of the job nor its cancellation enters the driver, and
    a driver whose background work breaks cancels nothing but itself. `broken` says why it is open no more.
    """

    def __init__(self, part: Part, path: str, on_log: OnLog | None = None) -> None:
        self.part = part
        self.path = path
        self._calling = Calling(path, part.type, "open", on_log)
        self.broken: FlowrunnerError | None = None
        self._scope = anyio.CancelScope(shield=True)
        self._opened = anyio.Event()
        self._closing = anyio.Event()
        self._ended = anyio.Event()

    async def run(self) -> None:
        """Open the driver, wait for `close`, close it. Never raises: see `opened` and `broken`."""
        try:
            with self._scope, calling(self._calling):
                async with self.part.driver.opened():
                    self._opened.set()
                    await self._closing.wait()
        except Exception as error:  # noqa: BLE001 - a driver is user code
            call = "close" if self._closing.is_set() else "keep open" if self._opened.is_set() else "open"
            self.broken = blamed(error, driver=self.path, type=self.part.type, call=call)
        finally:
            self._ended.set()
            self._opened.set()

    async def opened(self) -> None:
        """Wait until the driver is open.

        Raises:
            BenchError: it could not be opened.
        """
        await self._opened.wait()
        if self.broken:
            raise self.broken

    async def close(self) -> None:
        """Close the driver, whatever else is being cancelled; one that is still opening is cancelled. Never raises."""
        self._closing.set()
        if not self._opened.is_set():
            self._scope.cancel()
        with anyio.move_on_after(CLOSE_LIMIT, shield=True):
            await self._ended.wait()
        if not self._ended.is_set():
            self.broken = BenchError(
                f"{self.part.type} did not close within {CLOSE_LIMIT:g}s", driver=self.path, call="close"
            )
            self._scope.cancel()
            with anyio.CancelScope(shield=True):
                await self._ended.wait()
