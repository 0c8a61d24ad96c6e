"""Ways into the guest: its forwarded ports, and its screen by VNC."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.network import Network
from flowrunner.net.dial import dial, dial_host
from flowrunner.net.stream import at
from flowrunner_drivers.machine._qemu.core import Core
from flowrunner_drivers.machine._qemu.parts import Part

PARTS = ("power", "console", "flasher", "video", "vnc")
"""Names that no forwarded port can have."""


class QemuPort(Part, Network):
    """A port of the guest, by the port of the host that leads to it."""

    def __init__(self, core: Core, name: str) -> None:
        super().__init__(core)
        self._name = name
        self._forward = core.config.hostfwd[name]
        if name in PARTS:
            help = f"taken: {', '.join(PARTS)}"
            raise BenchError(f"a forwarded port cannot be called '{name}'", blame="config", help=help)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        kind = socket.SOCK_DGRAM if self._forward.protocol == "udp" else socket.SOCK_STREAM
        stream = await dial_host(self._host(), self._port(), kind=kind)
        try:
            yield stream
        finally:
            stream.close()

    async def address(self) -> str:
        return f"{self._forward.protocol}://{at(self._host(), self._port())}"

    def _host(self) -> str:
        return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1"}.get(self._forward.hostaddr, self._forward.hostaddr)

    def _port(self) -> int:
        if not self.core.running:
            raise BenchError(f"nobody is behind '{self._name}': the machine is off", help="power it on first")
        return self.core.forwards[self._name]


class QemuVnc(Part, Network):
    """The screen, as a VNC server on a Unix socket."""

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        if not self.core.running:
            raise BenchError("there is no VNC: the machine is off", help="power it on first")
        stream = await dial(socket.AF_UNIX, str(self._path()), "the machine's VNC")
        try:
            yield stream
        finally:
            stream.close()

    async def address(self) -> str:
        return f"unix:{self._path()}"

    def _path(self) -> str:
        return f"{self.core.folder}/vnc"
