"""Stopping work that is under way: who asks, who obeys, and what is exempt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import anyio

from flowrunner.engine.result import Result


@dataclass(frozen=True, slots=True)
class Limit:
    """A deadline by the loop's clock, with the words that name it: `the 20m timeout of the pipeline (8:1)`."""

    at: float
    what: str

    @classmethod
    def earliest(cls, *limits: Limit | None) -> Limit | None:
        """The one that comes first."""
        return min((limit for limit in limits if limit), key=lambda limit: limit.at, default=None)

    @property
    def expired(self) -> bool:
        """Whether it has passed."""
        return anyio.current_time() >= self.at


class Halt:
    """A request to stop that reaches all halts below it. The first reason stays."""

    def __init__(self, parent: Halt | None = None) -> None:
        self._reason: Result | None = None
        self._parent = parent
        self._callbacks: set[Callable[[Result], object]] = set()
        self._forget = parent.subscribe(self.request) if parent else None

    @property
    def reason(self) -> Result | None:
        """Why to stop; None while nobody asked."""
        return self._reason

    def request(self, reason: Result) -> None:
        """Ask everything below to stop."""
        if self._reason is None:
            self._reason = reason
            for callback in tuple(self._callbacks):
                callback(reason)

    def subscribe(self, callback: Callable[[Result], object]) -> Callable[[], None]:
        """Call `callback` once when asked to stop, at once when that is past; returns how to unsubscribe."""
        if self._reason is not None:
            callback(self._reason)
        self._callbacks.add(callback)
        return lambda: self._callbacks.discard(callback)

    def detach(self) -> None:
        """Forget the parent: this halt's work is over."""
        if self._forget:
            self._forget()

    async def sleep(self, seconds: float) -> bool:
        """Sleep, and return whether it was asked to stop meanwhile."""
        asked = asyncio.Event()
        unsubscribe = self.subscribe(lambda _: asked.set())
        try:
            with anyio.move_on_after(seconds):
                await asked.wait()
        finally:
            unsubscribe()
        return self._reason is not None
