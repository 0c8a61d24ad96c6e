"""Ways into the guest: its forwarded ports, and those that need no network."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.network import Network
from flowrunner.net.dial import dial, dial_host
from flowrunner.net.stream import at
from flowrunner_drivers.machine._qemu.cables import HostForward
from flowrunner_drivers.machine._qemu.core import Core
from flowrunner_drivers.machine._qemu.parts import Part

PARTS = ("power", "console", "flasher", "video", "vnc")
"""Names that no port can have."""


class Door(Part, Network):
    """A port of the guest, by its name."""

    def __init__(self, core: Core, name: str) -> None:
        super().__init__(core)
        self._name = name
        if name in PARTS or (name in core.config.hostfwd and name in core.config.vsock):
            taken = ", ".join({*PARTS, *core.config.hostfwd})
            raise BenchError(f"a port cannot be called '{name}'", blame="config", help=f"taken: {taken}")


class QemuPort(Door):
    """A port of the guest, by the port of the host that leads to it."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        kind = socket.SOCK_DGRAM if self._forward.protocol == "udp" else socket.SOCK_STREAM
        stream = await dial_host(self._host, await self.core.port(self._name), kind=kind)
        try:
            yield stream
        finally:
            stream.close()

    async def address(self) -> str:
        return f"{self._forward.protocol}://{at(self._host, await self.core.port(self._name))}"

    @property
    def _forward(self) -> HostForward:
        return self.core.config.hostfwd[self._name]

    @property
    def _host(self) -> str:
        return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1"}.get(self._forward.hostaddr, self._forward.hostaddr)


class QemuVsock(Door):
    """A port of the guest, without a network."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        where = (await self.core.cid(self._name), self.core.config.vsock[self._name])
        stream = await dial(socket.AF_VSOCK, where, f"'{await self.address()}'")
        try:
            yield stream
        finally:
            stream.close()

    async def address(self) -> str:
        return f"vsock://{await self.core.cid(self._name)}:{self.core.config.vsock[self._name]}"
