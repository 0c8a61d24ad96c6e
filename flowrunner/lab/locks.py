"""Leases of this machine: locks on exporters, taken all or none, with a queue that is served in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio

from flowrunner.lab.flock import LockFile, brief, read_note
from flowrunner.lab.matching import match

FIRST_PAUSE, LONGEST_PAUSE = 0.02, 0.1
"""Seconds between two looks at a lock that another has."""

BUSY_PAUSE = 0.002
"""Seconds between two attempts to look, while another is looking."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One role, and the locks of which it takes one, best first."""

    role: str
    choices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a claim waits: who has what it wants, and the place in the queue from 1."""

    role: str
    owner: str
    position: int


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that somebody has: what its holder noted, and the owners who wait for it, in order."""

    facts: Mapping[str, Any]
    waiting: tuple[str, ...]


def lock_name(identity: str) -> str:
    """The lock of what `identity` says: readable, and the same for the same."""
    slug = re.sub(r"[^A-Za-z0-9]+", "-", Path(identity).stem)[:40].strip("-")
    return f"{slug}-{sha256(identity.encode()).hexdigest()[:12]}"


class Locks:
    """The locks and the queue in one folder."""

    def __init__(self, folder: Path) -> None:
        """`folder` has been made by `lock_folder`."""
        self.folder = folder

    async def acquire(
        self, claims: Sequence[Claim], owner: str, waiting: Callable[[Blocked], None]
    ) -> dict[str, tuple[str, LockFile]]:
        """The lock of each role, with its name; all at once, after everyone who asked for one of them before.

        `waiting` is told when something changed. Cancelling leaves the queue.
        """
        pause, ticket = FIRST_PAUSE, None
        told: list[Blocked] = []
        try:
            while True:
                with brief(self.folder) as mine:
                    if mine:
                        ahead = self._ahead(claims, ticket)
                        if not ahead and (held := self._grab(claims)):
                            return held
                        ticket = ticket or self._enqueue(claims, owner)
                        blocked = self._blocked(claims, ahead)
                        for news in (b for b in blocked if b not in told):
                            waiting(news)
                        told = blocked
                await anyio.sleep(pause if mine else BUSY_PAUSE)
                pause = min(pause * 1.2, LONGEST_PAUSE) if mine else pause
        finally:
            if ticket:
                ticket.free(remove=True)

    async def leases(self) -> list[Held]:
        """Who has what now, and who waits for it."""
        while True:
            with brief(self.folder) as mine:
                if mine:
                    queue = [read_note(path) for path in self._queue()]
                    return [
                        Held(facts, tuple(str(note.get("owner")) for note in queue if name in note.get("wants", ())))
                        for path in sorted(self.folder.glob("*.lock"))
                        if (facts := self._holder(name := path.stem)) is not None
                    ]
            await anyio.sleep(BUSY_PAUSE)

    def _holder(self, name: str) -> dict[str, Any] | None:
        """What the holder of a lock noted; None when it is free."""
        path = self.folder / f"{name}.lock"
        free = LockFile.take(path)
        if free:
            free.free()
            return None
        return read_note(path)

    def _grab(self, claims: Sequence[Claim]) -> dict[str, tuple[str, LockFile]] | None:
        """One free lock for each claim; nothing is kept when that cannot be."""
        names = sorted({name for claim in claims for name in claim.choices})
        free = {name: lock for name in names if (lock := LockFile.take(self.folder / f"{name}.lock"))}
        chosen = match({claim.role: [name for name in claim.choices if name in free] for claim in claims})
        for name, lock in free.items():
            if chosen is None or name not in chosen.values():
                lock.free()
        return {role: (name, free[name]) for role, name in chosen.items()} if chosen is not None else None

    def _queue(self) -> list[Path]:
        """The tickets of those who wait and live, in order; others are removed."""
        live = []
        for path in sorted((self.folder / "queue").iterdir()):
            dead = LockFile.take(path)
            if dead:
                dead.free(remove=True)
            else:
                live.append(path)
        return live

    def _ahead(self, claims: Sequence[Claim], ticket: LockFile | None) -> list[str]:
        """The owners who wait before `ticket` for something that these claims want."""
        wanted = {name for claim in claims for name in claim.choices}
        before = [path for path in self._queue() if not ticket or path.name < ticket.path.name]
        notes = (read_note(path) for path in before)
        return [str(note.get("owner")) for note in notes if wanted & set(note.get("wants", ()))]

    def _enqueue(self, claims: Sequence[Claim], owner: str) -> LockFile:
        last = max((int(path.stem) for path in self._queue()), default=0)
        ticket = LockFile.take(self.folder / "queue" / f"{last + 1:012}.ticket")
        assert ticket, "a ticket's number is new, under the folder's own lock"
        ticket.note({"owner": owner, "wants": sorted({name for claim in claims for name in claim.choices})})
        return ticket

    def _blocked(self, claims: Sequence[Claim], ahead: Sequence[str]) -> list[Blocked]:
        found = []
        for claim in claims:
            holders = [holder for name in claim.choices if (holder := self._holder(name)) is not None]
            if len(holders) == len(claim.choices):
                owners = "; ".join(str(holder.get("owner", "another")) for holder in holders)
                found.append(Blocked(claim.role, owners, len(ahead) + 1))
        return found or [Blocked(claims[0].role, "; ".join(ahead[-1:]) or "another", len(ahead) + 1)]
