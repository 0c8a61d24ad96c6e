"""machine.qemu: a virtual machine under QEMU as a whole device."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from flowrunner.driver import Driver
from flowrunner.interfaces.machine import Machine, SavedState
from flowrunner.model import Seconds, Size
from flowrunner_drivers.machine._qemu.config import QemuConfig
from flowrunner_drivers.machine._qemu.core import Core
from flowrunner_drivers.machine._qemu.parts import QemuConsole, QemuFlasher, QemuPower, QemuScreen, QemuVideo
from flowrunner_drivers.machine._qemu.ports import QemuPort, QemuVsock


class Qemu(Driver[QemuConfig], Machine):
    """A QEMU machine with the parts `power`, `console`, `flasher`, `video`, with `vnc` if wanted, and forwarded ports.

    ```yaml
    export:
      board:
        type: machine.qemu
        config: {mem: 256MiB, disk_size: 64MiB, hostfwd: {ssh: {guestport: 22}}}
    ```

    Each port in `hostfwd` is a part of its own, of that name: a network that leads into the guest.
    Flash an image to `root` (which is the default) and power the machine on. Its console, the first serial port, loses
    no byte, the first one included. The machine never outlives flowrunner. QEMU is a Debian package: `apt-get install
    qemu-system-x86`, or `qemu-system-arm` for `arch: aarch64`. Its monitor: QEMU's docs/interop/qmp-spec.
    """

    aliases = ("jumpstarter_driver_qemu.driver.Qemu",)

    def __init__(self, config: QemuConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        self.core = Core(config)
        parts = {"power": QemuPower(self.core), "console": QemuConsole(self.core), "flasher": QemuFlasher(self.core)}
        self.children |= parts
        if config.card != "none":
            self.children["video"] = QemuVideo(self.core)
        if config.screen:
            self.children["vnc"] = QemuScreen(self.core)
        self.children |= {name: QemuPort(self.core, name) for name in config.hostfwd}
        self.children |= {name: QemuVsock(self.core, name) for name in config.vsock}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        async with self.core.opened():
            yield

    async def state(self) -> str:
        return await self.core.state()

    async def pause(self) -> None:
        await self.core.execute("stop")

    async def resume(self) -> None:
        await self.core.execute("cont")

    async def reset(self) -> None:
        await self.core.execute("system_reset")

    async def shutdown(self, timeout: Seconds = 60.0) -> None:
        await self.core.shut_down(timeout)

    async def save(self, name: str) -> None:
        await (await self.core.saves()).save(name)

    async def load(self, name: str) -> None:
        await (await self.core.saves()).load(name)

    async def saved(self) -> list[SavedState]:
        return await (await self.core.saves()).saved()

    async def delete(self, name: str) -> None:
        await (await self.core.saves()).delete(name)

    async def resize_disk(self, size: int) -> None:
        await self.core.resize(Size(size))

    async def resize_memory(self, size: int) -> None:
        self.core.mem = Size(size)

    async def qmp(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        return await self.core.execute(command, arguments)
