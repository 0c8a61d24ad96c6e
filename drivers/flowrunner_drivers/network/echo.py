"""A far end that gives back what it gets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.stapled import StapledObjectStream

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.network import Network

ROOM = 64
"""Pieces on their way before who sends has to wait until some are read."""


class EchoNetworkConfig(Config):
    """An echo has nothing to set up."""


class EchoNetwork(Driver[EchoNetworkConfig], Network):
    """Gives back what it gets: for trying pipelines, tunnels and forwards without any device.

    ```yaml
    export:
      echo: {type: network.echo}
    ```
    """

    aliases = ("jumpstarter_driver_network.driver.EchoNetwork",)

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        async with StapledObjectStream(*anyio.create_memory_object_stream[bytes](ROOM)) as echo:
            yield echo

    async def address(self) -> str:
        raise BenchError("an echo has no address", blame="config", help="forward a port to it")
