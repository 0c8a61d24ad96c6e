"""Getting all exporters of a scope: this machine's locks at once, then the remote ones in an order that all share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path

from flowrunner.engine.lab import Waiting
from flowrunner.lab.exporter import LabExporter, LocalExporter, RemoteExporter
from flowrunner.lab.far import RemoteHold
from flowrunner.lab.flock import LockFile
from flowrunner.lab.hold import Hold, LocalHold, Told
from flowrunner.lab.locks import Claim, Locks, lock_name
from flowrunner.pipeline.plan import DeviceRequest


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


async def acquire(
    stack: AsyncExitStack, fitting: Mapping[str, Sequence[LabExporter]], requests: Sequence[DeviceRequest],
    folder: Callable[[], Path], told: Told, queue: Queue, *, shared: bool,
) -> list[Hold]:  # fmt: skip
    """One of those that fit for each role, all or none; `stack` frees all of it.

    Nobody waits here for a lock of this machine while he has a remote exporter, and nobody for a remote one while he
    has another that comes later: so no two wait for each other.

    Raises:
        BenchError: a remote exporter refused, or could not be reached.
    """
    if not requests:
        return []
    holds = await _lock(stack, fitting, requests, folder, told, queue, shared=shared)
    far = [hold for hold in holds if isinstance(hold, RemoteHold)]
    for hold in far:
        await hold.connect(stack)
    for hold in sorted(far, key=lambda hold: hold.order):
        await hold.take(stack, partial(queue.tell, hold.request.role))
    return holds


async def _lock(
    stack: AsyncExitStack, fitting: Mapping[str, Sequence[LabExporter]], requests: Sequence[DeviceRequest],
    folder: Callable[[], Path], told: Told, queue: Queue, *, shared: bool,
) -> list[Hold]:  # fmt: skip
    exporters = {lock_name(e.identity): e for found in fitting.values() for e in found}
    claims = [Claim(role, tuple(lock_name(e.identity) for e in found)) for role, found in fitting.items()]
    held = await Locks(folder()).acquire(
        claims, str(told.owner), lambda blocked: queue.tell(blocked.role, blocked.owner, blocked.position)
    )
    for _, lock in held.values():
        stack.callback(lock.free)
    holds = []
    for request in requests:
        name, lock = held[request.role]
        hold = _hold(request, exporters[name], lock, told, shared=shared)
        stack.callback(hold.end)
        holds.append(hold)
    return holds


def _hold(request: DeviceRequest, exporter: LabExporter, lock: LockFile, told: Told, *, shared: bool) -> Hold:
    if isinstance(exporter, RemoteExporter):
        return RemoteHold(request, exporter, lock, told, shared=shared)
    assert isinstance(exporter, LocalExporter)
    return LocalHold(request, exporter, lock, told)
