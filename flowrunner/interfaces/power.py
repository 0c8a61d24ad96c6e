"""Power: turn a target on and off, and read what it draws."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncIterator

import anyio
from pydantic import BaseModel

from flowrunner.interface import Interface, call
from flowrunner.model import Seconds


class PowerReading(BaseModel):
    """One measurement: volts and amperes."""

    voltage: float
    current: float

    @property
    def apparent_power(self) -> float:
        """Volt-amperes."""
        return self.voltage * self.current


class Power(Interface):
    """A switchable supply."""

    name = "power"
    jumpstarter = "jumpstarter_driver_power.client.PowerClient"

    @call
    @abstractmethod
    async def on(self) -> None:
        """Apply power. On when on already is no error."""

    @call
    @abstractmethod
    async def off(self) -> None:
        """Remove power. Off when off already is no error."""

    @call
    @abstractmethod
    def read(self) -> AsyncIterator[PowerReading]:
        """Measure, again and again, until the caller stops."""

    async def cycle(self, off_for: Seconds = 2.0) -> None:
        """Off, wait, on. Runs beside the job; `off_for` is in seconds."""
        await self.off()
        await anyio.sleep(off_for)
        await self.on()
