"""The first way to a far end that works."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError, near
from flowrunner.interface import ByteStream
from flowrunner.interfaces.network import Network


class FirstNetworkConfig(Config):
    """The order of the ways."""

    prefer: list[str] | None = None
    """The ways, by their names below `children`, the best first; null is as they are written."""


class FirstNetwork(Driver[FirstNetworkConfig], Network):
    """One far end that can be reached in several ways, such as by Ethernet and by USB.

    Each stream takes the first way on which somebody answers.

    ```yaml
    export:
      ssh:
        type: network.first
        children:
          ethernet: {type: network.tcp, config: {host: board-7.lab, port: 22, timeout: 2s}}
          usb: {type: network.tcp, config: {host: 192.168.7.2, port: 22, timeout: 2s}}
    ```
    """

    def __init__(self, config: FirstNetworkConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        self._ways = {name: self._way(name) for name in config.prefer or self.children}
        if not self._ways:
            raise BenchError("there is no way to choose from", blame="config", help="list some under children")

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        async with AsyncExitStack() as stack:
            yield (await self._first(stack))[1]

    async def address(self) -> str:
        async with AsyncExitStack() as stack:
            name, _ = await self._first(stack)
            return await self._ways[name].address()

    async def _first(self, stack: AsyncExitStack) -> tuple[str, ByteStream]:
        failed = []
        for name, way in self._ways.items():
            try:
                return name, await stack.enter_async_context(way.connect())
            except BenchError as error:
                failed.append(f"{name}: {error.what}")
        raise BenchError("no way leads there: " + "; ".join(failed), blame="infra")

    def _way(self, name: str) -> Network:
        found = self.children.get(name)
        if found is None:
            raise BenchError(f"there is no way '{name}'", blame="config", help=near(name, self.children))
        if not isinstance(found, Network):
            raise BenchError(f"'{name}' is no network", blame="config", help="give only parts that offer network")
        return found
