"""A lab of listed exporters: those of a lab's file, or those that the user named."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from flowrunner.bench.traced import OnCall
from flowrunner.engine.lab import Lease, LeaseTimeout, Member, OnLog, Owner, Waiting
from flowrunner.errors import BenchError, PipelineError, PipelineErrors
from flowrunner.lab.acquire import Acquiring, Queue
from flowrunner.lab.exporter import LabExporter
from flowrunner.lab.fitting import Catalogue
from flowrunner.lab.hold import Hold, Told
from flowrunner.lab.matching import match
from flowrunner.lab.reasons import known_labels, too_few
from flowrunner.lab.served import RemoteExporter
from flowrunner.pipeline.plan import DeviceRequest


class StaticLab:
    """Exporters that this process opens itself, and exporters that listen somewhere.

    `pinned` are exporters that the user named for a role (`--exporter dut=FILE`); the empty role stands for the only
    one. `origin` says where the lab comes from. Clients of Jumpstarter may work beside `shared` leases.
    """

    def __init__(
        self,
        exporters: Sequence[LabExporter],
        *,
        folder: Callable[[], Path],
        pinned: Mapping[str, LabExporter] | None = None,
        origin: str | None = None,
        on_call: OnCall | None = None,
        shared: bool = False,
    ) -> None:
        """`folder` finds the folder of the locks when the first lease is asked for."""
        self.catalogue = Catalogue(exporters)
        self.pinned = dict(pinned or {})
        self.origin = origin
        self.on_call = on_call
        self.shared = shared
        self._folder = folder
        self._holds: dict[str, Hold] = {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """The passphrases of its exporters, to be masked wherever they turn up."""
        every = (*self.catalogue.exporters, *self.pinned.values())
        return tuple(e.endpoint.passphrase for e in every if isinstance(e, RemoteExporter) and e.endpoint.passphrase)

    @property
    def named(self) -> list[str]:
        """The pinned exporters in the words of `--exporter`, as they are found from any folder."""
        return [f"{role}={found.locator}" if role else found.locator for role, found in self.pinned.items()]

    def wanted(self, requests: Sequence[DeviceRequest]) -> list[RemoteExporter]:
        """The remote exporters that may fill one of `requests` and have not said yet what they have."""
        pinned = [self._pinned(request) for request in requests]
        free = [request for request, exporter in zip(requests, pinned, strict=True) if exporter is None]
        every = (*pinned, *self.catalogue.possible(free))
        return list({id(e): e for e in every if isinstance(e, RemoteExporter) and not e.known}.values())

    async def look(self, requests: Sequence[DeviceRequest]) -> None:
        """Ask those exporters what they have; `check` says what is wrong with one that does not answer."""
        await asyncio.gather(*(exporter.look() for exporter in self.wanted(requests)))

    def check(self, requests: Sequence[DeviceRequest]) -> None:
        errors: list[PipelineError] = []
        broken: list[BenchError] = []
        fitting: dict[str, list[LabExporter]] = {}
        for request in requests:
            try:
                fitting[request.role] = self._fitting(request, requests)
            except PipelineErrors as found:
                errors.extend(error for error in found.errors if str(error) not in map(str, errors))
            except PipelineError as error:
                errors.append(error)
            except BenchError as error:
                broken.append(error)
        enough = match({role: [e.identity for e in found] for role, found in fitting.items()})
        if not errors and not broken and not enough and requests:
            errors.append(too_few(requests, fitting))
        if errors:
            raise PipelineErrors(errors)
        if broken:
            raise broken[0]

    def members(self, request: DeviceRequest) -> Sequence[Member]:
        pinned = self._pinned(request)
        found = [pinned] if pinned else self.catalogue.members(request)
        return [Member(name=one.name, labels=known_labels(one), parts=self._parts(one)) for one in found]

    def _parts(self, exporter: LabExporter) -> dict[str, str]:
        try:
            return {path: node.type for path, node in self.catalogue.device(exporter).walk()}
        except BenchError:
            return {}

    @asynccontextmanager
    async def lease(
        self,
        requests: Sequence[DeviceRequest],
        *,
        owner: Owner,
        queue_timeout: float | None,
        waiting: Waiting,
        opening: Callable[[Lease], None],
        on_log: OnLog,
    ) -> AsyncIterator[Mapping[str, Lease]]:
        await self.look(requests)
        self.check(requests)
        queue = Queue(requests, waiting)
        limit = asyncio.timeout(queue_timeout)  # it cancels once: what was entered by then is left in peace
        try:
            async with limit, AsyncExitStack() as stack:
                fitting = {request.role: self._fitting(request, requests) for request in requests}
                told = Told(owner, on_log, self.on_call)
                wanted = Acquiring(requests, self._folder, told, queue, self.shared)
                holds = await wanted.acquire(stack, fitting)
                limit.reschedule(None)
                for hold in holds:
                    self._holds[hold.lease.name] = hold
                    stack.callback(self._holds.pop, hold.lease.name)
                    opening(hold.lease)
                for hold in holds:
                    await stack.enter_async_context(hold.opened())
                yield {hold.lease.role: hold.lease for hold in holds}
        except TimeoutError as error:
            if queue_timeout is None or not limit.expired():
                raise
            raise LeaseTimeout(queue.role, queue_timeout, queue.owner) from error

    def extend(self, lease: Lease, seconds: float) -> None:
        """Let `lease` expire `seconds` from now.

        Raises:
            BenchError: it is not held any more.
        """
        hold = self._holds.get(lease.name)
        if hold is None or lease.lost.is_set():
            raise BenchError(f"the lease of '{lease.exporter}' is held no more", blame="lost")
        hold.extend(seconds)

    def _pinned(self, request: DeviceRequest) -> LabExporter | None:
        return self.pinned.get(request.role) or self.pinned.get("")

    def _fitting(self, request: DeviceRequest, requests: Sequence[DeviceRequest]) -> list[LabExporter]:
        exporter = self._pinned(request)
        if exporter is None:
            return self.catalogue.fitting(request)
        if request.role not in self.pinned and len(requests) > 1:
            roles = ", ".join(f"--exporter {each.role}=..." for each in requests)
            raise PipelineError(
                f"which role '{exporter.name}' is for is not said", code="no-exporter", where=request.where, help=roles
            )
        if lacks := self.catalogue.lacks(request, exporter):
            raise PipelineErrors(lacks)
        return [exporter]
