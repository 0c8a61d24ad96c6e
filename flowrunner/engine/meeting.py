"""Barriers: places where branches wait for each other."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Barrier:
    """One barrier: who is to come, who is there, and whoever cannot come any more."""

    awaited: set[str]
    there: set[str] = field(default_factory=set)
    missing: str | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Meeting:
    """The barriers of one `parallel`, for one time that it runs. A barrier opens once, when all have come."""

    def __init__(self, barriers: Mapping[str, Iterable[str]]) -> None:
        """`barriers` gives the branches that meet at each of them."""
        self._barriers = {name: _Barrier(set(branches)) for name, branches in barriers.items()}

    def of(self, branch: str) -> Member:
        """The meeting as one branch comes to it."""
        return Member(self, branch)

    def arrive(self, name: str, branch: str) -> asyncio.Event:
        """`branch` is at the barrier `name`; the event is set when it opened, or when it never will."""
        barrier = self._barriers[name]
        barrier.there.add(branch)
        if barrier.there == barrier.awaited:
            barrier.changed.set()
        return barrier.changed

    def missing(self, name: str) -> str | None:
        """The branch that cannot come to the barrier `name` any more; None when it is open."""
        return self._barriers[name].missing

    def leave(self, branch: str) -> None:
        """`branch` has ended: who waits for it at some barrier waits in vain."""
        for barrier in self._barriers.values():
            if branch in barrier.awaited - barrier.there and barrier.missing is None:
                barrier.missing = branch
                barrier.changed.set()


@dataclass(frozen=True, slots=True)
class Member:
    """One branch in a meeting."""

    meeting: Meeting
    branch: str

    def arrive(self, name: str) -> asyncio.Event:
        """As `Meeting.arrive`."""
        return self.meeting.arrive(name, self.branch)

    def missing(self, name: str) -> str | None:
        """As `Meeting.missing`."""
        return self.meeting.missing(name)
