"""A console on a serial port: of this host, of a terminal server, or a loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import Any, Literal
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import serial
from pydantic import Field

from flowrunner.beside import beside
from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.serial import ModemLines, SerialLines
from flowrunner_drivers.console._port import HandleStream, Paced, ThreadStream, open_port
from flowrunner_drivers.console._stream import Loop, tcp_stream

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

    disable_hupcl: bool = False
    """Leave DTR as it is when the port is closed, so that a board that resets on DTR runs on."""

    check_present: bool = True
    """Open the port once at the start, so that a missing one is told before anything is done."""


class SerialConsole(Driver[SerialConsoleConfig], Console, SerialLines):
    """A serial port as console. It is opened exclusively: no other program can take a part of its bytes.

    ```yaml
    export:
      console:
        type: console.serial
        config: {url: /dev/serial/by-id/usb-FTDI_FT232R-if00-port0, baudrate: 115200}
    ```

    Further reading: pyserial's URL handlers, RFC 2217 for ports of terminal servers, `termios(3)` for HUPCL.
    """

    aliases = ("jumpstarter_driver_pyserial.driver.PySerial",)

    def __init__(self, config: SerialConsoleConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        self._scheme = urlsplit(config.url).scheme if "://" in config.url else ""
        self._port: serial.Serial | None = None
        self._lines = {"dtr": config.dtr, "rts": config.rts}
        self._taken = False

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        if self.config.check_present and self._scheme != "loop":
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

    async def set_dtr(self, on: bool) -> None:
        await self._set("dtr", on)

    async def set_rts(self, on: bool) -> None:
        await self._set("rts", on)

    async def lines(self) -> ModemLines:
        port = self._port
        if port is None:
            raise BenchError(f"'{self.config.url}' has no lines to read: it is not an open port", blame="config")
        return await anyio.to_thread.run_sync(lambda: ModemLines(cts=port.cts, dsr=port.dsr, ri=port.ri, cd=port.cd))

    async def _set(self, line: str, on: bool) -> None:
        if self._scheme in ("socket", "loop"):
            raise BenchError(f"'{self.config.url}' has no {line.upper()} line", blame="config")
        self._lines[line] = on
        if self._port is not None:
            await anyio.to_thread.run_sync(setattr, self._port, line, on)

    def _connect(self) -> AbstractAsyncContextManager[ByteStream]:
        match self._scheme:
            case "loop":
                return Loop.opened()
            case "socket":
                return tcp_stream(self.config.url)
            case _:
                return self._connect_port()

    @asynccontextmanager
    async def _connect_port(self) -> AsyncIterator[ByteStream]:
        """A port that pyserial opens; one of this host is then read by its file descriptor."""
        port = await anyio.to_thread.run_sync(self._make)
        local = self._scheme in ("", "hwgrep")
        await anyio.to_thread.run_sync(lambda: open_port(port, local=local, keep_lines=self.config.disable_hupcl))
        self._port = port
        try:
            if local:
                yield HandleStream(port)
                return
            with closing(ThreadStream(port)) as stream:
                async with beside(stream.run):
                    yield stream
        finally:
            self._port = None
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(port.close)

    def _make(self) -> serial.Serial:
        config = self.config
        try:
            port = serial.serial_for_url(
                config.url,
                do_not_open=True,
                baudrate=config.baudrate,
                bytesize=config.bytesize,
                parity=PARITY[config.parity],
                stopbits=config.stopbits,
                rtscts=config.flow == "rtscts",
                dsrdtr=config.flow == "dsrdtr",
                xonxoff=config.flow == "xonxoff",
                exclusive=True if self._scheme in ("", "hwgrep") else None,
                inter_byte_timeout=0 if self._scheme in ("", "hwgrep") else None,
            )
        except (serial.SerialException, ValueError) as error:
            raise BenchError(f"serial port '{config.url}' was not found: {error}") from error
        for line, on in self._lines.items():
            if on is not None:
                setattr(port, line, on)
        return port
