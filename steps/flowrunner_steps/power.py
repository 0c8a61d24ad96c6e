"""Switch a target's supply, or read it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Literal, cast

import anyio
from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from flowrunner.errors import BenchError
from flowrunner.interfaces.power import Power as PowerInterface
from flowrunner.interfaces.power import PowerReading
from flowrunner.model import Duration
from flowrunner.step import Context, Outputs, Step

ONLY_FOR = {"off_for": "cycle", "count": "read", "interval": "read"}


class PowerOutputs(Outputs):
    """What `power` leaves for later steps."""

    at: Duration
    """When the power had changed, or the last reading came: since the run started."""

    readings: list[PowerReading] = []
    """What `read` measured, in order: `voltage` in volts and `current` in amperes."""


class Power(Step):
    """Turn the target on or off, cycle it, or read what it draws.

    On when on already, and off when off already, is no error. What the consoles of the device printed before a change
    of power is not waited for any more: an `expect` behind it is about the new boot.

    ```yaml
    steps:
      - power: cycle
      - power: {action: cycle, off_for: 5s}
      - id: idle
        power: {action: read, count: 3, interval: 500ms}
    ```
    """

    shorthand = "action"
    kind = "setup"
    interfaces = (PowerInterface,)

    action: Literal["on", "off", "cycle", "read"]
    """What to do."""

    off_for: Duration = Duration(2)
    """How long `cycle` keeps the power off."""

    count: int = Field(default=1, ge=1)
    """How many readings `read` takes."""

    interval: Duration = Duration(1)
    """The pause between two readings."""

    @field_validator("off_for", "count", "interval", mode="after")
    @classmethod
    def _fits_the_action(cls, value: object, info: ValidationInfo) -> object:
        action, wanted = info.data.get("action"), ONLY_FOR[info.field_name or ""]
        if action is not None and action != wanted:
            why = f"has a meaning only for {wanted}, the action is {action}"
            raise PydanticCustomError("misplaced", "{why}", {"why": why, "help": "leave it out"})
        return value

    async def run(self, context: Context) -> PowerOutputs:
        power = context.use(PowerInterface)
        if self.action != "read":
            context.skip_output()
        readings: list[PowerReading] = []
        match self.action:
            case "on":
                await power.on()
            case "off":
                await power.off()
            case "cycle":
                await power.cycle(self.off_for)
            case "read":
                readings = await self._read(power)
        return PowerOutputs(at=context.now(), readings=readings)

    async def _read(self, power: PowerInterface) -> list[PowerReading]:
        found: list[PowerReading] = []
        async with aclosing(cast("AsyncGenerator[PowerReading, None]", power.read())) as readings:
            async for reading in readings:
                found.append(reading)
                if len(found) == self.count:
                    return found
                await anyio.sleep(self.interval)
        raise BenchError(f"the power meter stopped after {len(found)} of {self.count} readings")
