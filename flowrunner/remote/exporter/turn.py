"""The time in which one owner has a bench."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio

from flowrunner.device import Device
from flowrunner.errors import BenchError

OPEN = "open"
"""The id of the turn in which everyone may use the bench."""

Waiting = Callable[[str, int], Awaitable[None]]
"""Told while queueing, when something changed: who has the bench, and the place in the queue from 1."""


@dataclass(eq=False, slots=True, kw_only=True)
class Turn:
    """The time in which one owner has the bench. `over` is set when it ends; calls are refused from then on.

    `unguarded` is the same device, for what the exporter itself has to do. A `shared` one lets clients of Jumpstarter
    work beside it (a shell of ours with `j` inside). `watched` is the device for those who only look on, None until
    there is one.
    """

    id: str
    owner: str
    shared: bool = False
    device: Device = field(default_factory=lambda: Device("", "composite"))
    unguarded: Device = field(default_factory=lambda: Device("", "composite"))
    watched: Device | None = None
    over: anyio.Event = field(default_factory=anyio.Event)
    reason: str | None = None

    def end(self, reason: str) -> None:
        """Refuse all further calls, saying why."""
        self.reason = self.reason or reason
        self.over.set()

    def guard(self) -> None:
        """Raise when no call may be made any more."""
        if self.over.is_set():
            raise BenchError(self.reason or "the lease has ended", blame="lost")

    def only_watching(self, driver: str, method: str, arguments: Mapping[str, Any]) -> None:
        """Raise when a call is more than looking on."""
        if method != "watch":
            raise Busy(self.owner)


class Around(Protocol):
    """What is done at the beginning and at the end of each turn."""

    async def begin(self, turn: Turn) -> None:
        """Before the first call.

        Raises:
            BenchError: the turn cannot be had.
        """
        ...

    async def end(self, turn: Turn) -> None:
        """Behind the last call, also when `begin` failed. Never raises."""
        ...


class Busy(BenchError):
    """Somebody else has the bench alone."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"the exporter is in use by {owner}", blame="infra", help="wait for that lease to end")


class ExitError(BenchError):
    """A hook failed that takes the exporter out of service: it ends, and is not started again."""
