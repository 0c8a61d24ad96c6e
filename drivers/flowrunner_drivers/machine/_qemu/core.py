"""The machine itself: what its parts share."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process, TaskGroup

from flowrunner.errors import BenchError
from flowrunner.model import Duration, Size
from flowrunner.net.stream import SocketStream
from flowrunner_drivers.machine._qemu import process as qemu
from flowrunner_drivers.machine._qemu.accel import choose
from flowrunner_drivers.machine._qemu.command import DISK, STATE
from flowrunner_drivers.machine._qemu.config import QemuConfig
from flowrunner_drivers.machine._qemu.console import ConsoleBuffer
from flowrunner_drivers.machine._qemu.disk import Disk
from flowrunner_drivers.machine._qemu.folder import private_folder
from flowrunner_drivers.machine._qemu.monitor import Monitor
from flowrunner_drivers.machine._qemu.saves import Saves
from flowrunner_drivers.machine._qemu.starting import Started, Starting
from flowrunner_drivers.machine._qemu.wiring import address

ANSWER = 2.0
"""Seconds that a monitor which is told to quit may take to answer."""

log = logging.getLogger(__name__)


class Core:
    """One machine: QEMU's process while the power is on, and what stays when it is off.

    QEMU gets its console and monitor as open sockets, and its processor is let go only when both are attached: so
    nothing that it prints is lost, nothing has to be polled for, and no path is too long for a socket.
    """

    def __init__(self, config: QemuConfig) -> None:
        self.config = config
        self.console = ConsoleBuffer()
        self.disk = Disk(config)
        self.mem = config.mem
        self.accel = "none"
        self._started: Started | None = None
        self._plugs = AsyncExitStack()
        self._last: int | None = None
        self._busy: str | None = None
        self._switching = anyio.Lock()

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Have a folder and a console; leaving powers the machine off."""
        with private_folder() as folder:
            self.folder = folder
            self.console = ConsoleBuffer()
            self.mem = self.config.mem
            self.addresses = [address() for _ in self.config.nics]
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
        return self._started is not None and self._started.process.returncode is None

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
                    starting = Starting(self.config, self.folder, self._log, self._plugs)
                    process, monitor = await starting.spawn(program, self.accel, self.mem, self.addresses, self.disk)
                    self._started = Started(process, Monitor(), starting.cid)
                    self._tasks.start_soon(self.console.follow, starting.console)
                    await self._let_go(self._started, monitor)
                    self._tasks.start_soon(self._watch, process)
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
            started = self._started
            if started and self.running:
                self._started = None
                with anyio.move_on_after(min(ANSWER, self.config.stop_timeout)), suppress(BenchError):
                    await started.monitor.execute("quit")  # one that is deaf does not answer: the signals do not ask
                await qemu.end(started.process, self.config.stop_timeout)
                self._last = None
                await started.monitor.disconnect()
                await self._plugs.aclose()
            await self._reap()

    async def shut_down(self, timeout: float) -> None:
        """Press the power button, and wait until the guest has ended.

        Raises:
            BenchError: the machine is off, or the guest is not after `timeout` seconds.
        """
        await self.execute("system_powerdown")
        started = self._started
        with anyio.move_on_after(timeout):
            if started:
                await started.process.wait()
            return
        what = f"the guest did not shut down within {Duration(timeout)} of its power button"
        raise BenchError(what, help="has it something that listens to ACPI? power off cuts the power")

    async def execute(self, name: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Run a monitor command.

        Raises:
            BenchError: the machine is off, or QEMU refused it.
        """
        return await (await self._on()).monitor.execute(name, arguments)

    async def screen(self) -> SocketStream:
        """A new connection to the screen, which speaks VNC (RFB, RFC 6143)."""
        started = await self._on()
        return SocketStream(await started.monitor.connected("vnc"), "the machine's screen")

    async def state(self) -> str:
        """`off`, or what QEMU says: `running`, `paused`, `shutdown`, `guest-panicked` ..."""
        try:
            return str((await self.execute("query-status"))["status"])
        except BenchError:
            if self._started is not None:
                with anyio.move_on_after(ANSWER):
                    await self._started.process.wait()
            if self.running:
                raise
            return "off"

    async def port(self, name: str) -> int:
        """The port of the host that leads to a port of the guest."""
        return (await self._on(f"nobody is behind '{name}'")).forwards[name]

    async def cid(self, name: str) -> int:
        """The machine's number for vsock."""
        return (await self._on(f"nobody is behind '{name}'")).cid or 0

    async def saves(self) -> Saves:
        """The states that are kept.

        Raises:
            BenchError: the machine is off, or its disk cannot keep any.
        """
        await self._on()
        root = await self.disk.root()
        if (root is None and not self.config.snapshots) or (root and root.format != "qcow2"):
            what = "the machine has no disk that keeps its state" if root is None else "a raw disk keeps no state"
            raise BenchError(what, blame="config", help="say snapshots: true in its config")
        return Saves(self.execute, DISK if root else STATE)

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

    async def resize(self, size: Size) -> None:
        """Make the disk larger."""
        with self.disk_in_use("resized"):
            await self.disk.resize(size)

    async def _let_go(self, started: Started, end: Any) -> None:
        """Attach the monitor, see which ports QEMU took, and start the processor."""
        try:
            await started.monitor.connect(end)
        except BenchError as error:
            await qemu.end(started.process, self.config.stop_timeout)
            how = qemu.how_ended(started.process.returncode or 0)
            raise BenchError(f"{error.what}: {how}", blame="infra", said=self._said()) from error
        started.forwards = await started.monitor.forwards(self.config.hostfwd)
        await started.monitor.execute("cont")

    async def _on(self, instead: str = "") -> Started:
        """What runs.

        Raises:
            BenchError: the machine is off; why, if it was not us.
        """
        started = self._started
        if started is None or not self.running:
            await self._reap()
            what = f"{instead}: the machine is off" if instead else "the machine is off"
            raise BenchError(f"{what}{self._why()}", said=self._said() or None, help="power it on first")
        return started

    async def _watch(self, process: Process) -> None:
        """Say in the log why a QEMU ended that nobody had told to."""
        status = await process.wait()
        if status and self._started and self._started.process is process:
            log.error("%s%s", qemu.how_ended(status), f": {self._said()}" if self._said() else "")

    async def _kill(self) -> None:
        started, self._started = self._started, None
        if started:
            if started.process.returncode is None:
                started.process.kill()
            await started.process.wait()
            await started.monitor.disconnect()
        await self._plugs.aclose()

    async def _reap(self) -> None:
        """Let go of a QEMU that ended by itself, and remember how."""
        started = self._started
        if started and started.process.returncode is not None:
            self._last = started.process.returncode
            self._started = None
            await started.monitor.disconnect()
            await self._plugs.aclose()

    def _why(self) -> str:
        return "" if self._last is None else f": {qemu.how_ended(self._last)}"

    def _said(self) -> str:
        return qemu.last_lines(self._log)

    @property
    def _log(self) -> Path:
        return self.folder / "qemu.log"
