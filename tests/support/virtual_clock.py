"""An event loop whose clock jumps to the next timer as soon as nothing else is to do: hours pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from concurrent.futures import Executor
from typing import Any, TypeVar
from unittest import mock

import anyio.to_thread

T = TypeVar("T")

STUCK = 20.0
"""Real seconds after which a loop without timers, threads and files is said to be stuck."""


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
        if self._loop.threads:
            return self._real.select(0.005)
        if timeout is None:
            return self._without_timers()
        if self._loop.patience and self._files():
            ready = self._real.select(self._loop.patience)
        if not ready:
            self._loop.virtual += max(timeout, 1e-9)
        return ready

    def _files(self) -> bool:
        """Whether anything but the loop's own wake-up pipe is watched."""
        return len(self._real.get_map()) > 1

    def _without_timers(self) -> list[Any]:
        ready = self._real.select(None if self._files() else STUCK)
        if not ready:
            raise RuntimeError("the loop is stuck: no timer, no thread and no file can wake it")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`virtual` is the time in seconds; it stands still while a worker thread is busy.

    `patience` are real seconds for which files are given a chance before the time jumps; without it, what comes from
    other processes is late by virtual hours.
    """

    def __init__(self, patience: float = 0.0) -> None:
        self.virtual = 1000.0
        self.threads = 0
        self.patience = patience
        super().__init__(_Selector(self))  # type: ignore[arg-type]

    def time(self) -> float:
        return self.virtual

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self.threads -= 1


def run_virtual(function: Callable[[], Awaitable[T]], *, patience: float = 0.0) -> T:
    """Run `function` to its end on a virtual clock."""
    loop = VirtualLoop(patience)
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
