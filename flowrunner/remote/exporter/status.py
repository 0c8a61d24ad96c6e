"""What an exporter says of itself: its status, with a version that counts the changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import anyio


class Status(IntEnum):
    """`jumpstarter.v1.ExporterStatus`."""

    UNSPECIFIED = 0
    OFFLINE = 1
    AVAILABLE = 2
    BEFORE_LEASE_HOOK = 3
    LEASE_READY = 4
    AFTER_LEASE_HOOK = 5
    BEFORE_LEASE_HOOK_FAILED = 6
    AFTER_LEASE_HOOK_FAILED = 7


HOOK_WARNING = "[HOOK_WARNING] "
"""How a status message begins that tells of a hook which failed without consequences; clients print it."""

READY = frozenset({Status.LEASE_READY, Status.BEFORE_LEASE_HOOK, Status.AFTER_LEASE_HOOK})
"""The statuses in which drivers may be called."""


@dataclass(frozen=True, slots=True)
class Stand:
    """The status at one moment."""

    status: Status
    message: str = ""
    version: int = 0
    previous: Status | None = None


class Statuses:
    """The status now, and a way to wait for the next. `ready` says whether drivers may be called."""

    def __init__(self) -> None:
        """It begins as available."""
        self.now = Stand(Status.AVAILABLE)
        self.ready = False
        self._changed = anyio.Event()

    def set(self, status: Status, message: str = "") -> None:
        """Go on to `status`."""
        self.now = Stand(status, message, self.now.version + 1, self.now.status)
        self.ready = status in READY
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    async def changed(self) -> Stand:
        """Wait for the next change."""
        await self._changed.wait()
        return self.now
