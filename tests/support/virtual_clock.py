"""An event loop whose clock jumps to the next timer as soon as nothing else is to do: hours pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from unittest import mock

import anyio.to_thread

T = TypeVar("T")


class _Selector:
    """A selector that advances the loop's clock where a real one would wait."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._real = selectors.DefaultSelector()
        self._loop = loop

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = self._real.select(0)
        if ready or timeout == 0:
            return ready
        if timeout is None or self._loop.threads:
            return self._real.select(0.005 if self._loop.threads else timeout)
        self._loop.virtual += max(timeout, 1e-9)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """`virtual` is the time in seconds; it stands still while a worker thread is busy."""

    def __init__(self) -> None:
        self.virtual = 1000.0
        self.threads = 0
        super().__init__(_Selector(self))  # type: ignore[arg-type]

    def time(self) -> float:
        return self.virtual


def run_virtual(function: Callable[[], Awaitable[T]]) -> T:
    """Run `function` to its end on a virtual clock."""
    loop = VirtualLoop()
    real = anyio.to_thread.run_sync

    async def counted(*args: Any, **kwargs: Any) -> Any:
        loop.threads += 1
        try:
            return await real(*args, **kwargs)
        finally:
            loop.threads -= 1

    async def main() -> T:
        return await function()

    with mock.patch("anyio.to_thread.run_sync", counted), asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())
