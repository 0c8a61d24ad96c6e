"""A remote exporter without a wire: a real bench of this process behind the contract of `Remote`, and a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import load_exporter
from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.remote.address import Address
from flowrunner.remote.client.remote import Claim, Remote, RemoteLease, Waiting
from flowrunner.remote.endpoint import Endpoint


@dataclass
class VirtualExporter:
    """One exporter at `unix:PATH`. `log` is what it was asked, `free` when the next client may have it."""

    path: Path
    name: str
    id: str
    text: str
    guarded: bool = True
    down: bool = False
    log: list[str] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    leases: list[RemoteLease] = field(default_factory=list)
    holder: str | None = None
    moved: anyio.Event = field(default_factory=anyio.Event)

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(address=Address(path=self.path))

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Remote]:
        if self.down:
            raise BenchError(f"{self.endpoint} does not answer", blame="infra")
        self.log.append("connected")
        try:
            yield VirtualRemote(self)
        finally:
            self.log.append("disconnected")

    def move(self) -> None:
        moved, self.moved = self.moved, anyio.Event()
        moved.set()

    def bench(self, name: str) -> Bench:
        file = self.path.with_suffix(".yaml")
        file.write_text(self.text)
        return Bench(load_exporter(file), name)


class VirtualRemote(Remote):
    """A client of a `VirtualExporter`."""

    def __init__(self, exporter: VirtualExporter) -> None:
        self.endpoint = exporter.endpoint
        self.ours = exporter.guarded
        self.id = exporter.id
        self.name = exporter.name
        self.labels = {"made": "here", "board": "far"}
        self.motd = ""
        self.device = _bare(exporter.bench(exporter.name).device())
        self._exporter = exporter

    @asynccontextmanager
    async def leased(self, claim: Claim, waiting: Waiting) -> AsyncIterator[RemoteLease]:
        exporter = self._exporter
        exporter.claims.append(claim)
        while exporter.holder:
            moved = exporter.moved
            waiting(exporter.holder, 1)
            await moved.wait()
        exporter.holder = claim.owner
        exporter.log.append("leased")
        bench = exporter.bench(claim.role)
        lease = RemoteLease(name=f"lease of {exporter.name}", device=Device("", ""), guarded=exporter.guarded)
        lease.device = bench.device(guard=_guard(lease), on_call=claim.on_call)
        lease.extend = lambda seconds: exporter.log.append(f"extended {seconds:g}")
        exporter.leases.append(lease)
        try:
            async with bench.opened():
                yield lease
        finally:
            exporter.holder = None
            exporter.log.append("given back")
            exporter.move()


def _guard(lease: RemoteLease) -> Callable[[], None]:
    def guard() -> None:
        if lease.lost.is_set() and not lease.draining:
            raise BenchError(lease.reason or "lost", blame="lost")

    return guard


def _bare(device: Device) -> Device:
    children = {name: _bare(child) for name, child in device.children.items()}
    return Device(device.name, device.type, device.interfaces, None, children)
