"""A supply that exists only in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import anyio

from flowrunner.driver import Config, Driver
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.model import Seconds
from flowrunner_drivers._faults import Fault, Faults


class VirtualPowerConfig(Config):
    """What the supply shows, and what goes wrong with it."""

    volts: float = 5.0
    """Volts that are measured while it is on."""

    amps: float = 2.0
    """Amperes that are measured while it is on."""

    interval: Seconds = 1.0
    """Seconds between two measurements."""

    state: Path | None = None
    """A file that says `on` or `off`, for other processes to see; the supply starts as the file says."""

    faults: list[Fault] = []
    """What goes wrong: which `call` (on, off, read), at which count, and how."""


class VirtualPower(Driver[VirtualPowerConfig], Power):
    """Remembers whether it is on. For learning, and for testing pipelines: it can be told to fail, be late, or hang.

    ```yaml
    export:
      power:
        type: power.virtual
        config:
          volts: 12
          faults:
            - {call: on, at: 2, fail: the relay is stuck}
            - {call: read, delay: 500ms, times: null}
    ```
    """

    aliases = ("jumpstarter_driver_power.driver.MockPower", "jumpstarter_driver_power.driver.SyncMockPower")

    def __init__(self, config: VirtualPowerConfig, children: object = None) -> None:
        super().__init__(config)
        self.is_on = False
        self._faults = Faults(config.faults)

    async def on(self) -> None:
        await self._switch(True)

    async def off(self) -> None:
        await self._switch(False)

    async def read(self) -> AsyncIterator[PowerReading]:
        while True:
            await self._faults.strike("read")
            on = self._now_on()
            yield PowerReading(voltage=self.config.volts if on else 0.0, current=self.config.amps if on else 0.0)
            await anyio.sleep(self.config.interval)

    async def _switch(self, on: bool) -> None:
        await self._faults.strike("on" if on else "off")
        self.is_on = on
        if self.config.state:
            await anyio.Path(self.config.state).write_text("on" if on else "off")

    def _now_on(self) -> bool:
        if self.config.state and self.config.state.exists():
            return self.config.state.read_text() == "on"
        return self.is_on
