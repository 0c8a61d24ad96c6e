"""An exporter of Jumpstarter, as its client has it: nothing is leased there, its drivers are just used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import anyio
import grpc.aio

from flowrunner.bench.part import join
from flowrunner.bench.traced import Traced
from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.interface import Direct, Interface, client
from flowrunner.remote.client.foreign_logs import follow
from flowrunner.remote.client.peer import ChannelPeer
from flowrunner.remote.client.readiness import Readiness
from flowrunner.remote.client.remote import Claim, Remote, RemoteLease, Waiting
from flowrunner.remote.client.tree import Report, tree, with_clients
from flowrunner.remote.endpoint import Endpoint
from flowrunner.remote.jumpstarter.table import COMPOSITE, known
from flowrunner.remote.wire import CLIENT, MOTD, NAME, messages

LAST_WORDS = 0.2
"""Seconds in which what the exporter logged last may still come."""


class ForeignRemote(Remote):
    """A connected exporter of Jumpstarter. `report` is what it told over `channel`."""

    ours = False

    def __init__(self, endpoint: Endpoint, channel: grpc.aio.Channel, report: messages.GetReportResponse) -> None:
        labels = dict(report.labels)
        self.endpoint = endpoint
        self.id = report.uuid
        self.name = labels.pop(NAME, "")
        self.motd = labels.pop(MOTD, "") or getattr(report, "motd", "")
        self.labels = labels
        self._channel = channel
        self._tree = tree(report.reports, _described)
        self.device = self._tree.device

    @asynccontextmanager
    async def leased(self, claim: Claim, waiting: Waiting) -> AsyncIterator[RemoteLease]:
        if claim.watch:
            what = f"{self.endpoint} is an exporter of Jumpstarter: its consoles cannot be watched"
            raise BenchError(what, blame="config", help="open one: console")
        lease = RemoteLease(name=self.name or str(self.endpoint), device=self.device, guarded=False)
        lease.device = self._with_clients(claim, _guard(lease))
        readiness = Readiness(self._channel, self.id, str(self.endpoint), claim)
        tasks = [asyncio.create_task(follow(self._channel, claim.on_log))] if claim.on_log else []
        try:
            await self._ready(readiness, tasks)
            tasks.append(asyncio.create_task(readiness.watched(lease)))
            yield lease
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                with anyio.CancelScope(shield=True):
                    await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()

    async def _ready(self, readiness: Readiness, logging: Sequence[asyncio.Task[None]]) -> None:
        """Wait until it is ready; when it never is, what it logs of that is told first."""
        try:
            await readiness.awaited()
        except BenchError:
            if logging:
                await asyncio.wait(logging, timeout=LAST_WORDS)
            raise

    def _with_clients(self, claim: Claim, guard: Callable[[], None]) -> Device:
        def make(node: Device, home: str) -> Interface | None:
            return self._client(node, home, claim, guard)

        return with_clients(self.device, self._tree.homes, claim.role, make)

    def _client(self, node: Device, home: str, claim: Claim, guard: Callable[[], None]) -> Interface | None:
        report = self._tree.reports[home]
        found = known(report.labels.get(CLIENT, ""))
        if not found:
            return None
        children = {name: self._peer(self._tree.homes[join(home, name)]) for name in node.children}
        driver = found.driver(self._peer(home), report.labels, children)
        path = join(claim.role, home)
        traced = Traced(Direct(driver), driver=path, type=node.type, guards=(guard,), on_call=claim.on_call)
        return client(node.interfaces, traced)

    def _peer(self, home: str) -> ChannelPeer:
        return ChannelPeer(self._channel, self._tree.reports[home].uuid, str(self.endpoint))


def _described(report: Report) -> tuple[str, tuple[type[Interface], ...]]:
    """What its label for clients says of a part: no class is loaded by it."""
    label = report.labels.get(CLIENT, "")
    found = known(label)
    return "composite" if label == COMPOSITE else label, found.interfaces if found else ()


def _guard(lease: RemoteLease) -> Callable[[], None]:
    def guard() -> None:
        if lease.lost.is_set() and not lease.draining:
            raise BenchError(lease.reason or "the exporter was lost", blame="lost")

    return guard
