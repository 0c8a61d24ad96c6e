"""A port of a virtual machine, by vsock."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import Field

from flowrunner.driver import Config, Driver
from flowrunner.interface import ByteStream
from flowrunner.interfaces.network import Network
from flowrunner.model import Seconds
from flowrunner.net.dial import CONNECT, dial


class VsockNetworkConfig(Config):
    """Which machine, and which of its ports."""

    cid: int = Field(ge=0, lt=2**32)
    """The machine's context id: 1 is this one (by the module vsock_loopback), 2 the host as a guest sees it."""

    port: int = Field(ge=0, lt=2**32)
    """The port's number."""

    timeout: Seconds = CONNECT
    """Seconds that a connection may take."""


class VsockNetwork(Driver[VsockNetworkConfig], Network):
    """A port of a virtual machine that is reached without any network (vsock(7)).

    ```yaml
    export:
      agent:
        type: network.vsock
        config: {cid: 42, port: 22}
    ```
    """

    aliases = ("jumpstarter_driver_network.driver.VsockNetwork",)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        config = self.config
        stream = await dial(
            socket.AF_VSOCK, (config.cid, config.port), f"'{await self.address()}'", timeout=config.timeout
        )
        try:
            yield stream
        finally:
            stream.close()

    async def address(self) -> str:
        return f"vsock://{self.config.cid}:{self.config.port}"
