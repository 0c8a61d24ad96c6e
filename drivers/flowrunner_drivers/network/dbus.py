"""A message bus of the exporter's host."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import unquote

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces import network
from flowrunner.model import Seconds
from flowrunner.net.dial import CONNECT, dial, dial_host
from flowrunner.net.stream import SocketStream


class DbusNetworkConfig(Config):
    """Which bus."""

    kind: Literal["system", "session"]
    """The system's bus, or that of the exporter's user."""

    timeout: Seconds = CONNECT
    """Seconds that a connection may take."""


class DbusNetwork(Driver[DbusNetworkConfig], network.DbusNetwork):
    """D-Bus on the exporter's host, for programs beside the job that talk to what hangs on it.

    It is where DBUS_SYSTEM_BUS_ADDRESS or DBUS_SESSION_BUS_ADDRESS says when the exporter starts (`unix:path=`,
    `unix:abstract=` and `tcp:host=,port=` are understood), else where the D-Bus specification puts it. The bus checks
    who logs in: the job's user must have the same number as the exporter's (SASL EXTERNAL).

    ```yaml
    export:
      bus:
        type: network.dbus
        config: {kind: system}
    ```
    """

    aliases = ("jumpstarter_driver_network.driver.DbusNetwork",)

    def __init__(self, config: DbusNetworkConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        self._address = _address(config.kind)
        self._keys = _parsed(self._address)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        stream = await self._dial()
        try:
            yield stream
        finally:
            stream.close()

    async def address(self) -> str:
        return self._address

    async def kind(self) -> Literal["system", "session"]:
        return self.config.kind

    async def _dial(self) -> SocketStream:
        keys, timeout = self._keys, self.config.timeout
        if "host" in keys:
            return await dial_host(keys["host"], int(keys["port"]), timeout=timeout)
        path = keys.get("path") or "\0" + keys["abstract"]
        return await dial(socket.AF_UNIX, path, f"the {self.config.kind} bus at '{self._address}'", timeout=timeout)


def _address(kind: str) -> str:
    if kind == "system":
        return os.environ.get("DBUS_SYSTEM_BUS_ADDRESS") or "unix:path=/run/dbus/system_bus_socket"
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    return os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path={runtime}/bus"


def _parsed(address: str) -> dict[str, str]:
    """The keys of the first address that can be used; the specification lists them with `;` between.

    Raises:
        BenchError: none can.
    """
    for one in address.split(";"):
        transport, _, rest = one.partition(":")
        keys = {key: unquote(value) for key, _, value in (pair.partition("=") for pair in rest.split(","))}
        if transport == "unix" and (keys.get("path") or keys.get("abstract")):
            return keys
        if transport == "tcp" and keys.get("host") and re.fullmatch(r"\d{1,5}", keys.get("port", "")):
            return keys
    raise BenchError(
        f"the bus address '{address}' cannot be used",
        blame="config",
        help="it needs unix:path=, or tcp:host= and port=",
    )
