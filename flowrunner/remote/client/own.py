"""An exporter of ours, as its client has it: a lease, and a device whose calls go over the session."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import anyio

from flowrunner.bench.part import join
from flowrunner.bench.traced import Traced
from flowrunner.device import Device
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interface import Interface, client
from flowrunner.remote.client.remote import Claim, LogLine, Remote, RemoteLease, Waiting
from flowrunner.remote.client.session import Session
from flowrunner.remote.client.transport import LinkTransport
from flowrunner.remote.client.tree import with_clients
from flowrunner.remote.endpoint import Endpoint
from flowrunner.remote.faults import from_fault
from flowrunner.remote.link.packet import Kind

LEAVING_LIMIT = 2.0
"""Seconds that an exporter may take to let somebody leave its queue."""

GIVING_LIMIT = 60.0
"""Seconds that an exporter may take to close its drivers when it gets them back."""


class OwnRemote(Remote):
    """A connected exporter of ours. `homes` gives for each path the path at which the part really stands."""

    ours = True

    def __init__(
        self, endpoint: Endpoint, *, name: str, labels: Mapping[str, str], motd: str, device: Device,
        homes: Mapping[str, str],
    ) -> None:  # fmt: skip
        self.endpoint = endpoint
        self.name = name
        self.labels = labels
        self.motd = motd
        self.device = device
        self._homes = homes

    @asynccontextmanager
    async def leased(self, claim: Claim, waiting: Waiting) -> AsyncIterator[RemoteLease]:
        holding = _Holding(claim, waiting)
        session = Session(self.endpoint, grace=claim.grace, say=holding.say, on_lost=holding.lose)
        async with session.running():
            session.link.post(Kind.TAKE, 0, _wish(claim))
            try:
                name = await holding.taken
            except BaseException:
                await self._leave(session, holding)
                raise
            lease = RemoteLease(name=name, device=self._tree(session, claim, holding), guarded=True)
            lease.extend = lambda seconds: session.link.post(Kind.EXTEND, 0, seconds)
            holding.lease = lease
            try:
                yield lease
            finally:
                await self._give_back(session, holding)

    async def _leave(self, session: Session, holding: _Holding) -> None:
        """Leave the queue, so that it is nobody's turn who is not there."""
        if not session.lost:
            session.link.post(Kind.GIVE)
            with anyio.move_on_after(LEAVING_LIMIT, shield=True):
                await holding.given.wait()

    async def _give_back(self, session: Session, holding: _Holding) -> None:
        """Give it back, and wait until the exporter has closed everything."""
        if session.lost:
            return
        session.link.post(Kind.GIVE)
        with anyio.move_on_after(GIVING_LIMIT, shield=True):
            await holding.given.wait()
        if not holding.given.is_set():
            what = f"{self.endpoint} did not say within {GIVING_LIMIT:g}s that it had closed its drivers"
            raise BenchError(what, blame="infra")

    def _tree(self, session: Session, claim: Claim, holding: _Holding) -> Device:
        def make(node: Device, home: str) -> Interface | None:
            return self._client(node, home, session, claim, holding.guard)

        return with_clients(self.device, self._homes, claim.role, make)

    def _client(
        self, node: Device, home: str, session: Session, claim: Claim, guard: Callable[[], None]
    ) -> Interface | None:
        if not node.interfaces:
            return None
        inner = LinkTransport(session, home, node.interfaces)
        path = join(claim.role, home)
        traced = Traced(inner, driver=path, type=node.type, guards=(guard,), on_call=claim.on_call)
        return client(node.interfaces, traced)


class _Holding:
    """What the exporter says of the lease."""

    def __init__(self, claim: Claim, waiting: Waiting) -> None:
        self.taken: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.given = asyncio.Event()
        self.lease: RemoteLease | None = None
        self._claim = claim
        self._waiting = waiting
        self._why: FlowrunnerError | None = None

    def say(self, kind: Kind, body: Any) -> None:
        match kind, body:
            case Kind.WAITING, [str(owner), int(position)]:
                self._waiting(owner, position)
            case Kind.TAKEN, {"lease": str(name)}:
                if not self.taken.done():
                    self.taken.set_result(name)
            case Kind.LOST, _:
                self.lose(from_fault(body))
            case Kind.GIVEN, _:
                self.given.set()
            case Kind.LOG, dict() if self._claim.on_log:
                self._claim.on_log(LogLine(**{**body, "time": datetime.fromisoformat(body["time"])}))
            case _:
                pass

    def lose(self, error: FlowrunnerError) -> None:
        """The lease is over, or will never be."""
        self._why = self._why or error
        self.given.set()
        if not self.taken.done():
            self.taken.set_exception(error)
            self.taken.exception()
        if self.lease:
            self.lease.lose(error.what)

    def guard(self) -> None:
        lease = self.lease
        if lease and lease.draining:
            return
        if self._why or (lease and lease.lost.is_set()):
            what = self._why.what if self._why else lease and lease.reason
            raise BenchError(what or "the lease was lost", blame="lost", help=self._why.help if self._why else None)


def _wish(claim: Claim) -> dict[str, Any]:
    return {
        "owner": claim.owner, "grace": claim.grace, "safe_state": [list(pair) for pair in claim.safe_state],
        "duration": claim.duration, "shared": claim.shared, "join": claim.join, "watch": claim.watch,
    }  # fmt: skip
