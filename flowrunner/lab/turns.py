"""Turns: of all jobs of this machine that name the same group one runs at a time, in the order in which they came."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from flowrunner.lab.flock import lock_folder
from flowrunner.lab.locks import Blocked, Claim, Locks, lock_name


class Turns:
    """The turns of one machine; they are kept apart from the leases in its folder of locks."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        """`folder` finds the folder of the locks when the first turn is asked for."""
        self._folder = folder

    @asynccontextmanager
    async def __call__(self, group: str, owner: str, waiting: Callable[[str, int], None]) -> AsyncIterator[None]:
        """Be the only one of `group`; `waiting` is told whose turn it is, and the place in the queue from 1.

        A process that dies gives its turn back.
        """

        def told(blocked: Blocked) -> None:
            waiting(blocked.owner, blocked.position)

        locks = Locks(lock_folder({"FLOW_LOCK_DIR": str(self._folder() / "groups")}))
        held = await locks.acquire([Claim(group, (lock_name(group),))], owner, told)
        _, lock = held[group]
        try:
            lock.note({"owner": owner, "group": group})
            yield
        finally:
            lock.free()
