"""Running what others wrote: a plugin's coroutine in a task of its own, ended at its limit whatever it does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from flowrunner.engine.halt import Halt, Limit
from flowrunner.engine.result import Result
from flowrunner.errors import unwrap

GRACE = 5.0
"""Seconds that work may take to end after it was asked to; then the engine goes on without it."""


class PluginExit(Exception):
    """An action called exit."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How work ended: by itself, at its limit, by being idle, or asked to; `overrun`: it ignored the asking."""

    how: Literal["done", "limit", "idle", "halt"]
    value: Any = None
    error: BaseException | None = None
    reason: Result | None = None
    overrun: bool = False


class Idle:
    """Watches for signs of life: `sign()` puts the limit of `seconds` off."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self._time = asyncio.get_running_loop().time  # `anyio.current_time` may know no loop in a timer, outside tasks
        self._last = self._time()

    def sign(self) -> None:
        """Something moved."""
        self._last = self._time()

    def start(self, expired: Callable[[], None]) -> Callable[[], None]:
        """Call `expired` once nothing moved for so long; returns how to stop."""
        if self.seconds is None:
            return lambda: None
        loop = asyncio.get_running_loop()
        seconds = self.seconds
        self.sign()

        def look() -> None:
            if self._time() - self._last >= seconds:
                expired()
            else:
                timers.append(loop.call_at(self._last + seconds, look))
                del timers[:-1]

        timers = [loop.call_at(self._last + seconds, look)]
        return lambda: timers[-1].cancel()


async def supervise(
    work: Coroutine[Any, Any, Any], *, limit: Limit | None, halts: Iterable[Halt], idle: Idle | None = None
) -> Ending:
    """Run `work` until it ends, its limit passes, it is idle for too long, or one of `halts` asks.

    Work that does not end within the grace after that is left behind: it is canceled and its result ignored.
    """
    loop = asyncio.get_running_loop()
    left = asyncio.Event()
    task = loop.create_task(_contained(work, left))
    stop: asyncio.Future[Ending] = loop.create_future()

    def ask(ending: Ending) -> None:
        if not stop.done():
            stop.set_result(ending)

    undo = [halt.subscribe(lambda reason: ask(Ending("halt", reason=reason))) for halt in halts]
    if limit:
        undo.append(loop.call_at(limit.at, ask, Ending("limit")).cancel)
    if idle:
        undo.append(idle.start(lambda: ask(Ending("idle"))))
    try:
        await asyncio.wait((task, stop), return_when=asyncio.FIRST_COMPLETED)
    except asyncio.CancelledError:
        task.cancel()
        raise
    finally:
        for forget in undo:
            forget()
    if task.done():
        return _done(task)
    return await _end(task, stop.result(), left)


async def _contained(work: Coroutine[Any, Any, Any], left: asyncio.Event) -> Any:
    """Do `work`; what it does after it was left behind is nobody's concern."""
    try:
        return await work
    except (SystemExit, KeyboardInterrupt) as error:
        raise PluginExit(f"it called exit ({error!r})") from error
    except Exception:
        if not left.is_set():
            raise


async def _end(task: asyncio.Task[Any], asked: Ending, left: asyncio.Event) -> Ending:
    task.cancel()
    await asyncio.wait((task,), timeout=GRACE)
    if task.done():
        ending = _done(task)
        return ending if ending.how == "done" and ending.error is None else asked
    left.set()
    return Ending(asked.how, reason=asked.reason, overrun=True)


def _done(task: asyncio.Task[Any]) -> Ending:
    if task.cancelled():
        return Ending("done", error=PluginExit("it canceled itself"))
    error = task.exception()
    return Ending("done", error=unwrap(error)) if error else Ending("done", value=task.result())
