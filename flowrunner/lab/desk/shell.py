"""A shell in which an exporter is yours: leased, or opened and served for it alone."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio

from flowrunner.commands.run import ROLE
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.lab.desk.child import Child
from flowrunner.lab.desk.held import hold, waits
from flowrunner.lab.desk.named import Here
from flowrunner.lab.desk.prompt import interactive, with_j
from flowrunner.lab.desk.safe import powers, turn_off
from flowrunner.remote.address import Address
from flowrunner.remote.client.connect import connected
from flowrunner.remote.client.hand import owner
from flowrunner.remote.client.reach import exported
from flowrunner.remote.client.remote import Claim, LogLine, Remote, RemoteLease
from flowrunner.remote.endpoint import Endpoint, Listen
from flowrunner.remote.exporter.serve import exporting, hooked


@dataclass(slots=True, kw_only=True)
class ShellSession:
    """One shell from the lease to its end. `say` takes lines for people, `command` is empty for the user's shell.

    With `keep` the device stays as the shell leaves it; else all power is off at the end. `join` is the lease of the
    shell around this one, which is then used, and kept. `ca` is the file of the endpoint's certificate authority.
    """

    where: Endpoint | Here
    command: Sequence[str]
    environment: Mapping[str, str]
    keep: bool
    say: Callable[[str], None]
    on_log: Callable[[LogLine], None]
    join: str | None = None
    ca: Path | None = None
    _child: Child | None = field(default=None, init=False)
    _starting: anyio.CancelScope | None = field(default=None, init=False)
    _told: list[int] = field(default_factory=list, init=False)

    async def run(self) -> int:
        """Have the exporter, run the command, give it back; returns the command's exit status.

        Raises:
            PipelineError: the command cannot be started.
            BenchError: the exporter could not be had, or was lost meanwhile, or the device could not be made safe.
        """
        self._listen()
        outcome: int | FlowrunnerError = 0
        with anyio.CancelScope() as self._starting, _private_folder(self.environment) as folder:
            async with self._endpoint(folder) as endpoint:
                outcome = await self._connected(endpoint, folder)
        if self._starting.cancelled_caught:
            return 128 + self._told[0]
        if isinstance(outcome, FlowrunnerError):
            raise outcome
        return outcome

    @asynccontextmanager
    async def _endpoint(self, folder: Path) -> AsyncIterator[Endpoint]:
        """The exporter; a bench of this machine is served on a socket of its own."""
        if isinstance(self.where, Endpoint):
            yield self.where
            return
        exporter = self.where.exporter
        address = Address(path=folder / "exporter.sock")
        lock = await hold(exporter, "flow shell", self.environment, lambda b: self._waiting(b.owner, b.position))
        station = hooked(exporter.source, exporter.name, Path(exporter.identity).parent)
        try:
            async with exporting(station, [Listen(address=address)]):
                yield Endpoint(address=address)
        finally:
            lock.free()

    async def _connected(self, endpoint: Endpoint, folder: Path) -> int | FlowrunnerError:
        async with connected(endpoint) as remote:
            keep = self.keep or self.join
            claim = Claim(
                role=ROLE, owner=owner("flow shell"), shared=True, join=self.join, on_log=self.on_log,
                safe_state=[] if keep else [(path, "off") for path, _ in powers(remote.device)],
            )  # fmt: skip
            async with remote.leased(claim, self._waiting) as lease:
                try:
                    return await self._leased(remote, lease, folder)
                except FlowrunnerError as error:
                    return error  # raised where no task group wraps it

    async def _leased(self, remote: Remote, lease: RemoteLease, folder: Path) -> int:
        variables = {**exported(remote.endpoint, ca=self.ca), "FLOW_LEASE": lease.name, "JMP_EXPORTER": remote.name}
        variables |= with_j(folder, self.environment)
        command = self.command
        if not command:
            command, more = interactive(remote.name, folder, {**self.environment, **variables})
            variables |= more
            self._greet(remote, lease)
        self._child = Child(command, {**self.environment, **variables}, interactive=not self.command)
        watching = asyncio.create_task(self._watch(lease))
        try:
            status = await self._child.run()
        finally:
            watching.cancel()
        if lease.lost.is_set():
            raise BenchError(lease.reason or "the lease was lost", blame="lost")
        failed = None if self.keep or self.join else await turn_off(lease.device, self.say)
        if failed and status == 0:
            raise failed
        return status

    def _greet(self, remote: Remote, lease: RemoteLease) -> None:
        if remote.motd:
            self.say(remote.motd)
        self.say(f"'{remote.name}' is yours until this shell ends; 'j' or 'flow device' uses it")
        if not lease.guarded:
            self.say(
                "it is an exporter of Jumpstarter: others may use it meanwhile, and nobody makes it safe if we die"
            )

    async def _watch(self, lease: RemoteLease) -> None:
        await lease.lost.wait()
        self.say(f"the lease was lost: {lease.reason}")
        assert self._child
        self._child.end()

    def _listen(self) -> None:
        """Let signals reach the command; before it runs they end the waiting, behind it the second one leaves."""
        loop = asyncio.get_running_loop()

        def obey(number: int, frame: object) -> None:
            self._told.append(number)
            loop.call_soon_threadsafe(self._obey, number)

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, obey)

    def _obey(self, number: int) -> None:
        if self._child:
            self._child.obey(number)
        elif self._starting:
            self._starting.cancel()

    def _waiting(self, owner: str, position: int) -> None:
        self.say(waits(owner, position))


@contextmanager
def _private_folder(environment: Mapping[str, str]) -> Iterator[Path]:
    """A folder that only we can look into, gone at the end. Its path is short: a socket's may have 107 bytes."""
    runtime = environment.get("XDG_RUNTIME_DIR")
    folder = tempfile.mkdtemp(prefix="flow-", dir=runtime if runtime and os.access(runtime, os.W_OK) else None)
    try:
        yield Path(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
