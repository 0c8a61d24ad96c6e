"""An event loop whose clock jumps to the next timer as soon as nothing else is to do: hours pass in milliseconds."""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any, TypeVar

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
        if self._loop.speed:
            return self._slowly(timeout, self._loop.speed)
        if self._loop.patience and self._files():
            ready = self._real.select(self._loop.patience)
        if not ready:
            self._loop.jump(timeout)
        return ready

    def _slowly(self, timeout: float, speed: float) -> list[Any]:
        start = time.monotonic()
        ready = self._real.select(timeout / speed)
        if ready:
            self._loop.virtual += min(timeout, (time.monotonic() - start) * speed)
        else:
            self._loop.jump(timeout)
        return ready

    def _files(self) -> bool:
        """Whether anything but the loop's own wake-up pipe is watched."""
        return len(self._real.get_map()) > 1

    def _without_timers(self) -> list[Any]:
        if self._loop.stuck is not None and not self._files():
            self._loop.call_soon(self._loop.stuck)
            self._loop.stuck = None
            return []
        ready = self._real.select(None if self._files() else STUCK)
        if not ready:
            raise RuntimeError("the loop is stuck: no timer, no thread and no file can wake it")
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`virtual` is the time in seconds, from 0; it stands still while a worker thread is busy.

    `patience` are real seconds for which files are given a chance before the time jumps; without it, what comes from
    other processes is late by virtual hours. With `speed` the time does not jump, but goes so many times as fast.
    `stuck` is called, once, when nothing can wake the loop any more.
    """

    def __init__(self, patience: float = 0.0, *, speed: float | None = None) -> None:
        self.virtual = 0.0
        self.threads = 0
        self.patience = patience
        self.speed = speed
        self.stuck: Callable[[], object] | None = None
        super().__init__(_Selector(self))  # type: ignore[arg-type]

    def time(self) -> float:
        return self.virtual

    def jump(self, timeout: float) -> None:
        """Go on to the next timer, which is due in `timeout` seconds, and to its very time."""
        timers: list[asyncio.TimerHandle] = getattr(self, "_scheduled", [])
        due = timers[0].when() if timers else self.virtual + timeout
        self.virtual = due if due > self.virtual else self.virtual + max(timeout, 1e-9)

    def run_in_executor(self, executor: Executor | None, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:  # type: ignore[override]
        future: asyncio.Future[Any] = super().run_in_executor(executor, func, *args)
        self.threads += 1
        future.add_done_callback(self._thread_done)
        return future

    def _thread_done(self, _: object) -> None:
        self.threads -= 1


@contextmanager
def _counting(loop: VirtualLoop) -> Iterator[None]:
    """Count anyio's worker threads while inside: only their runner is told when they are done."""
    real = anyio.to_thread.run_sync

    async def counted(*args: Any, **kwargs: Any) -> Any:
        loop.threads += 1
        try:
            return await real(*args, **kwargs)
        finally:
            loop.threads -= 1

    anyio.to_thread.run_sync = counted  # type: ignore[assignment]
    try:
        yield
    finally:
        anyio.to_thread.run_sync = real


def run_virtual(
    function: Callable[[], Awaitable[T]], *, patience: float = 0.0, speed: float | None = None,
    stuck: Callable[[], object] | None = None,
) -> T:  # fmt: skip
    """Run `function` to its end on a virtual clock."""
    loop = VirtualLoop(patience, speed=speed)
    loop.stuck = stuck

    async def main() -> T:
        return await function()

    with _counting(loop), asyncio.Runner(loop_factory=lambda: loop) as runner:
        return runner.run(main())
