"""Power, both ways."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio

from flowrunner.errors import BenchError
from flowrunner.interface import Interface
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.remote.client.peer import Peer
from flowrunner.remote.jumpstarter.facade import Facade, Resources

PAUSE = 0.1
"""Seconds between two calls of a driver that measures once."""


class PowerFacade(Facade):
    """What `PowerClient` calls."""

    client_class = "jumpstarter_driver_power.client.PowerClient"

    def __init__(self, part: Interface, resources: Resources) -> None:
        super().__init__(part, resources)
        self.serve(self.on, self.off, self.read)

    async def on(self) -> None:
        await self.part.on()

    async def off(self, destroy: bool = False) -> None:
        """`destroy` is what `VirtualPowerClient` adds; there is nothing here to destroy."""
        await self.part.off()

    async def read(self) -> AsyncGenerator[dict[str, float], None]:
        """One measurement: their clients wait for the end, and ask again for the next one."""
        async with aclosing(self.part.read()) as readings:
            reading = await anext(readings)
        yield {"voltage": reading.voltage, "current": reading.current}


class ForeignPower(Power):
    """A supply on an exporter of Jumpstarter."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    async def on(self) -> None:
        await self._peer.call("on")

    async def off(self) -> None:
        await self._peer.call("off")

    async def read(self) -> AsyncGenerator[PowerReading, None]:
        """Theirs may end after one measurement or some; then it is asked again."""
        while True:
            measured = False
            async with aclosing(self._peer.iterate("read")) as answers:
                async for answer in answers:
                    measured = True
                    yield PowerReading.model_validate(answer)
            if not measured:
                raise BenchError("nothing was measured")
            await anyio.sleep(PAUSE)
