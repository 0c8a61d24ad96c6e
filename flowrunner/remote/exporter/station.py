"""A bench that is served: opened, given to one owner at a time, and opened afresh behind each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from uuid import uuid4, uuid5

import anyio

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import Source
from flowrunner.bench.part import Part, join
from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.remote.exporter.logs import Logs
from flowrunner.remote.exporter.status import Status, Statuses

Waiting = Callable[[str, int], Awaitable[None]]
"""Told while queueing, when something changed: who has the bench, and the place in the queue from 1."""


@dataclass(frozen=True, slots=True)
class Node:
    """One part in the report's order, parents first. A proxy has the `uuid` of what it refers to.

    `path` is how it is reached here, through proxies too.
    """

    uuid: str
    parent: str | None
    name: str
    path: str
    part: Part
    device: Device


@dataclass(eq=False, slots=True, kw_only=True)
class Turn:
    """The time in which one owner has the bench. `over` is set when it ends; calls are refused from then on.

    `unguarded` is the same device, for what the exporter itself has to do.
    A `shared` one lets clients of Jumpstarter work beside it (a shell of ours with `j` inside).
    """

    id: str
    owner: str
    shared: bool
    device: Device
    unguarded: Device
    over: anyio.Event = field(default_factory=anyio.Event)
    reason: str | None = None

    def end(self, reason: str) -> None:
        """Refuse all further calls, saying why."""
        self.reason = self.reason or reason
        self.over.set()


Hook = Callable[[Turn], Awaitable[None]]
"""Runs at the beginning or the end of a turn."""


class Station:
    """The bench of one exporter while it is served.

    Between turns it is open to everyone (`open_device`), as Jumpstarter's standalone exporter is. `before` and `after`
    run around each turn.
    """

    def __init__(self, source: Source, name: str, *, before: Hook | None = None, after: Hook | None = None) -> None:
        """Nothing is opened yet. `name` is the exporter's. It is made on the event loop that serves it."""
        self.source = source
        self.name = name
        self.statuses = Statuses()
        self.logs = Logs()
        self.turn: Turn | None = None
        self._before, self._after = before, after
        self._salt = uuid4()
        self._queue: list[Turn] = []
        self._moved = anyio.Event()
        self._bench: Bench | None = None
        self._fresh = anyio.Event()
        self._reopen = anyio.Event()
        self.open_device = Device("", "composite")

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open the bench; leaving ends the turn and closes it.

        Raises:
            PipelineErrors: the exporter's file is wrong.
            BenchError: a driver could not be opened, now or behind a turn.
        """
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with anyio.CancelScope() as scope:
            keeping = asyncio.create_task(self._keep_open(opened))
            keeping.add_done_callback(lambda _: scope.cancel())
            try:
                await asyncio.wait((opened, keeping), return_when=asyncio.FIRST_COMPLETED)
                if not keeping.done():
                    yield
            finally:
                if self.turn:
                    self.turn.end("the exporter was stopped")
                self.statuses.set(Status.OFFLINE, "the exporter stops")
                keeping.cancel()
                with anyio.CancelScope(shield=True):
                    await asyncio.wait((keeping,))
        if not keeping.cancelled():
            keeping.result()

    async def _keep_open(self, opened: asyncio.Future[None]) -> None:
        """Open the bench, again and again: afresh when `_reopen` asks for it."""
        try:
            while True:
                bench = Bench(self.source, "", on_log=self.logs.heard)
                async with bench.opened():
                    self._bench = bench
                    self.open_device = bench.device(guard=self._open_guard)
                    self._reopen = anyio.Event()
                    self._fresh.set()
                    if not opened.done():
                        self.statuses.set(Status.LEASE_READY, "ready")
                        opened.set_result(None)
                    await self._reopen.wait()
        finally:
            self._fresh.set()  # whoever waits for it finds the exporter stopping

    @asynccontextmanager
    async def taken(self, owner: str, *, shared: bool = False, waiting: Waiting) -> AsyncIterator[Turn]:
        """Wait for the bench, in order, and have it alone. Leaving closes all drivers and opens them afresh.

        Raises:
            BenchError: the hook before it failed, or the bench could not be opened again.
        """
        nothing = Device("", "composite")
        turn = Turn(id=uuid4().hex, owner=owner, shared=shared, device=nothing, unguarded=nothing)
        await self._queued(turn, waiting)
        assert self._bench is not None
        turn.device = self._bench.device(guard=lambda: _refuse_after(turn))
        turn.unguarded = self._bench.device()
        try:
            if self._before:
                await self._before(turn)
            yield turn
        finally:
            turn.end("the lease has ended")
            with anyio.CancelScope(shield=True):
                try:
                    if self._after:
                        await self._after(turn)
                finally:
                    self._fresh = anyio.Event()
                    self._reopen.set()
                    self._move()
                    await self._fresh.wait()
                    self.turn = None
                    self._move()

    async def _queued(self, turn: Turn, waiting: Waiting) -> None:
        """Wait until everyone before has had the bench; then it is this one's turn."""
        self._queue.append(turn)
        told = None
        try:
            while self.turn or self._queue[0] is not turn:
                news = (self.turn or self._queue[0]).owner, self._queue.index(turn) + 1
                if news != told:
                    told = news
                    await waiting(*news)
                await self._moved.wait()
            self.turn = turn
        finally:
            self._queue.remove(turn)
            self._move()

    def _move(self) -> None:
        """Let everyone who waits look again."""
        moved, self._moved = self._moved, anyio.Event()
        moved.set()

    def _open_guard(self) -> None:
        """Raise when somebody has the bench alone."""
        if self.turn and not self.turn.shared:
            raise Busy(self.turn.owner)

    async def reset(self) -> None:
        """Close all drivers and open them afresh, when everyone who came before has had them.

        Raises:
            Busy: somebody has the bench alone.
        """
        self._open_guard()
        async with self.taken("a reset", waiting=_patient):
            pass

    async def closed_to_all(self) -> BenchError:
        """Wait until what was opened through `open_device` has to end, and say why."""
        bench = self._bench
        while self._bench is bench and not self._reopen.is_set():
            if self.turn and not self.turn.shared:
                return Busy(self.turn.owner)
            await self._moved.wait()
        return BenchError("the exporter has closed its drivers behind a lease", blame="infra")

    def nodes(self, device: Device | None = None) -> Iterator[Node]:
        """All parts, those of proxies too, with the clients of `device` (the open one when None)."""
        assert self._bench is not None
        device = device or self.open_device

        def walk(part: Part, device: Device, name: str, path: str, parent: str | None) -> Iterator[Node]:
            uuid = self.uuid(part.home)
            yield Node(uuid, parent, name, path, part, device)
            for below, child in part.children.items():
                yield from walk(child, device.children[below], below, join(path, below), uuid)

        yield from walk(self._bench.root, device, "", "", None)

    def uuid(self, home: str) -> str:
        """The uuid of the part at `home`: the same as long as the exporter runs."""
        return str(uuid5(self._salt, home))


class Busy(BenchError):
    """Somebody else has the bench alone."""

    def __init__(self, owner: str) -> None:
        super().__init__(f"the exporter is in use by {owner}", blame="infra", help="wait for that lease to end")


async def _patient(owner: str, position: int) -> None:
    """Nobody is told."""


def _refuse_after(turn: Turn) -> None:
    if turn.over.is_set():
        raise BenchError(turn.reason or "the lease has ended", blame="lost")
