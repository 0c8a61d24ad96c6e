"""One client of our own protocol: its link, its turn at the bench, and what happens when it is heard of no more."""

from __future__ import annotations

import asyncio
import logging
from typing import Annotated, Any

import anyio
from pydantic import BaseModel, ConfigDict, Field

from flowrunner.device import Device
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.remote.exporter.debt import SafeState, make_safe
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.turn import Turn
from flowrunner.remote.exporter.work import Work
from flowrunner.remote.faults import to_fault
from flowrunner.remote.link.link import Link
from flowrunner.remote.link.packet import Kind

log = logging.getLogger(__name__)


class Wish(BaseModel):
    """What a client says when it takes the exporter; times are in seconds."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    owner: str = Field(max_length=500)
    grace: float = Field(ge=0.5, le=3600)
    safe_state: Annotated[list[tuple[str, str]], Field(max_length=100)] = []
    duration: Annotated[float, Field(gt=0)] | None = None
    shared: bool = False
    join: str | None = None
    watch: bool = False


class Tenant:
    """One client. `near` says that its connection is a unix socket: one that broke means that the client has died."""

    def __init__(self, station: Station, *, beat: float, near: bool, within: Turn | None = None) -> None:
        """`within` is a turn whose device it has at once, unguarded: for the exporter's own hooks."""
        self.link = Link(self._deliver, beat=beat)
        self.turn: Turn | None = None
        self._station = station
        self._near = near
        self._within = within
        self._wish: asyncio.Future[Wish] = asyncio.get_running_loop().create_future()
        self._given = asyncio.Event()
        self._until: float | None = None
        self._work: Work | None = None
        self._served: asyncio.Task[None] | None = None
        self._queueing = False
        self._abandoned = False
        self.grace = 10.0

    async def run(self) -> None:
        """Serve the client until it has given the exporter back, or is heard of no more. Never raises."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._work = Work(self.link, tasks)
                served = self._served = tasks.create_task(self._serve())
                logging_ = tasks.create_task(self._tell_logs())
                await self._watch(served)
                await self._work.ended()
                logging_.cancel()
        except ExceptionGroup as group:
            log.error("a client's session broke: %s", group.exceptions[0])

    def stop(self, reason: str) -> None:
        """Let the session end soon, making the device safe."""
        self.grace = min(self.grace, 1.0)
        if self.turn:
            self.turn.end(reason)
        elif self._served:
            self._served.cancel()

    async def _watch(self, served: asyncio.Task[None]) -> None:
        """Wait for the end of the session; a client that is silent for too long ends it."""
        while not served.done():
            await asyncio.wait((served,), timeout=min(1.0, self.grace / 4))
            silent = anyio.current_time() - self.link.heard
            gone = not self.link.connected and (self._near or self.turn is None) and silent > 0.2
            if not served.done() and (gone or silent > self.grace):
                why = "its process has ended" if gone else f"it was not heard of for {silent:.0f}s"
                await self._abandon(f"the client is gone: {why}", served)
            elif self.turn and self._until is not None and anyio.current_time() > self._until:
                await self._abandon("the lease has expired", served)

    async def _abandon(self, reason: str, served: asyncio.Task[None]) -> None:
        """End the session without its client: no more calls, the safe state, the bench free."""
        self._abandoned = True
        if self.turn:
            log.warning("%s: %s", self.turn.owner, reason)
            self.turn.end(reason)
        else:
            served.cancel()
        await asyncio.wait((served,))

    async def _serve(self) -> None:
        wish = await self._wish
        self.grace = wish.grace
        try:
            if self._within:
                await self._use(self._within, self._within.unguarded)
            elif wish.join:
                turn = self._joined(wish.join)
                await self._use(turn, turn.device)
            elif wish.watch:
                await self._look_on()
            else:
                await self._take(wish)
        except FlowrunnerError as error:
            self.link.post(Kind.LOST, 0, to_fault(error))
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if self._abandoned or not self._given.is_set() or task is None:
                raise
            task.uncancel()  # the client itself did not want to wait any longer
        self.link.post(Kind.GIVEN)
        with anyio.move_on_after(0 if self._abandoned else self.grace):
            await self.link.flushed()

    async def _take(self, wish: Wish) -> None:
        """Wait for the client's turn, and let it have the exporter; what it leaves behind is made safe."""
        self._queueing = True
        async with self._station.taken(wish.owner, shared=wish.shared, waiting=self._tell_waiting) as turn:
            try:
                await self._held(turn, wish)
            finally:
                turn.end("the lease has ended")
                with anyio.CancelScope(shield=True):
                    await self._release(turn, wish.safe_state)
                    self._station.debt.forget()

    async def _held(self, turn: Turn, wish: Wish) -> None:
        """The client has the exporter until it gives it back, or the turn ends."""
        assert self._work is not None
        self.turn, self._queueing = turn, False
        self._until = None if wish.duration is None else anyio.current_time() + wish.duration + wish.grace
        check_safe_state(turn, wish.safe_state)
        self._station.debt.owe(wish.owner, wish.safe_state)
        self._work.device = turn.device
        self.link.post(Kind.TAKEN, 0, {"lease": turn.id})
        await self._until_over(turn)

    def _joined(self, lease: str) -> Turn:
        """The turn of another client, such as the shell that started this one."""
        turn = self._station.turn
        if turn is None or turn.id != lease or turn.over.is_set():
            what = "there is no such lease any more"
            raise BenchError(what, blame="lost", help="leave this shell, open a new one")
        return turn

    async def _use(self, turn: Turn, device: Device) -> None:
        """Work within a turn that is not its own."""
        assert self._work is not None
        self._work.device = device
        self.link.post(Kind.TAKEN, 0, {"lease": turn.id})
        await self._until_over(turn)
        await self._work.ended()

    async def _look_on(self) -> None:
        """See the consoles of whoever has the exporter, or will have it next; they end with that turn."""
        assert self._work is not None
        self._queueing = True
        if self._station.turn is None:
            await self._tell_waiting("", 1)
        turn = await self._station.in_use()
        self._queueing = False
        self._work.device = turn.watched
        self.link.post(Kind.TAKEN, 0, {"lease": turn.id})
        given = asyncio.create_task(self._given.wait())
        over = asyncio.create_task(turn.over.wait())
        try:
            await asyncio.wait((given, over), return_when=asyncio.FIRST_COMPLETED)
            await self._work.ended()
            await given
        finally:
            given.cancel()
            over.cancel()

    async def _until_over(self, turn: Turn) -> None:
        over = asyncio.create_task(asyncio.Event().wait() if self._within else turn.over.wait())
        given = asyncio.create_task(self._given.wait())
        try:
            await asyncio.wait((over, given), return_when=asyncio.FIRST_COMPLETED)
        finally:
            over.cancel()
            given.cancel()
        if turn.over.is_set() and not self._within:
            error = BenchError(turn.reason or "the lease has ended", blame="lost")
            self.link.post(Kind.LOST, 0, to_fault(error))

    async def _release(self, turn: Turn, safe_state: SafeState) -> None:
        """End what runs; when the client could not do it itself, make the device safe."""
        assert self._work is not None
        await self._work.ended()
        if self._given.is_set():
            return
        await make_safe(turn.unguarded, safe_state)

    async def _tell_waiting(self, owner: str, position: int) -> None:
        self.link.post(Kind.WAITING, 0, [owner, position])

    async def _tell_logs(self) -> None:
        async for line in self._station.logs.lines():
            if self.link.connected:
                self.link.post(Kind.LOG, 0, line)

    def _deliver(self, kind: Kind, channel: int, body: Any) -> None:
        if kind is Kind.TAKE:
            if not self._wish.done():
                self._wish.set_result(Wish.model_validate(body))
        elif kind is Kind.GIVE:
            self._given.set()
            if self._queueing and self._served:
                self._served.cancel()
        elif kind is Kind.EXTEND and isinstance(body, int | float):
            self._until = anyio.current_time() + body + self.grace
        elif self._work is not None:
            self._work.deliver(kind, channel, body)


def check_safe_state(turn: Turn, safe_state: SafeState) -> None:
    """Refuse a safe state that this exporter could not drive.

    Raises:
        FlowrunnerError: there is no such part, or it has no such method.
    """
    for path, method in safe_state:
        node = turn.device.at(path)
        if method.startswith("_") or not any(hasattr(interface, method) for interface in node.interfaces):
            raise BenchError(f"'{path}' has no '{method}' for the safe state", blame="config", driver=path)
