"""One start of QEMU: all that it needs is opened, and handed over."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from anyio.abc import Process, UNIXSocketStream

from flowrunner.errors import BenchError
from flowrunner.model import Size
from flowrunner_drivers.machine._qemu import images
from flowrunner_drivers.machine._qemu import process as qemu
from flowrunner_drivers.machine._qemu.command import Start, arguments
from flowrunner_drivers.machine._qemu.config import QemuConfig
from flowrunner_drivers.machine._qemu.disk import Disk
from flowrunner_drivers.machine._qemu.monitor import Monitor
from flowrunner_drivers.machine._qemu.seed import write_seed
from flowrunner_drivers.machine._qemu.tpm import tpm, tpm_arguments
from flowrunner_drivers.machine._qemu.wiring import plugged

VHOST = Path("/dev/vhost-vsock")


@dataclass(slots=True)
class Started:
    """A QEMU that runs, or ran; `forwards` are the host's ports by the names of the guest's."""

    process: Process
    monitor: Monitor
    cid: int | None
    forwards: Mapping[str, int] = field(default_factory=dict)


class Starting:
    """Opens what one QEMU needs. What must stay with it, such as its TPM, is closed with `plugs`."""

    console: UNIXSocketStream
    """Our end of the console, once QEMU is there."""

    def __init__(self, config: QemuConfig, folder: Path, log: Path, plugs: AsyncExitStack) -> None:
        self._config = config
        self._folder = folder
        self._log = log
        self._plugs = plugs
        self.cid = vsock_number() if config.vsock else None

    async def spawn(
        self, program: str, accel: str, mem: Size, addresses: Sequence[str], disk: Disk
    ) -> tuple[Process, socket.socket]:
        """Start it; returns our end of its monitor, too.

        Raises:
            BenchError: something that it needs is not to be had.
        """
        config = self._config
        console, console_end = socket.socketpair()
        monitor, monitor_end = socket.socketpair()
        with ExitStack() as ours, ExitStack() as theirs:
            ours.callback(console.close)
            ours.callback(monitor.close)
            for end in (console_end, monitor_end):
                theirs.callback(end.close)
            plugs, files = theirs.enter_context(plugged(config.nics, addresses))
            files += [console_end.fileno(), monitor_end.fileno()]
            if config.tpm:
                control = await self._plugs.enter_async_context(tpm(self._folder))
                theirs.callback(control.close)
                plugs += tpm_arguments(config.arch, control.fileno())
                files.append(control.fileno())
            root = await disk.root()
            start = Start(
                accel=accel,
                mem=mem,
                console=console_end.fileno(),
                monitor=monitor_end.fileno(),
                files=await disk.files(),
                root=root,
                state=await self._state() if config.snapshots and root is None else None,
                seed=write_seed(config, self._folder / "seed.iso") if config.seeded else None,
                cid=self.cid,
                plugged=plugs,
            )
            process = await qemu.spawn([program, *arguments(config, start)], self._log, files)
            ours.pop_all()
        self.console = await UNIXSocketStream.from_socket(console)
        return process, monitor

    async def _state(self) -> Path:
        """The file that keeps the states of a machine without a disk."""
        path = self._folder / "state.qcow2"
        if not path.exists():
            await images.create(path, "qcow2", Size(0))
        return path


def vsock_number() -> int:
    """A number for a machine that no other has.

    Raises:
        BenchError: this host has no vsock for machines.
    """
    if not os.access(VHOST, os.R_OK | os.W_OK):
        what = f"vsock cannot be used: '{VHOST}' is not there, or not for us"
        raise BenchError(what, blame="infra", help="as root: modprobe vhost_vsock; or use hostfwd")
    return secrets.randbelow(2**31) + 3
