"""Serial: what a serial port has beside its data: modem lines, break, and its speed."""

from __future__ import annotations

from abc import abstractmethod

from pydantic import BaseModel

from flowrunner.interface import Interface, call
from flowrunner.model import Seconds


class ModemLines(BaseModel):
    """What the far end signals, and what this end does; `dtr` and `rts` are None where that is not known."""

    cts: bool
    dsr: bool
    ri: bool
    cd: bool
    dtr: bool | None = None
    rts: bool | None = None


class SerialLines(Interface):
    """What a serial port has beside its data; boards use its lines for reset and boot mode.

    True is asserted, which is the low level at a 3.3 V adapter. A port that nobody has open is opened for each call;
    what was set holds until the bench is opened afresh.
    """

    name = "serial"

    @call
    @abstractmethod
    async def set_dtr(self, on: bool) -> None:
        """Assert or release Data Terminal Ready.

        Raises:
            BenchError: the port has no such line, or cannot be opened.
        """

    @call
    @abstractmethod
    async def set_rts(self, on: bool) -> None:
        """Assert or release Request To Send.

        Raises:
            BenchError: the port has no such line, or cannot be opened.
        """

    @call
    @abstractmethod
    async def lines(self) -> ModemLines:
        """Read the lines.

        Raises:
            BenchError: the port has no such lines, or cannot be opened.
        """

    @call
    @abstractmethod
    async def send_break(self, duration: Seconds = 0.25) -> None:
        """Hold the line in break for `duration` seconds: SysRq on a Linux console, the monitor of a switch.

        Raises:
            BenchError: the port cannot do that, or cannot be opened.
        """

    @call
    @abstractmethod
    async def set_baudrate(self, rate: int) -> None:
        """Go on at `rate` bits a second, after what was sent before is out.

        Raises:
            BenchError: the port does not know that rate, or cannot be opened.
        """
