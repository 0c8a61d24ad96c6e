"""Serial: the modem lines of a serial port, which boards use for reset and boot mode."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import BaseModel

from flowrunner.interface import Interface, call


class ModemLines(BaseModel):
    """What the far end signals."""

    cts: bool
    dsr: bool
    ri: bool
    cd: bool


class SerialLines(Interface):
    """The lines of a serial port beside its data. True is asserted, which is the low level at a 3.3 V adapter."""

    name = "serial"

    @call
    @abstractmethod
    async def set_dtr(self, on: bool) -> None:
        """Assert or release Data Terminal Ready; on a port that is not open, from its opening on."""

    @call
    @abstractmethod
    async def set_rts(self, on: bool) -> None:
        """Assert or release Request To Send; on a port that is not open, from its opening on."""

    @call
    @abstractmethod
    async def lines(self) -> ModemLines:
        """Read the far end's lines.

        Raises:
            BenchError: the port is not open, or has no such lines.
        """
