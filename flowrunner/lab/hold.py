"""An exporter while it is held for a role: its lock on this machine, its lease, and when that ends."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import anyio

from flowrunner.bench.bench import Bench
from flowrunner.bench.calling import Calling, collecting
from flowrunner.bench.traced import OnCall
from flowrunner.engine.lab import DeviceLog, Lease, OnLog, Owner
from flowrunner.errors import BenchError
from flowrunner.lab.exporter import LocalExporter
from flowrunner.lab.flock import LockFile
from flowrunner.model import Duration
from flowrunner.pipeline.plan import DeviceRequest

LONGEST_LOG = 4096
"""Characters of one line in the journal that a driver logged."""


@dataclass(frozen=True, slots=True)
class Told:
    """Who leases, and what is told while something is held."""

    owner: Owner
    on_log: OnLog
    on_call: OnCall | None = None


class Hold(ABC):
    """One role's exporter, locked. `lease` is there once it is had."""

    lease: Lease

    def __init__(self, request: DeviceRequest, lock: LockFile, told: Told, **facts: Any) -> None:
        self.request = request
        self.told = told
        self._lock = lock
        self._facts = {
            **facts,
            "role": request.role,
            "owner": str(told.owner),
            **asdict(told.owner),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._timer: asyncio.TimerHandle | None = None
        self._thread = threading.get_ident()
        self._loop = asyncio.get_running_loop()
        self.released = False
        lock.note(self._facts)

    @abstractmethod
    def opened(self) -> AbstractAsyncContextManager[None]:
        """The drivers are open inside.

        Raises:
            BenchError: one could not be opened, or closed.
        """

    def start(self, lease: Lease) -> None:
        """The lease is had; from now on it runs out."""
        self.lease = lease
        self._facts["lease"] = lease.name
        self.expire_in(self.request.duration)

    def expire_in(self, seconds: float) -> None:
        """Let the lease be lost `seconds` from now, unless it is freed before."""
        if self._timer:
            self._timer.cancel()
        self.lease.expires_at = anyio.current_time() + seconds
        self._timer = self._loop.call_at(self.lease.expires_at, self._expire, Duration(seconds))
        expires = datetime.now(UTC) + timedelta(seconds=seconds)
        self._lock.note({**self._facts, "expires": expires.isoformat(timespec="seconds")})

    def extend(self, seconds: float) -> None:
        """Let the lease end `seconds` from now, whatever was said before."""
        self.expire_in(seconds)

    def end(self) -> None:
        """Refuse all further calls; the lock is for who took it to free."""
        self.released = True
        if self._timer:
            self._timer.cancel()

    def say(self, line: DeviceLog) -> None:
        """Tell what was logged, from whatever thread, as long as anyone listens."""
        if self.released:
            return
        if threading.get_ident() == self._thread:
            self.told.on_log(line)
        else:
            self._loop.call_soon_threadsafe(self.say, line)

    def _expire(self, duration: Duration) -> None:
        self.lease.lose(f"the lease of '{self.lease.exporter}' expired after {duration}")


class LocalHold(Hold):
    """An exporter whose drivers this process opens."""

    def __init__(self, request: DeviceRequest, exporter: LocalExporter, lock: LockFile, told: Told) -> None:
        super().__init__(request, lock, told, exporter=exporter.name, identity=exporter.identity)
        self.bench = Bench(exporter.source, request.role, on_log=self._logged)
        device = self.bench.device(guard=self._guard, on_call=told.on_call)
        self.start(
            Lease(
                role=request.role,
                name=f"local-{uuid4().hex[:8]}",
                exporter=exporter.name,
                labels=exporter.labels,
                device=device,
                types={path: node.type for path, node in device.walk()},
            )
        )

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        with collecting():
            async with self.bench.opened():
                yield

    def _guard(self) -> None:
        if self.released:
            raise BenchError(f"the lease of '{self.lease.exporter}' has ended", blame="lost")
        if self.lease.lost.is_set() and not self.lease.draining:
            raise BenchError(self.lease.reason or f"the lease of '{self.lease.exporter}' was lost", blame="lost")

    def _logged(self, now: Calling, record: logging.LogRecord) -> None:
        self.say(
            DeviceLog(
                role=self.request.role,
                level=record.levelname.lower(),
                message=_text(record),
                driver=now.driver,
                call=now.call,
            )
        )


def _text(record: logging.LogRecord) -> str:
    error = record.exc_info[1] if record.exc_info else None
    why = f": {type(error).__name__}: {error}" if error else ""
    return f"{record.getMessage()}{why}"[:LONGEST_LOG]
