"""A device while it is leased: its consoles are read from the first moment to the last, and it is left safe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio

from flowrunner.console.log import ConsoleLog
from flowrunner.console.patterns import Line, Match
from flowrunner.console.reader import ConsoleReader
from flowrunner.device import SAFE_STATE_LIMIT
from flowrunner.engine.halt import Halt
from flowrunner.engine.lab import Lease
from flowrunner.engine.result import Result
from flowrunner.engine.state import Run
from flowrunner.engine.witness import CURRENT
from flowrunner.errors import FlowrunnerError
from flowrunner.interfaces.console import Console
from flowrunner.model import Outcome
from flowrunner.pipeline.plan import DeviceRequest
from flowrunner.step import ConsoleSession


class Held:
    """One role's device from lease to release."""

    def __init__(self, run: Run, lease: Lease, request: DeviceRequest) -> None:
        self.lease = lease
        self.request = request
        self.lost = Halt()
        self._run = run
        self._readers: dict[str, ConsoleReader] = {}
        self._followers: dict[str, set[Callable[[], None]]] = {}

    @property
    def role(self) -> str:
        """The role it fills."""
        return self.request.role

    def console(self, part: str) -> ConsoleSession:
        """The session of the console at `part`."""
        return self._readers[part].session

    def reader(self, part: str) -> ConsoleReader:
        """The reader of the console at `part`."""
        return self._readers[part]

    def ends(self) -> dict[str, int]:
        """How far each console has come, in bytes."""
        return {reader.name: reader.session.end for reader in self._readers.values()}

    def skip_output(self) -> None:
        """Move the cursor of each console to its end."""
        for reader in self._readers.values():
            reader.session.skip()

    def follow(self, console: str, sign: Callable[[], None]) -> None:
        """Call `sign` whenever the console prints, as long as the caller's task runs."""
        followers = self._followers.setdefault(console, set())
        if sign not in followers:
            followers.add(sign)
            task = asyncio.current_task()
            if task is not None:
                task.add_done_callback(lambda _: followers.discard(sign))

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Read all consoles, watch the lease; leaving reads out what is still to come."""
        tasks = [asyncio.create_task(self._await_loss())]
        clients: dict[str, object] = {}
        try:
            for part, node in self.lease.device.walk():
                twin = next((p for p, client in clients.items() if client is node.client), None)
                if node.offers(Console) and twin is not None:
                    self._readers[part] = self._readers[twin]
                elif node.offers(Console):
                    clients[part] = node.client
                    tasks.append(await self._open_console(part, cast("Console", node.client)))
            yield
        finally:
            for reader in set(self._readers.values()):
                await reader.drain()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for reader in dict.fromkeys(self._readers.values()):
                self._run.journal.write("console.closed", console=reader.name, bytes=reader.session.end)

    async def _await_loss(self) -> None:
        await self.lease.lost.wait()
        why = self.lease.reason or "the lease was lost"
        self._run.journal.write("lease.lost", role=self.role, exporter=self.lease.exporter, reason=why)
        self.lost.request(
            Result(outcome=Outcome.ERRORED, blame="lost", cause="cancel", message=f"{self.role} was lost: {why}",
                   where=self.request.where)
        )  # fmt: skip

    async def _open_console(self, part: str, client: Console) -> asyncio.Task[None]:
        name = self._run.console_name(f"{self.role}.{part}" if part else self.role)
        log = ConsoleLog(self._run.folder / f"{name}.log", clock=self._run.clock.now, mask=self._run.masker.stream())
        reader = ConsoleReader(
            name, client, log, clock=self._run.clock.now,
            on_data=lambda data: self._data(name, data),
            on_match=lambda match: self._matched(name, match),
            on_send=lambda data, secret: self._sent(name, data, secret), seed=self._run.seed,
        )  # fmt: skip
        self._run.journal.write(
            "console.opened", console=name, log=log.path.name, times=log.times.name, pieces=log.pieces.name,
            lease=self.lease.name, part=part,
        )  # fmt: skip
        if self._run.witness:
            self._run.witness.console(self.lease, part, name)
        self._readers[part] = reader
        connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(reader.run(connected=connected))
        await asyncio.wait((task, connected), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        return task

    def _data(self, console: str, data: bytes) -> None:
        for sign in tuple(self._followers.get(console, ())):
            sign()
        self._run.journal.show("console.data", console=console, data=data)

    def _matched(self, console: str, match: Match) -> None:
        self._run.journal.write(
            "match", path=CURRENT.get(), console=console, start=match.start, end=match.end, text=match.text,
            pattern=match.pattern.regex if isinstance(match.pattern, Line) else match.pattern.text,
            groups=match.groups,
        )  # fmt: skip

    def _sent(self, console: str, data: bytes, secret: bool) -> None:
        text = "***" if secret else self._run.masker.text(data.decode("utf-8", "backslashreplace"))
        if self._run.witness:
            self._run.witness.sent(console, text)
        self._run.journal.write("sent", path=CURRENT.get(), console=console, bytes=len(data), text=text)

    async def make_safe(self) -> Result | None:
        """Drive the safe state; returns what went wrong. Doing it again changes nothing."""
        if self.request.safe_state == "keep":
            return None
        self.lease.drain()
        failures = [
            failure
            for part, action in self.request.safe_state.items()
            for path, call in self.lease.device.methods(part, action)
            if (failure := await self._safe_call(path, action, call))
        ]
        return failures[0] if failures else None

    async def _safe_call(self, part: str, action: str, call: Callable[[], Awaitable[None]]) -> Result | None:
        facts: dict[str, Any] = {"role": self.role, "part": part, "action": action}
        self._run.journal.write("safe_state.started", durable=True, **facts)
        await self._run.journal.settle()
        try:
            with anyio.fail_after(SAFE_STATE_LIMIT):
                await call()
        except (FlowrunnerError, TimeoutError) as error:
            why = f"no answer within {SAFE_STATE_LIMIT:g}s" if isinstance(error, TimeoutError) else str(error)
            self._run.journal.write("safe_state.finished", ok=False, message=why, **facts)
            return Result(
                outcome=Outcome.ERRORED, blame="device", cause="unmet", where=self.request.where,
                message=f"the safe state {self.role}.{part}: {action} could not be reached: {why}",
                help="look at the device: it may still be powered",
            )  # fmt: skip
        self._run.journal.write("safe_state.finished", durable=True, ok=True, message=None, **facts)
        return None
