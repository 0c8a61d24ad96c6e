"""The machine itself: what its parts share."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import Process, TaskGroup, UNIXSocketStream

from flowrunner.errors import BenchError
from flowrunner_drivers.machine._qemu import process as qemu
from flowrunner_drivers.machine._qemu.accel import choose
from flowrunner_drivers.machine._qemu.command import Start, arguments
from flowrunner_drivers.machine._qemu.config import QemuConfig
from flowrunner_drivers.machine._qemu.console import ConsoleBuffer
from flowrunner_drivers.machine._qemu.disk import Disk
from flowrunner_drivers.machine._qemu.folder import private_folder
from flowrunner_drivers.machine._qemu.monitor import Monitor
from flowrunner_drivers.machine._qemu.seed import write_seed

ANSWER = 2.0
"""Seconds that a monitor which is told to quit may take to answer."""


class Core:
    """One machine: QEMU's process while the power is on, and what stays when it is off.

    QEMU gets its console and monitor as open sockets, and its processor is let go only when both are attached: so
    nothing that it prints is lost, nothing has to be polled for, and no path is too long for a socket.
    """

    def __init__(self, config: QemuConfig) -> None:
        self.config = config
        self.console = ConsoleBuffer()
        self.disk = Disk(config)
        self.forwards: dict[str, int] = {}
        self.accel = "none"
        self._monitor = Monitor()
        self._process: Process | None = None
        self._last: int | None = None
        self._busy: str | None = None
        self._switching = anyio.Lock()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Have a folder and a console; leaving powers the machine off."""
        with private_folder() as folder:
            self.folder = folder
            self.console = ConsoleBuffer()
            self._last = None
            await self.disk.open(folder)
            failure: BaseException | None = None
            async with anyio.create_task_group() as tasks:
                self._tasks: TaskGroup = tasks
                try:
                    yield
                except BaseException as error:  # noqa: BLE001 - raised again outside of the group, as it was
                    failure = error
                with anyio.CancelScope(shield=True):
                    await self.off()
                self.console.close()
                tasks.cancel_scope.cancel()
            if failure:
                raise failure

    @property
    def running(self) -> bool:
        """Whether QEMU runs, be it paused."""
        return self._process is not None and self._process.returncode is None

    async def on(self) -> None:
        """Start QEMU.

        Raises:
            BenchError: it is not installed, did not like its arguments, or did not answer in time.
        """
        async with self._switching:
            if self.running:
                return
            if self._busy:
                raise BenchError(f"the machine cannot start while its disk is being {self._busy}")
            await self._reap()
            program = qemu.program(self.config.arch)
            self.accel = await choose(self.config, program)
            try:
                with anyio.fail_after(self.config.start_timeout):
                    await self._start(program)
            except BaseException as error:
                with anyio.CancelScope(shield=True):
                    await self._kill()
                if isinstance(error, TimeoutError):
                    raise BenchError(
                        f"QEMU did not answer within {self.config.start_timeout:g}s", blame="infra", said=self._said()
                    ) from error
                raise

    async def off(self) -> None:
        """Stop QEMU, and wait until it is gone."""
        async with self._switching:
            if self.running:
                with anyio.move_on_after(min(ANSWER, self.config.stop_timeout)):
                    await self._quit()
                assert self._process is not None
                await qemu.end(self._process, self.config.stop_timeout)
                self._last = None
                self._process = None
                await self._monitor.disconnect()
            await self._reap()

    async def execute(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Run a monitor command.

        Raises:
            BenchError: the machine is off, or QEMU refused it.
        """
        if not self.running:
            await self._reap()
            raise BenchError(f"the machine is off{self._why()}", said=self._said() or None, help="power it on first")
        return await self._monitor.execute(name, arguments)

    async def state(self) -> str:
        """`off`, or what QEMU says: `running`, `paused`, `shutdown`, `guest-panicked` ..."""
        try:
            return str((await self.execute("query-status"))["status"])
        except BenchError:
            if self._process is not None:
                with anyio.move_on_after(ANSWER):
                    await self._process.wait()
            if self.running:
                raise
            return "off"

    @contextmanager
    def disk_in_use(self, busy: str) -> Iterator[None]:
        """Keep the machine off meanwhile.

        Raises:
            BenchError: it is on, or the disk is in use already.
        """
        if self.running or self._switching.locked():
            raise BenchError(f"the machine's disk cannot be {busy} while it is on", help="power it off first")
        if self._busy:
            raise BenchError(f"the machine's disk cannot be {busy} while it is being {self._busy}")
        self._busy = busy
        try:
            yield
        finally:
            self._busy = None

    async def _start(self, program: str) -> None:
        console, console_end = socket.socketpair()
        monitor, monitor_end = socket.socketpair()
        with console, monitor:
            start = Start(
                accel=self.accel,
                console=console_end.fileno(),
                monitor=monitor_end.fileno(),
                folder=self.folder,
                files=self.disk.files(),
                root=self.disk.root(),
                seed=write_seed(self.config, self.folder / "seed") if self.config.seeded else None,
            )
            command = [program, *arguments(self.config, start)]
            self._process = await qemu.spawn(command, self._log, (console_end, monitor_end))
            self._tasks.start_soon(self.console.follow, await UNIXSocketStream.from_socket(console.dup()))
            self._monitor = Monitor()
            try:
                await self._monitor.connect(monitor.dup())
            except BenchError as error:
                await qemu.end(self._process, self.config.stop_timeout)
                how = qemu.how_ended(self._process.returncode or 0)
                raise BenchError(f"{error.what}: {how}", blame="infra", said=self._said()) from error
        self.forwards = await self._forwards()
        await self._monitor.execute("cont")

    async def _forwards(self) -> dict[str, int]:
        """The port of the host behind each name, now that QEMU has taken them."""
        ports = {name: forward.hostport for name, forward in self.config.hostfwd.items()}
        if any(port == 0 for port in ports.values()):
            table = await self._monitor.execute("human-monitor-command", {"command-line": "info usernet"})
            for name, forward in self.config.hostfwd.items():
                row = rf"{forward.protocol}\[HOST_FORWARD\]\s+\d+\s+{re.escape(forward.hostaddr)}\s+(\d+)"
                row += rf"\s+\S+\s+{forward.guestport}\b"
                found = re.search(row, str(table), re.IGNORECASE)
                ports[name] = int(found.group(1)) if found else forward.hostport
        return ports

    async def _quit(self) -> None:
        """Ask QEMU to quit. One that is gone or deaf cannot answer: the signals that follow do not ask."""
        with suppress(BenchError):
            await self._monitor.execute("quit")

    async def _kill(self) -> None:
        if self._process is not None:
            if self._process.returncode is None:
                self._process.kill()
            await self._process.wait()
            self._process = None
        await self._monitor.disconnect()

    async def _reap(self) -> None:
        """Let go of a QEMU that ended by itself, and remember how."""
        if self._process is not None and self._process.returncode is not None:
            self._last = self._process.returncode
            self._process = None
            await self._monitor.disconnect()

    def _why(self) -> str:
        return "" if self._last is None else f": {qemu.how_ended(self._last)}"

    def _said(self) -> str:
        return qemu.last_lines(self._log)

    @property
    def _log(self) -> Path:
        return self.folder / "qemu.log"
