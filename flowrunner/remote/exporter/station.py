"""A bench that is served: opened, given to one owner at a time, and opened afresh behind each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import uuid4, uuid5

import anyio

from flowrunner.bench.bench import Bench
from flowrunner.bench.config import Source
from flowrunner.bench.part import Part, join
from flowrunner.device import Device
from flowrunner.errors import BenchError
from flowrunner.remote.exporter.debt import Debt
from flowrunner.remote.exporter.finishing import finished
from flowrunner.remote.exporter.logs import Logs
from flowrunner.remote.exporter.status import Status, Statuses
from flowrunner.remote.exporter.turn import OPEN, Around, Busy, Turn, Waiting

SEEN = 1.0
"""Seconds for which a status stays that clients wait for: they look every 0.3."""

log = logging.getLogger(__name__)


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


class Station:
    """The bench of one exporter while it is served.

    Between turns it is open to everyone (`open_device`), as Jumpstarter's standalone exporter is. `around` is told of
    the beginning and the end of each turn, and of each time in which it is open. `debt` is the safe state that is owed
    during a turn, and by a process before this one.
    """

    around: Around | None = None
    motd: str | None = None
    debt = Debt()

    def __init__(self, source: Source, name: str) -> None:
        """Nothing is opened yet. `name` is the exporter's. It is made on the event loop that serves it."""
        self.source = source
        self.name = name
        self.statuses = Statuses()
        self.logs = Logs()
        self.turn: Turn | None = None
        self._open_turn: Turn | None = None
        self._beginning: asyncio.Task[None] | None = None
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
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
        keeping = asyncio.create_task(self._keep_open())
        with self.logs.gathering(), anyio.CancelScope() as scope:
            for ended in (keeping, self._failure):
                ended.add_done_callback(lambda _: scope.cancel())
            try:
                await self._fresh.wait()
                if self._bench and not keeping.done():
                    await self.debt.pay(self._bench.device())
                    await self._start_open()
                    yield
            finally:
                if self.turn:
                    self.turn.end("the exporter was stopped")
                if self._beginning:
                    self._beginning.cancel()
                with anyio.CancelScope(shield=True):
                    await self._end_open()
                    self.statuses.set(Status.OFFLINE, "the exporter stops")
                    keeping.cancel()
                    await asyncio.wait((keeping,))
        if not keeping.cancelled():
            keeping.result()
        if self._failure.done():
            self._failure.result()

    def fail(self, error: BenchError) -> None:
        """End the exporter: `opened` raises `error`."""
        if not self._failure.done():
            self._failure.set_exception(error)

    async def _keep_open(self) -> None:
        """Open the bench, again and again: afresh when `_reopen` asks for it."""
        try:
            while True:
                bench = Bench(self.source, "", on_log=self.logs.heard)
                async with bench.opened():
                    self._bench = bench
                    self.open_device = bench.device(guard=self._open_guard)
                    self._reopen = anyio.Event()
                    self._fresh.set()
                    await self._reopen.wait()
        finally:
            self._fresh.set()  # whoever waits for it finds the exporter stopping

    @asynccontextmanager
    async def taken(self, owner: str, *, shared: bool = False, waiting: Waiting) -> AsyncIterator[Turn]:
        """Wait for the bench, in order, and have it alone. Leaving closes all drivers and opens them afresh.

        Raises:
            BenchError: the hook before it failed, or the bench could not be opened again.
        """
        turn = Turn(id=uuid4().hex, owner=owner, shared=shared)
        async with self._had(turn, waiting):
            try:
                await self._begin(turn)
                yield turn
            finally:
                turn.end("the lease has ended")
                await finished(self._end(turn))

    @asynccontextmanager
    async def _had(self, turn: Turn, waiting: Waiting, *, shown: bool = False) -> AsyncIterator[None]:
        """Wait for the bench, and end the time in which it is open; leaving opens it afresh, and to everyone.

        With `shown` it is first available for so long that everyone sees it.
        """
        await self._queued(turn, waiting)
        try:
            await finished(self._end_open())
            yield
        finally:
            await finished(self._handed_back(shown))

    async def _handed_back(self, shown: bool) -> None:
        self._fresh = anyio.Event()
        self._reopen.set()
        self._move()
        await self._fresh.wait()
        if shown:
            self.statuses.set(Status.AVAILABLE, "the session has ended")
            await anyio.sleep(SEEN)
        self.turn = None
        self._move()
        if not self._queue:
            await self._start_open()

    async def _begin(self, turn: Turn) -> None:
        assert self._bench is not None
        turn.device = self._bench.device(guard=turn.guard)
        turn.unguarded = self._bench.device()
        if self.around:
            await self.around.begin(turn)
        else:
            self.statuses.set(Status.LEASE_READY, f"in use by {turn.owner}")
        turn.watched = self._bench.device(guard=turn.guard, on_call=turn.only_watching)
        self._move()

    async def _end(self, turn: Turn) -> None:
        if self.around:
            await self.around.end(turn)

    async def _start_open(self) -> None:
        """Begin the time in which everyone may use it, unless it is being closed. A hook runs while clients wait."""
        if self.statuses.now.status is not Status.OFFLINE:
            turn = self._open_turn = Turn(id=OPEN, owner="everyone", shared=True)
            self._beginning = asyncio.create_task(self._begin_open(turn))
            await asyncio.sleep(0)  # without a hook it has begun now

    async def _begin_open(self, turn: Turn) -> None:
        try:
            await self._begin(turn)
        except BenchError as error:
            log.error("nobody can use the bench: %s", error.what)

    async def begun(self) -> None:
        """Wait until everyone may use it, or somebody has it, or it is clear that nobody can."""
        if self._beginning:
            await asyncio.wait((self._beginning,))

    async def _end_open(self) -> None:
        await self.begun()
        turn, self._open_turn = self._open_turn, None
        if turn:
            await self._end(turn)

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

    async def in_use(self) -> Turn:
        """The turn of whoever has the bench, or will have it next."""
        while self.turn is None or self.turn.watched is None or self.turn.over.is_set():
            await self._moved.wait()
        return self.turn

    def _move(self) -> None:
        """Let everyone who waits look again."""
        moved, self._moved = self._moved, anyio.Event()
        moved.set()

    def _open_guard(self) -> None:
        """Raise when somebody has the bench alone."""
        if self.turn and not self.turn.shared:
            raise Busy(self.turn.owner)
        if self._reopen.is_set():
            what = "the exporter opens its drivers afresh"
            raise BenchError(what, blame="infra", help="try again in a moment")

    async def end_session(self) -> None:
        """End the time in which everyone may use it, and begin another with drivers that are opened afresh."""
        async with self._had(Turn(id=uuid4().hex, owner="the end of a session", shared=True), _patient, shown=True):
            pass

    async def reset(self) -> None:
        """Close all drivers and open them afresh, when everyone who came before has had them.

        Raises:
            Busy: somebody has the bench, alone or with others beside.
        """
        if self.turn:
            raise Busy(self.turn.owner)
        async with self._had(Turn(id=uuid4().hex, owner="a reset"), _patient):
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


async def _patient(owner: str, position: int) -> None:
    """Nobody is told."""
