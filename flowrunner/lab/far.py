"""A remote exporter while it is held for a role: leased from the exporter itself, behind this machine's lock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, nullcontext

from flowrunner.bench.part import join
from flowrunner.device import Device
from flowrunner.engine.lab import DeviceLog, Lease
from flowrunner.lab.flock import LockFile
from flowrunner.lab.hold import LONGEST_LOG, Hold, Told
from flowrunner.lab.served import RemoteExporter
from flowrunner.model import Duration
from flowrunner.pipeline.plan import DeviceRequest
from flowrunner.remote.client.remote import Claim, LogLine, Remote, RemoteLease

UNGUARDED = (
    "this exporter cannot make the device safe when this process dies, and nobody else will: "
    "look at the device then, or run 'flow recover'"
)


class RemoteHold(Hold):
    """An exporter that another process serves."""

    def __init__(
        self, request: DeviceRequest, exporter: RemoteExporter, lock: LockFile, told: Told, *, shared: bool = False
    ) -> None:
        super().__init__(
            request, lock, told, exporter=exporter.name, identity=exporter.identity, endpoint=str(exporter.endpoint)
        )
        self._exporter = exporter
        self._shared = shared
        self._remote: Remote | None = None
        self._held: RemoteLease | None = None

    @property
    def identity(self) -> str:
        """The exporter's."""
        return self._exporter.identity

    @property
    def id(self) -> str:
        """What the connected exporter calls itself: the same for all its clients. Empty when it does not say."""
        assert self._remote
        return self._remote.id

    @property
    def order(self) -> tuple[str, str]:
        """Everyone takes exporters in this order: it is their own names that count, not how one reaches them."""
        assert self._remote
        return self.id or self._remote.name, str(self._exporter.endpoint)

    async def connect(self, stack: AsyncExitStack) -> None:
        """Connect; `stack` ends that.

        Raises:
            BenchError: it does not answer, or refused.
        """
        self._remote = await stack.enter_async_context(self._exporter.connected())
        self._exporter.learn(self._remote)

    async def take(self, stack: AsyncExitStack, waiting: Callable[[str, int], None]) -> None:
        """Wait for the exporter and hold it; `stack` gives it back.

        Raises:
            BenchError: it refused, or was lost.
        """
        assert self._remote
        request = self.request
        claim = Claim(
            role=request.role,
            owner=f"{self.told.owner} on {self._facts['host']}",
            safe_state=safe_calls(request, self._remote.device),
            grace=self._exporter.grace,
            duration=request.duration,
            shared=self._shared,
            join=self._exporter.join,
            on_call=self.told.on_call,
            on_log=self._logged,
        )
        held = self._held = await stack.enter_async_context(self._remote.leased(claim, waiting))
        self.start(self._lease(held))
        following = asyncio.create_task(self._follow(held))
        stack.callback(following.cancel)

    def opened(self) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    def extend(self, seconds: float) -> None:
        super().extend(seconds)
        if self._held:
            self._held.extend(seconds)

    def _lease(self, held: RemoteLease) -> Lease:
        def drain() -> None:
            held.draining = True

        return Lease(
            role=self.request.role,
            name=held.name,
            exporter=self._exporter.name,
            labels=self._exporter.labels,
            device=held.device,
            types={path: node.type for path, node in held.device.walk()},
            warning=None if held.guarded else UNGUARDED,
            on_drain=drain,
        )

    def _expire(self, duration: Duration) -> None:
        super()._expire(duration)
        if self._held and self.lease.reason:
            self._held.lose(self.lease.reason)

    async def _follow(self, held: RemoteLease) -> None:
        """What the exporter ends is ended for the job."""
        await held.lost.wait()
        self.lease.lose(held.reason or f"the lease of '{self.lease.exporter}' was lost")

    def _logged(self, line: LogLine) -> None:
        if self._held is None and line.source != "before_lease":
            return  # what others do with it while we wait is not of this run
        role, driver = self.request.role, line.driver
        inside = driver is not None and line.source == "driver"
        self.say(
            DeviceLog(
                role=role,
                level=line.severity.lower(),
                message=line.message[:LONGEST_LOG],
                source=line.source,
                driver=join(role, driver or "") if inside else driver,
                call=line.operation,
            )
        )


def safe_calls(request: DeviceRequest, device: Device) -> list[tuple[str, str]]:
    """What the safe state of a role calls on `device`, in the order in which a job does it: paths and methods."""
    if request.safe_state == "keep":
        return []
    return [(path, action) for part, action in request.safe_state.items() for path, _ in device.parts(part)]
