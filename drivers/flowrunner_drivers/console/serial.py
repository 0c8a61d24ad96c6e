"""A console on a serial port: of this host, of a terminal server, or a loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.serial import ModemLines, SerialLines
from flowrunner.model import Seconds
from flowrunner_drivers.console._held import HeldPort
from flowrunner_drivers.console._returning import ReturningStream
from flowrunner_drivers.console._stream import Loop, Paced, tcp_stream

PARITY = {"none": "N", "even": "E", "odd": "O", "mark": "M", "space": "S"}


class SerialConsoleConfig(Config):
    """The port and how it is set up."""

    url: str
    """A device such as `/dev/ttyUSB0`, or a URL of pyserial: `socket://host:port`, `rfc2217://host:port`,
    `hwgrep://PATTERN`, `loop://`."""

    baudrate: int = Field(default=115200, gt=0)
    """Bits a second."""

    bytesize: Literal[5, 6, 7, 8] = 8
    """Data bits."""

    parity: Literal["none", "even", "odd", "mark", "space"] = "none"
    """The parity bit."""

    stopbits: float = Field(default=1, ge=1, le=2, multiple_of=0.5)
    """Stop bits."""

    flow: Literal["none", "rtscts", "dsrdtr", "xonxoff"] = "none"
    """Flow control."""

    dtr: bool | None = None
    """Data Terminal Ready when the port is opened; null leaves it to the system, which asserts it."""

    rts: bool | None = None
    """Request To Send when the port is opened; null leaves it to the system, which asserts it."""

    cps: float | None = Field(default=None, gt=0)
    """At most so many characters are sent a second, for targets that drop what comes faster."""

    disable_hupcl: bool = True
    """Leave DTR and RTS as they are when the port is closed, so that the next opening moves nothing; false drops them,
    which resets some boards."""

    with_power: bool = False
    """The port is the board's own, such as a USB gadget's, and comes and goes with its power: the console waits for it,
    and goes on with the next boot. For ports of this host by path."""

    check_present: bool = True
    """Look at the start whether the port can be had, so that a missing one is told before anything is done. One of this
    host is not opened for that, a server is connected to."""

    @model_validator(mode="after")
    def _only_paths_come_and_go(self) -> Self:
        if self.with_power and "://" in self.url:
            raise ValueError(f"with_power is for a port of this host by its path, not for '{self.url}'")
        return self


class SerialConsole(Driver[SerialConsoleConfig], Console, SerialLines):
    """A serial port as console. It is opened exclusively: no other program can take a part of its bytes.

    Opening it resets no board, as far as the system lets it: decision 30 tells how far.

    ```yaml
    export:
      console:
        type: console.serial
        config: {url: /dev/serial/by-id/usb-FTDI_FT232R-if00-port0, baudrate: 115200}
      far:
        type: console.serial
        config: {url: "rfc2217://terminal-server:4001", cps: 200}
    ```

    Further reading: pyserial's URL handlers, RFC 2217 for ports of terminal servers, `termios(3)` for HUPCL.
    """

    aliases = ("jumpstarter_driver_pyserial.driver.PySerial",)

    def __init__(self, config: SerialConsoleConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        settings = {
            "bytesize": config.bytesize, "parity": PARITY[config.parity], "stopbits": config.stopbits,
            "rtscts": config.flow == "rtscts", "dsrdtr": config.flow == "dsrdtr", "xonxoff": config.flow == "xonxoff",
        }  # fmt: skip
        state = {"dtr": config.dtr, "rts": config.rts, "baudrate": config.baudrate}
        self._port = HeldPort(config.url, state, settings, keep_lines=config.disable_hupcl)
        self._taken = False

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        check = self.config.check_present and not self.config.with_power
        if check and self._port.local:
            await self._port.look()
        elif check and self._port.scheme != "loop":
            async with self.connect():
                pass
        yield

    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        if self._taken:
            raise BenchError(f"'{self.config.url}' is connected already", blame="internal")
        self._taken = True
        try:
            async with self._connect() as stream:
                yield Paced(stream, self.config.cps) if self.config.cps else stream
        finally:
            self._taken = False

    def _connect(self) -> AbstractAsyncContextManager[ByteStream]:
        match self._port.scheme:
            case "loop":
                return Loop.opened()
            case "socket":
                return tcp_stream(self.config.url)
            case _ if self.config.with_power:
                return ReturningStream.opened(self._port)
            case _:
                return self._port.stream()

    async def set_dtr(self, on: bool) -> None:
        await self._port.change("dtr", on)

    async def set_rts(self, on: bool) -> None:
        await self._port.change("rts", on)

    async def lines(self) -> ModemLines:
        return await self._port.lines()

    async def send_break(self, duration: Seconds = 0.25) -> None:
        await self._port.send_break(duration)

    async def set_baudrate(self, rate: int) -> None:
        if rate <= 0:
            raise BenchError(f"{rate} is no speed: it is in bits a second", blame="config")
        await self._port.change("baudrate", rate)
