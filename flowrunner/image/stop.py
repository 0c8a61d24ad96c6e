"""How work in threads is told to stop, and how a task waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")


class StoppedError(Exception):
    """The work was told to stop; never seen outside of it, for who told it so waits for no result."""


class Stop:
    """A flag that many threads look at. Setting it also wakes those that wait for something."""

    def __init__(self) -> None:
        self._set = False
        self._lock = threading.Lock()
        self._wakers: list[Callable[[], object]] = []

    def set(self) -> None:
        """Tell all to stop. May be called from any thread, and twice."""
        with self._lock:
            self._set = True
            wakers = list(self._wakers)
        for wake in wakers:
            wake()

    def check(self) -> None:
        """Raise when the work is to stop."""
        if self._set:
            raise StoppedError

    @contextmanager
    def waking(self, wake: Callable[[], object]) -> Iterator[None]:
        """Call `wake` when the flag is set, at once if it is set already."""
        with self._lock:
            self._wakers.append(wake)
            already = self._set
        if already:
            wake()
        try:
            yield
        finally:
            with self._lock:
                self._wakers.remove(wake)


async def in_thread(work: Callable[[], T], stop: Stop) -> T:
    """Run `work` in a thread. When this task is cancelled the work is told to stop, and its end is awaited.

    Cancelled before it began, the work is not done at all.
    """
    ended = anyio.Event()
    begun = threading.Lock()
    loop = asyncio.get_running_loop()

    def run() -> T:
        if not begun.acquire(blocking=False):
            raise StoppedError
        try:
            return work()
        finally:
            loop.call_soon_threadsafe(ended.set)

    try:
        return await anyio.to_thread.run_sync(run, abandon_on_cancel=True)
    except anyio.get_cancelled_exc_class():
        stop.set()
        if not begun.acquire(blocking=False):
            with anyio.CancelScope(shield=True):
                await ended.wait()
        raise
