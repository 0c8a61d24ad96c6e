"""The hooks of an exporter's file: scripts before and after each turn, with the device at their hands."""

from __future__ import annotations

import asyncio
import logging
import os
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio

from flowrunner.bench.config import Hook
from flowrunner.errors import BenchError
from flowrunner.remote.client.remote import LogLine, Source
from flowrunner.remote.exporter.logs import HEARD
from flowrunner.remote.exporter.script import command, run_script
from flowrunner.remote.exporter.station import Station
from flowrunner.remote.exporter.status import HOOK_WARNING, Status
from flowrunner.remote.exporter.turn import OPEN, ExitError, Turn

LONGEST_MOTD = 64 * 1024
"""Bytes of a message that a hook may leave."""

SEEN = 1.0
"""Seconds for which a failed status stays before the lease goes: clients look every 0.3."""

STANDALONE = "standalone"
"""What Jumpstarter calls the lease while everyone may use the exporter."""

UNWANTED = ("PS1", "FLOW_PASSPHRASE", "JMP_GRPC_PASSPHRASE")
"""Variables that a script does not get: its socket needs no passphrase."""

log = logging.getLogger(__name__)

Serve = Callable[[Station, Turn, Path], AbstractAsyncContextManager[None]]
"""Serves the device of a turn, unguarded, on a unix socket."""


class Hooks:
    """Runs them. A turn whose `before` failed has no `after`."""

    def __init__(self, station: Station, folder: Path, serve: Serve) -> None:
        """`folder` is where the exporter's file lies: scripts that it names are looked for there."""
        self._station = station
        self._folder = folder
        self._serve = serve
        self._refused: set[str] = set()

    async def begin(self, turn: Turn) -> None:
        hooks = self._station.source.exporter.hooks
        message = f"in use by {turn.owner}"
        if hooks and hooks.before_lease:
            self._station.statuses.set(Status.BEFORE_LEASE_HOOK, "the hook before the lease runs")
            failure = await self._run(hooks.before_lease, turn, "before_lease")
            if failure and hooks.before_lease.on_failure != "warn":
                self._refused.add(turn.id)
                await self._failed(Status.BEFORE_LEASE_HOOK_FAILED, hooks.before_lease, failure)
                raise BenchError(failure, blame="infra", help="the exporter's log has what the hook printed")
            message = HOOK_WARNING + failure if failure else message
        self._station.statuses.set(Status.LEASE_READY, message)

    async def end(self, turn: Turn) -> None:
        hooks = self._station.source.exporter.hooks
        if turn.id in self._refused:
            return self._refused.discard(turn.id)
        failure = None
        if hooks and hooks.after_lease:
            self._station.statuses.set(Status.AFTER_LEASE_HOOK, "the hook after the lease runs")
            failure = await self._run(hooks.after_lease, turn, "after_lease")
            if failure and hooks.after_lease.on_failure != "warn":
                await self._failed(Status.AFTER_LEASE_HOOK_FAILED, hooks.after_lease, failure)
        self._station.statuses.set(Status.AVAILABLE, HOOK_WARNING + failure if failure else "")
        return None

    async def _failed(self, status: Status, hook: Hook, failure: str) -> None:
        self._station.statuses.set(status, failure)
        await asyncio.sleep(SEEN)
        if hook.on_failure == "exit":
            self._station.statuses.set(Status.OFFLINE, failure)
            self._station.fail(ExitError(failure, blame="infra", help="onFailure: exit ends the exporter then"))

    async def _run(self, hook: Hook, turn: Turn, source: Source) -> str | None:
        """Run one; returns what went wrong, in words."""
        name = {"before_lease": "beforeLease", "after_lease": "afterLease"}[source]

        def say(line: str, severity: str = "INFO") -> None:
            self._station.logs.say(LogLine(message=line, severity=severity, source=source))
            level = logging.getLevelNamesMapping()[severity]
            log.log(level, "%s: %s", name, line, extra={HEARD: True})

        async with self._surroundings(turn) as (folder, environment):
            motd = folder / "motd"
            if source == "before_lease":
                environment["JMP_MOTD_FILE"] = str(motd)
            failure = await run_script(
                command(hook, self._folder), environment=environment, timeout=hook.timeout, folder=self._folder, say=say
            )
            if source == "before_lease":
                self._station.motd = await anyio.to_thread.run_sync(_motd, motd)
        if failure is None:
            return None
        say(f"the hook {name} failed: {failure}", "ERROR")
        return f"the hook {name} failed: {failure}"

    @asynccontextmanager
    async def _surroundings(self, turn: Turn) -> AsyncIterator[tuple[Path, dict[str, str]]]:
        """A folder of its own with the device's socket in it, and the environment of a script."""
        with tempfile.TemporaryDirectory(prefix="flowrunner-hook-") as private:
            folder = Path(private)
            socket = folder / "socket"
            async with self._serve(self._station, turn, socket):
                lease, client = (STANDALONE, "") if turn.id == OPEN else (turn.id, turn.owner)
                environment = {
                    **os.environ, "JUMPSTARTER_HOST": str(socket), "JMP_DRIVERS_ALLOW": "UNSAFE", "LEASE_NAME": lease,
                    "CLIENT_NAME": client, "TERM": "dumb", "DEBIAN_FRONTEND": "noninteractive",
                    "GIT_TERMINAL_PROMPT": "0", "FLOW_EXPORTER": f"unix:{socket}",
                }  # fmt: skip
                for name in UNWANTED:
                    environment.pop(name, None)
                yield folder, environment


def _motd(path: Path) -> str | None:
    """What the hook left for those who lease."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(LONGEST_MOTD).decode(errors="replace")
