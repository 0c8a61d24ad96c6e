"""A lab of this machine: exporters from files, leases that are locks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import anyio

from flowrunner.bench.bench import Bench
from flowrunner.bench.traced import OnCall
from flowrunner.engine.lab import Lease, LeaseTimeout, Owner, Waiting
from flowrunner.errors import BenchError, PipelineError, PipelineErrors
from flowrunner.lab.config import LabExporter
from flowrunner.lab.fitting import Catalogue
from flowrunner.lab.flock import LockFile
from flowrunner.lab.locks import Blocked, Claim, Locks, lock_name
from flowrunner.lab.matching import match
from flowrunner.model import Duration
from flowrunner.pipeline.plan import DeviceRequest


class LocalLab:
    """Exporters that this process opens itself.

    `pinned` are exporters that the user named for a role (`--exporter dut=FILE`); the empty role stands for the only
    one. `origin` says where the lab comes from.
    """

    def __init__(
        self,
        exporters: Sequence[LabExporter],
        *,
        folder: Callable[[], Path],
        pinned: Mapping[str, LabExporter] | None = None,
        origin: str | None = None,
        on_call: OnCall | None = None,
    ) -> None:
        """`folder` finds the folder of the locks when the first lease is asked for."""
        self.catalogue = Catalogue(exporters)
        self.pinned = dict(pinned or {})
        self.origin = origin
        self.on_call = on_call
        self._folder = folder
        self._holds: dict[str, _Hold] = {}

    def check(self, requests: Sequence[DeviceRequest]) -> None:
        errors: list[PipelineError] = []
        fitting: dict[str, list[LabExporter]] = {}
        for request in requests:
            try:
                fitting[request.role] = self._fitting(request, requests)
            except PipelineErrors as found:
                errors.extend(error for error in found.errors if str(error) not in map(str, errors))
            except PipelineError as error:
                errors.append(error)
        if (
            not errors
            and not match({role: [e.identity for e in found] for role, found in fitting.items()})
            and requests
        ):
            errors.append(_too_few(requests, fitting))
        if errors:
            raise PipelineErrors(errors)

    @asynccontextmanager
    async def lease(
        self,
        requests: Sequence[DeviceRequest],
        *,
        owner: Owner,
        queue_timeout: float | None,
        waiting: Waiting,
        opening: Callable[[Lease], None],
    ) -> AsyncIterator[Mapping[str, Lease]]:
        self.check(requests)
        holds = await self._acquire(requests, owner, queue_timeout, waiting)
        try:
            for hold in holds:
                self._holds[hold.lease.name] = hold
                opening(hold.lease)
            async with AsyncExitStack() as stack:
                for hold in holds:
                    await stack.enter_async_context(hold.bench.opened())
                yield {hold.lease.role: hold.lease for hold in holds}
        finally:
            for hold in holds:
                self._holds.pop(hold.lease.name, None)
                hold.free()

    def extend(self, lease: Lease, seconds: float) -> None:
        """Let `lease` expire `seconds` from now.

        Raises:
            BenchError: it is not held any more.
        """
        hold = self._holds.get(lease.name)
        if hold is None or lease.lost.is_set():
            raise BenchError(f"the lease of '{lease.exporter}' is held no more", blame="lost")
        hold.expire_in(seconds)

    def _fitting(self, request: DeviceRequest, requests: Sequence[DeviceRequest]) -> list[LabExporter]:
        exporter = self.pinned.get(request.role) or self.pinned.get("")
        if exporter is None:
            return self.catalogue.fitting(request)
        if request.role not in self.pinned and len(requests) > 1:
            roles = ", ".join(f"--exporter {each.role}=FILE" for each in requests)
            raise PipelineError(
                f"which role '{exporter.name}' is for is not said", code="no-exporter", where=request.where, help=roles
            )
        if lacks := self.catalogue.lacks(request, exporter):
            raise PipelineErrors(lacks)
        return [exporter]

    async def _acquire(
        self, requests: Sequence[DeviceRequest], owner: Owner, queue_timeout: float | None, waiting: Waiting
    ) -> list[_Hold]:
        fitting = {request.role: self._fitting(request, requests) for request in requests}
        exporters = {lock_name(e.identity): e for found in fitting.values() for e in found}
        claims = [Claim(role, tuple(lock_name(e.identity) for e in found)) for role, found in fitting.items()]
        last = Blocked(requests[0].role, "", 1) if requests else None

        def tell(blocked: Blocked) -> None:
            nonlocal last
            last = blocked
            waiting(blocked.role, blocked.owner, blocked.position)

        with anyio.move_on_after(queue_timeout):
            locks = Locks(self._folder())
            held = await locks.acquire(claims, str(owner), tell) if claims else {}
            try:
                return [
                    _Hold(request, exporters[held[request.role][0]], held[request.role][1], owner, self.on_call)
                    for request in requests
                ]
            except BaseException:
                for _, lock in held.values():
                    lock.free()
                raise
        assert last is not None and queue_timeout is not None
        raise LeaseTimeout(last.role, queue_timeout, last.owner or None)


class _Hold:
    """A lock that is held, with the bench and the lease that go with it."""

    def __init__(
        self, request: DeviceRequest, exporter: LabExporter, lock: LockFile, owner: Owner, on_call: OnCall | None
    ) -> None:
        self.bench = Bench(exporter.source, request.role)
        self._lock = lock
        self._released = False
        device = self.bench.device(guard=self._guard, on_call=on_call)
        self.lease = Lease(
            role=request.role,
            name=f"local-{uuid4().hex[:8]}",
            exporter=exporter.name,
            labels=exporter.labels,
            device=device,
            types={path: node.type for path, node in device.walk()},
        )
        self._facts = {
            "exporter": exporter.name,
            "identity": exporter.identity,
            "role": request.role,
            "lease": self.lease.name,
            "owner": str(owner),
            **asdict(owner),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        self._timer: asyncio.TimerHandle | None = None
        self.expire_in(request.duration)

    def expire_in(self, seconds: float) -> None:
        """Let the lease be lost `seconds` from now, unless it is freed before."""
        if self._timer:
            self._timer.cancel()
        self.lease.expires_at = anyio.current_time() + seconds
        self._timer = asyncio.get_running_loop().call_at(self.lease.expires_at, self._expire, Duration(seconds))
        expires = datetime.now(UTC) + timedelta(seconds=seconds)
        self._lock.note({**self._facts, "expires": expires.isoformat(timespec="seconds")})

    def free(self) -> None:
        """Refuse all further calls and let the next one in."""
        self._released = True
        if self._timer:
            self._timer.cancel()
        self._lock.free()

    def _expire(self, duration: Duration) -> None:
        self.lease.reason = f"the lease of '{self.lease.exporter}' expired after {duration}"
        self.lease.lost.set()

    def _guard(self) -> None:
        if self._released:
            raise BenchError(f"the lease of '{self.lease.exporter}' has ended", blame="lost")
        if self.lease.lost.is_set() and not self.lease.draining:
            raise BenchError(self.lease.reason or f"the lease of '{self.lease.exporter}' was lost", blame="lost")


def _too_few(requests: Sequence[DeviceRequest], fitting: Mapping[str, Sequence[LabExporter]]) -> PipelineError:
    fits = "; ".join(f"{role}: {', '.join(e.name for e in found)}" for role, found in fitting.items())
    names = {exporter.identity for found in fitting.values() for exporter in found}
    noun = "exporter" if len(names) == 1 else "exporters"
    return PipelineError(
        f"{len(requests)} roles cannot be filled from {len(names)} {noun}",
        code="no-exporter",
        where=requests[-1].where,
        help=f"each role needs one of its own; these fit: {fits}",
    )
