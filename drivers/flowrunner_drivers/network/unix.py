"""A Unix socket."""

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

LONGEST_PATH = 107
"""Bytes of a socket's path that Linux takes (unix(7))."""


class UnixNetworkConfig(Config):
    """Where the socket is."""

    path: str = Field(min_length=1, max_length=LONGEST_PATH)
    """The socket's path on the exporter; a leading `@` means an abstract one."""

    timeout: Seconds = CONNECT
    """Seconds that a connection may take, which waits while the server has too many waiting."""


class UnixNetwork(Driver[UnixNetworkConfig], Network):
    """A server that listens on a Unix socket beside the device, such as a container engine or a simulator.

    ```yaml
    export:
      engine:
        type: network.unix
        config: {path: /run/podman/podman.sock}
    ```
    """

    aliases = ("jumpstarter_driver_network.driver.UnixNetwork",)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        path = self.config.path
        address = "\0" + path[1:] if path.startswith("@") else path
        stream = await dial(socket.AF_UNIX, address, f"'{path}'", timeout=self.config.timeout)
        try:
            yield stream
        finally:
            stream.close()

    async def address(self) -> str:
        return f"unix:{self.config.path}"
