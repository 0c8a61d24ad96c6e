"""Devices for a scope: leased all together, held, made safe, released, whatever happens in between."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, replace

from flowrunner.engine.halt import Halt
from flowrunner.engine.held import Held
from flowrunner.engine.lab import DeviceLog, Lease
from flowrunner.engine.result import Result, of_error
from flowrunner.engine.site import Site
from flowrunner.engine.state import Run
from flowrunner.engine.witness import JOB
from flowrunner.errors import BenchError, unwrap
from flowrunner.model import Duration, Outcome
from flowrunner.pipeline.plan import DeviceRequest

CLOSING_LIMIT = 60.0
"""Seconds that the drivers of a lease may take to close."""

Work = Callable[[Mapping[str, Held]], Awaitable[Result]]


async def with_devices(
    run: Run, site: Site, requests: Sequence[DeviceRequest], queue_timeout: Duration | None, path: str, work: Work
) -> Result:
    """Lease `requests`, do `work` with them, drive the safe state and release.

    The first thing that went wrong stays the result; what comes after it is in the journal.
    """
    holding = _Holding(run, requests, queue_timeout)
    where = requests[0].where
    try:
        leases = await holding.acquire(site.halt)
    except BaseException as error:
        if isinstance(error, asyncio.CancelledError):
            await holding.release()
            raise
        return of_error(unwrap(error), kind="setup", path=path, where=where)
    if leases is None:
        return Result(outcome=Outcome.CANCELED, path=path, cause="cancel", message="canceled while waiting for devices")
    result = await _worked(run, requests, leases, work, path)
    try:
        await holding.release()
    except Exception as error:  # noqa: BLE001 drivers close here: user code
        result = _first(result, of_error(unwrap(error), kind="setup", path=path, where=where))
    return result


async def _worked(
    run: Run, requests: Sequence[DeviceRequest], leases: Mapping[str, Lease], work: Work, path: str
) -> Result:
    held = {request.role: Held(run, leases[request.role], request) for request in requests}
    safe = _SafeState(list(held.values()))
    try:
        async with AsyncExitStack() as stack:
            for device in held.values():
                await stack.enter_async_context(device.opened())
            stack.push_async_callback(safe.drive)
            result = await work(held)
    except BenchError as error:
        result = of_error(error, kind="setup", path=path, where=requests[0].where)
    finally:
        await safe.drive()
    return _first(result, *(replace(failure, path=path) for failure in safe.failures))


class _SafeState:
    """The safe state of all devices, last one first, driven once."""

    def __init__(self, held: Sequence[Held]) -> None:
        self._left = list(held)
        self.failures: list[Result] = []

    async def drive(self) -> None:
        while self._left:
            failure = await self._left.pop().make_safe()
            if failure:
                self.failures.append(failure)


def _first(*results: Result) -> Result:
    return next((result for result in results if not result.good), results[0])


class _Holding:
    """Keeps the lab's lease in a task of its own: drivers must be closed by the task that opened them."""

    def __init__(self, run: Run, requests: Sequence[DeviceRequest], queue_timeout: Duration | None) -> None:
        self._run = run
        self._requests = requests
        self._queue_timeout = queue_timeout
        self._leases: asyncio.Future[Mapping[str, Lease]] = asyncio.get_running_loop().create_future()
        self._done = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def acquire(self, halt: Halt) -> Mapping[str, Lease] | None:
        """The leases by role; None when asked to stop while waiting for them."""
        for request in self._requests:
            self._run.journal.write(
                "lease.requested", durable=True, role=request.role, selector=request.selector,
                requires=list(request.requires), queue_timeout=self._queue_timeout,
            )  # fmt: skip
        await self._run.journal.settle()
        self._task = asyncio.create_task(self._keep())
        asked: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        unsubscribe = halt.subscribe(lambda _: asked.cancel())
        await asyncio.wait((self._task, self._leases, asked), return_when=asyncio.FIRST_COMPLETED)
        unsubscribe()
        if self._leases.done():
            self._task.add_done_callback(self._ended)
            return self._leases.result()
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait((self._task,))
        if self._task.cancelled():
            return None
        self._task.result()
        raise BenchError("the lab gave no device", blame="infra")

    async def _keep(self) -> None:
        lab, run = self._run.lab, self._run
        JOB.set(run.job)
        async with lab.lease(
            self._requests, owner=run.owner, queue_timeout=self._queue_timeout,
            waiting=self._waiting, opening=self._opening, on_log=self._log,
        ) as leases:  # fmt: skip
            if run.witness:
                for lease in leases.values():
                    lease.device = run.witness.device(lease, run.job)
            self._leases.set_result(leases)
            await self._done.wait()

    def _waiting(self, role: str, owner: str, position: int) -> None:
        self._run.journal.write("lease.waiting", role=role, owner=owner, position=position)

    def _opening(self, lease: Lease) -> None:
        parts = {
            path: {"type": node.type, "interfaces": [interface.name for interface in node.interfaces]}
            for path, node in lease.device.walk()
        }
        expires = None if lease.expires_at is None else self._run.clock.since_start(lease.expires_at)
        self._run.journal.write(
            "lease.acquired", durable=True, role=lease.role, exporter=lease.exporter, labels=lease.labels,
            lease=lease.name, expires=expires, parts=parts, safe_state=self._safe_state(lease.role),
        )  # fmt: skip
        if lease.warning:
            self._run.journal.write("lease.warning", role=lease.role, exporter=lease.exporter, message=lease.warning)

    def _log(self, line: DeviceLog) -> None:
        self._run.journal.write("device.log", **asdict(line))

    def _safe_state(self, role: str) -> dict[str, str]:
        wanted = next(request.safe_state for request in self._requests if request.role == role)
        return {} if isinstance(wanted, str) else dict(wanted)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """The drivers went down by themselves: all their devices are lost."""
        for lease in () if self._done.is_set() else self._leases.result().values():
            error = None if task.cancelled() else task.exception()
            lease.lose(str(unwrap(error)) if error else "its drivers ended")

    async def release(self) -> None:
        """Close the drivers and free the lease.

        Raises:
            BenchError: a driver could not be closed, or not in time.
        """
        self._done.set()
        if self._task is None:
            return
        await asyncio.wait((self._task,), timeout=CLOSING_LIMIT)
        if not self._task.done():
            self._task.cancel()
            raise BenchError(f"the drivers were not closed within {CLOSING_LIMIT:g}s", blame="device")
        for request in self._requests:
            exporter = self._leases.result()[request.role].exporter if self._leases.done() else None
            self._run.journal.write("lease.released", role=request.role, exporter=exporter)
        self._task.result()
