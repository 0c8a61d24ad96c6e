"""A device in a program of one's own: leased for a block, wherever its exporter is."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, cast

import anyio

from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.lab.access import Access
from flowrunner.lab.desk.named import Here, named
from flowrunner.lab.desk.safe import turn_off
from flowrunner.remote.endpoint import Endpoint

I = TypeVar("I", bound=Interface)  # noqa: E741

ROLE = "dut"
"""What the device is called in errors."""

Waiting = Callable[[str, int], None]
"""Told who has the bench, and our place in the queue."""


@asynccontextmanager
async def device(
    where: str | Path | None = None, *, lab: str | Path | None = None, access: Access | None = None, keep: bool = False,
    waiting: Waiting = lambda owner, position: None,
) -> AsyncIterator[Device]:  # fmt: skip
    """Lease a device: that of a bench's file, of an address such as `lab1:8443`, or of a name in `lab`.

    Without `where` it is that of the `flow shell` around this program. All power is turned off behind the block, unless
    `keep` is set or the lease is that of a shell.

    Raises:
        PipelineError: nothing is named, or what is named is not there.
        BenchError: the bench could not be had or made safe, or a driver could not be opened.
    """
    found = named(str(where) if where else None, str(lab) if lab else None, access or Access(), os.environ)
    join = None if where else os.environ.get("FLOW_LEASE")
    opening = _here(found, waiting) if isinstance(found, Here) else _remote(found, join, waiting)
    async with opening as leased:
        failed: BenchError | None = None
        try:
            yield leased
        finally:
            if not keep and not join:
                with anyio.CancelScope(shield=True):
                    failed = await turn_off(leased, lambda said: None)
        if failed:
            raise failed


def part(leased: Device, interface: type[I], path: str = "") -> I:
    """The client of the part that offers `interface`, at or below `path`.

    Raises:
        PipelineError: there is none, or there are several.
    """
    return cast("I", leased.at(leased.find(interface, path=path)).client)


@asynccontextmanager
async def _here(found: Here, waiting: Waiting) -> AsyncIterator[Device]:
    from flowrunner.bench.bench import Bench
    from flowrunner.lab.desk.held import hold

    bench = Bench(found.exporter.source, ROLE)
    told = lambda blocked: waiting(blocked.owner, blocked.position)  # noqa: E731
    lock = await hold(found.exporter, "a Python program", os.environ, told)
    try:
        async with bench.opened():
            yield bench.device()
    finally:
        lock.free()


@asynccontextmanager
async def _remote(endpoint: Endpoint, join: str | None, waiting: Waiting) -> AsyncIterator[Device]:
    from flowrunner.remote.client.connect import connected
    from flowrunner.remote.client.hand import owner
    from flowrunner.remote.client.remote import Claim

    claim = Claim(role=ROLE, owner=owner("a Python program"), join=join)
    async with connected(endpoint) as remote, remote.leased(claim, waiting) as lease:
        yield lease.device
