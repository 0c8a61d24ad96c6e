"""What the drivers of a host and a port have in common."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import ClassVar

from pydantic import Field

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.network import Network
from flowrunner.model import Seconds
from flowrunner.net.dial import CONNECT, dial_host, resolve
from flowrunner.net.stream import at


class HostConfig(Config):
    """A port of a host."""

    host: str = Field(min_length=1)
    """The host's name or address, as the exporter knows it."""

    port: int = Field(ge=1, le=65535)
    """The port's number."""

    enable_address: bool = True
    """Whether clients may ask for the address, to connect to it themselves."""

    timeout: Seconds = CONNECT
    """Seconds that a connection may take."""


class HostNetwork(Driver[HostConfig], Network):
    """Connects to a host and a port; a private base."""

    scheme: ClassVar[str]
    kind: ClassVar[socket.SocketKind]

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        config = self.config
        stream = await dial_host(config.host, config.port, kind=self.kind, timeout=config.timeout)
        try:
            yield stream
        finally:
            stream.close()

    async def address(self) -> str:
        if not self.config.enable_address:
            raise hidden(f"this {self.scheme} port")
        (_, address), *_ = await resolve(self.config.host, self.config.port, kind=self.kind)
        return f"{self.scheme}://{at(address[0], address[1])}"


def hidden(what: str) -> BenchError:
    """The lab's owner does not want the address to be told."""
    return BenchError(
        f"the address of {what} is not told", blame="config", help="its enable_address is false; forward a port to it"
    )
