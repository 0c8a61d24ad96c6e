"""The journal: what is about to happen and what did, one self-contained line each, durable when it must be."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio.to_thread

from flowrunner.engine.clock import Clock
from flowrunner.engine.lines import Event, seal
from flowrunner.engine.mask import Masker
from flowrunner.errors import BenchError

Listener = Callable[[Event], None]

DEFERRED = frozenset(
    {"lease.requested", "step.started", "safe_state.started", "safe_state.finished", "device.finished"}
)
"""Durable events behind which `settle` is awaited before anything is done, or of which nothing depends."""


class Journal:
    """Appends events to `journal.jsonl` and hands each one to the listeners, masked.

    The fields of each event are in docs/journal.md. `fsync=False` leaves durability to the kernel. When the disk takes
    no more, `on_failure` is told once and nothing further is written: the run must end, and its devices be made safe,
    all the same.
    """

    def __init__(
        self, path: Path, clock: Clock, masker: Masker, *, first: int = 0, fsync: bool = True,
        on_failure: Callable[[BenchError], None] | None = None,
    ) -> None:  # fmt: skip
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._path = path
        self._clock = clock
        self._masker = masker
        self._next = first
        self._fsync = fsync
        self._on_failure = on_failure
        self._listeners: list[Listener] = []
        self.failure: BenchError | None = None
        self._grouped = False
        self._due = self._settled = first
        self._syncing: asyncio.Task[None] | None = None

    def group(self) -> None:
        """From now on those who work beside each other share what makes their intents durable: see `settle`."""
        self._grouped = True

    async def settle(self) -> None:
        """Return when every durable line so far is on the disk. To be awaited between an intent and its effect.

        Without `group` that is so already. With it, all that came while the disk was busy go there together.
        """
        due = self._due
        while self._grouped and self._settled < due and self.failure is None:
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync())
            await asyncio.shield(self._syncing)

    async def _sync(self) -> None:
        upto = self._next
        try:
            await anyio.to_thread.run_sync(os.fdatasync, self._file)
            self._settled = upto
        except OSError as error:
            self._fail(error)
        finally:
            self._syncing = None

    def listen(self, listener: Listener) -> None:
        """Hand every further event to `listener`."""
        self._listeners.append(listener)

    def write(self, event: str, *, durable: bool = False, **fields: Any) -> None:
        """Append one event; `durable` returns only when this line and all before it are on the disk."""
        record = {"n": self._next, "t": round(float(self._clock.now()), 6), "event": event}
        record |= self._masker.data(fields)
        if self.failure is None:
            later = durable and self._grouped and self._fsync and event in DEFERRED
            self._append(seal(record), durable=durable and not later)
            self._due = self._next + 1 if later else self._due
        self._next += 1
        self._tell(record)

    def _append(self, line: bytes, *, durable: bool) -> None:
        try:
            _write_all(self._file, line)
            if durable and self._fsync:
                os.fdatasync(self._file)
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.failure = BenchError(
            f"the journal {self._path} could not be written: {error.strerror}",
            blame="infra",
            help="make room on the disk, or choose another folder with --runs",
        )
        if self._on_failure:
            self._on_failure(self.failure)

    def show(self, event: str, **fields: Any) -> None:
        """Tell the listeners only: progress and live console bytes are not kept here."""
        if self._listeners:
            self._tell({"t": float(self._clock.now()), "event": event} | fields)

    def close(self) -> None:
        """Make everything durable and close the file."""
        if self._fsync and self.failure is None:
            os.fdatasync(self._file)
        os.close(self._file)

    def _tell(self, record: Event) -> None:
        for listener in self._listeners:
            listener(record)


class JobJournal(Journal):
    """The journal as the work of one job writes it: what has no path of its own says which job it belongs to."""

    def __init__(self, whole: Journal, job: str) -> None:
        self._whole = whole
        self._job = job

    def write(self, event: str, *, durable: bool = False, **fields: Any) -> None:
        self._whole.write(event, durable=durable, **self._told(fields))

    def group(self) -> None:
        self._whole.group()

    async def settle(self) -> None:
        await self._whole.settle()

    def show(self, event: str, **fields: Any) -> None:
        self._whole.show(event, **self._told(fields))

    def _told(self, fields: dict[str, Any]) -> dict[str, Any]:
        return fields if "path" in fields else {"job": self._job, **fields}


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
