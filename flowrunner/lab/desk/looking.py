"""Looking at the consoles of a bench of this machine while a run here has it: as its logs show them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio

from flowrunner.device import Device
from flowrunner.engine.lines import read
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.console import Console
from flowrunner.lab.desk.held import Standing
from flowrunner.lab.flock import lock_folder
from flowrunner.lab.locks import Blocked, Held, Locks

PAUSE = 0.1
"""Seconds between two looks at a log."""

LOOKS = 10
"""Looks at a log before one at who has the bench, which keeps others from theirs for a moment."""

RECENT = 16 * 1024
"""Bytes of the past with which one who begins to watch is given a start."""

PIECE = 1 << 18
"""Bytes that are read at once."""

Alive = Callable[[], Awaitable[bool]]
"""Whether the run that was found still has the bench."""


async def lookout(
    exporter: Standing, device: Device, environment: Mapping[str, str], waiting: Callable[[Blocked], None]
) -> Device:
    """`device` with consoles that show what the run sees that has `exporter`, or that has it next.

    Raises:
        BenchError: who has it is no run, so nobody keeps a log.
    """
    locks, told = Locks(lock_folder(environment)), False
    while (held := await _holder(locks, exporter)) is None:
        if not told:
            told = True
            waiting(Blocked(device.name, "", 1))
        await anyio.sleep(LOOKS * PAUSE)
    if not held.facts.get("folder"):
        what = f"'{exporter.name}' cannot be watched: it is in use by {held.facts.get('owner')}, which keeps no log"
        raise BenchError(what, blame="config", help="a bench of 'flow exporter run' can be watched whoever has it")
    return _with_logs(device, held.facts, lambda: _still(locks, exporter, held))


async def _holder(locks: Locks, exporter: Standing) -> Held | None:
    every = await locks.leases()
    return next((held for held in every if held.facts.get("identity") == exporter.identity), None)


async def _still(locks: Locks, exporter: Standing, before: Held) -> bool:
    now = await _holder(locks, exporter)
    return now is not None and now.facts.get("lease") == before.facts.get("lease")


def _with_logs(device: Device, facts: Mapping[str, Any], alive: Alive) -> Device:
    """`device` with logs in the place of its consoles. One with several names has the log of the first of them."""
    names: dict[int, str] = {}
    for path, node in device.walk():
        names.setdefault(id(node.client), path)

    def turned(node: Device) -> Device:
        console = _LoggedConsole(facts, names[id(node.client)], alive) if node.offers(Console) else None
        below = {name: turned(child) for name, child in node.children.items()}
        return replace(node, client=console, children=below)

    return turned(device)


class _LoggedConsole(Console):
    """A console of a run, as its log has it: secrets are masked, and nothing can be sent."""

    def __init__(self, facts: Mapping[str, Any], part: str, alive: Alive) -> None:
        self._facts = facts
        self._part = part
        self._alive = alive

    def connect(self) -> AbstractAsyncContextManager[ByteStream]:
        raise BenchError("this console is only watched", blame="config")

    @asynccontextmanager
    async def watch(self) -> AsyncIterator[ByteStream]:
        while (path := self._log()) is None:
            if not await self._alive():
                raise BenchError(f"the run had ended before '{self._part}' was opened", blame="infra")
            await anyio.sleep(LOOKS * PAUSE)
        try:
            handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise BenchError(f"{path} could not be read: {error.strerror}", blame="infra") from error
        try:
            os.lseek(handle, max(0, os.fstat(handle).st_size - RECENT), os.SEEK_SET)
            yield _Growing(handle, self._alive)
        finally:
            os.close(handle)

    def _log(self) -> Path | None:
        """The log that the run keeps of it; None while it has none."""
        folder = Path(str(self._facts["folder"]))
        wanted = (self._facts.get("lease"), self._part)
        events = read(folder / "journal.jsonl")
        opened = (each for each in events if each["event"] == "console.opened")
        found = [folder / each["log"] for each in opened if (each.get("lease"), each.get("part")) == wanted]
        return found[-1] if found else None


class _Growing:
    """A file to which somebody adds; at its end when nobody does any more."""

    def __init__(self, handle: int, alive: Alive) -> None:
        self._handle = handle
        self._alive = alive

    async def receive(self) -> bytes:
        alive = True
        while alive:
            for _ in range(LOOKS):
                if data := os.read(self._handle, PIECE):
                    return data
                await anyio.sleep(PAUSE)
            alive = await self._alive()
        if data := os.read(self._handle, PIECE):
            return data
        raise anyio.EndOfStream

    async def send(self, data: bytes, /) -> None:
        raise BenchError("this console is only watched", blame="config")
