"""Getting all exporters of a scope: this machine's locks at once, then the remote ones in an order that all share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from flowrunner.engine.lab import Waiting
from flowrunner.errors import BenchError
from flowrunner.lab.exporter import LabExporter, LocalExporter
from flowrunner.lab.far import RemoteHold
from flowrunner.lab.flock import LockFile
from flowrunner.lab.hold import Hold, LocalHold, Told
from flowrunner.lab.locks import Blocked, Claim, Locks, lock_name
from flowrunner.lab.matching import match
from flowrunner.lab.served import RemoteExporter
from flowrunner.pipeline.plan import DeviceRequest

Fitting = Mapping[str, Sequence[LabExporter]]


class _InUseError(Exception):
    """Somebody has what is wanted; `identity` is the remote exporter's, None for a lock of this machine."""

    def __init__(self, identity: str | None) -> None:
        super().__init__(identity)
        self.identity = identity


class Queue:
    """Who was waited for last."""

    def __init__(self, requests: Sequence[DeviceRequest], waiting: Waiting) -> None:
        """`waiting` is told on."""
        self.role = requests[0].role if requests else ""
        self.owner: str | None = None
        self._waiting = waiting

    def tell(self, role: str, owner: str, position: int) -> None:
        """Something changed while waiting."""
        self.role, self.owner = role, owner or None
        self._waiting(role, owner, position)


@dataclass(frozen=True, slots=True)
class Acquiring:
    """What is wanted, by whom. `folder` finds the folder of the locks; Jumpstarter may work beside `shared` leases."""

    requests: Sequence[DeviceRequest]
    folder: Callable[[], Path]
    told: Told
    queue: Queue
    shared: bool

    async def acquire(self, stack: AsyncExitStack, fitting: Fitting) -> list[Hold]:
        """One of those that fit for each role, all or none; `stack` frees all of it.

        Those that are free are taken before any is waited for. Nobody waits here for a lock of this machine while he
        has a remote exporter, and nobody for a remote one while he has another that comes later: so no two wait for
        each other.

        Raises:
            BenchError: a remote exporter refused, or could not be reached.
        """
        if not self.requests:
            return []
        left = fitting if _choice(fitting) else {}
        while left and match({role: [e.identity for e in found] for role, found in left.items()}):
            try:
                return await self._attempt(stack, left, patient=False)
            except _InUseError as error:
                left = _without(left, error.identity) if error.identity else {}
        return await self._attempt(stack, fitting, patient=True)

    async def _attempt(self, stack: AsyncExitStack, fitting: Fitting, *, patient: bool) -> list[Hold]:
        """Get them; all that was got is given back when that fails. Only who is `patient` waits."""
        async with AsyncExitStack() as mine:
            holds = await self._lock(mine, fitting, patient=patient)
            far = [hold for hold in holds if isinstance(hold, RemoteHold)]
            for hold in far:
                await self._connect(mine, hold, patient=patient)
            _tell_twins(far)
            for hold in sorted(far, key=lambda hold: hold.order):
                await self._take(mine, hold, patient=patient)
            await stack.enter_async_context(mine.pop_all())
            return holds

    async def _lock(self, stack: AsyncExitStack, fitting: Fitting, *, patient: bool) -> list[Hold]:
        def blocked(by: Blocked) -> None:
            if not patient:
                raise _InUseError(None)
            self.queue.tell(by.role, by.owner, by.position)

        exporters = {lock_name(e.identity): e for found in fitting.values() for e in found}
        claims = [Claim(role, tuple(lock_name(e.identity) for e in found)) for role, found in fitting.items()]
        held = await Locks(self.folder()).acquire(claims, str(self.told.owner), blocked)
        for _, lock in held.values():
            stack.callback(lock.free)
        holds = []
        for request in self.requests:
            name, lock = held[request.role]
            hold = self._hold(request, exporters[name], lock)
            stack.callback(hold.end)
            holds.append(hold)
        return holds

    async def _connect(self, stack: AsyncExitStack, hold: RemoteHold, *, patient: bool) -> None:
        try:
            await hold.connect(stack)
        except BenchError as error:
            if patient:
                raise
            raise _InUseError(hold.identity) from error  # another one may do

    async def _take(self, stack: AsyncExitStack, hold: RemoteHold, *, patient: bool) -> None:
        def waiting(owner: str, position: int) -> None:
            if patient:
                self.queue.tell(hold.request.role, owner, position)
            else:
                limit.reschedule(0)

        limit = asyncio.timeout(None)
        try:
            async with limit:
                await hold.take(stack, waiting)
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise _InUseError(hold.identity) from error

    def _hold(self, request: DeviceRequest, exporter: LabExporter, lock: LockFile) -> Hold:
        if isinstance(exporter, RemoteExporter):
            return RemoteHold(request, exporter, lock, self.told, shared=self.shared)
        assert isinstance(exporter, LocalExporter)
        return LocalHold(request, exporter, lock, self.told)


def _choice(fitting: Fitting) -> bool:
    """Whether a remote exporter may be left for another one."""
    return any(len(found) > 1 and any(isinstance(e, RemoteExporter) for e in found) for found in fitting.values())


def _tell_twins(far: Sequence[RemoteHold]) -> None:
    """Raise when two roles would wait for each other: their exporters are one, reached in two ways."""
    roles: dict[str, str] = {}
    for hold in far:
        if hold.id and (first := roles.setdefault(hold.id, hold.request.role)) != hold.request.role:
            what = f"'{first}' and '{hold.request.role}' would get the same exporter, by two addresses"
            raise BenchError(what, blame="config", help="name another exporter for one of them")


def _without(fitting: Fitting, identity: str) -> Fitting:
    return {role: [e for e in found if e.identity != identity] for role, found in fitting.items()}
