"""A medium behind a mux that is switched by command lines: any tool that a bench has already."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Literal

import anyio

from flowrunner.driver import Driver
from flowrunner.errors import BenchError, FlowrunnerError
from flowrunner.interfaces.storage import Image, StorageMuxFlasher, Written
from flowrunner.model import Seconds
from flowrunner_drivers._process import Command, run
from flowrunner_drivers.storage._medium import MediumConfig, dump, flash

Position = Literal["host", "dut", "off"]

WHERE = {"dut": "is connected to the target", "off": "is connected to neither", None: "was switched by nobody"}


class MuxStorageConfig(MediumConfig):
    """The medium, and the commands that switch it. A list is started as it is, text is given to `sh -c`."""

    host: Command
    """Connects the medium to the host; it must exit with 0. The medium may appear a while later: see `timeout`."""

    dut: Command
    """Connects the medium to the target."""

    off: Command | None = None
    """Connects the medium to neither, where the mux can do that."""

    switch_timeout: Seconds = 10.0
    """Seconds that a command may take; then it and all it started are ended."""


class MuxStorage(Driver[MuxStorageConfig], StorageMuxFlasher):
    """An SD card or USB stick that a mux connects to the host or to the target: SD-Mux, SDWire, a USB switch, a relay.

    It is written and read only while it is connected to the host, and awaited there. A job that went away while it was
    written or read, and a switch to the host that failed, leave it connected to the target.

    ```yaml
    export:
      card:
        type: storage.mux
        config:
          path: /dev/disk/by-id/usb-LinuxAut_sdmux_HS-SD_MMC_000000001042-0:0
          host: usbsdmux /dev/usb-sd-mux/id-000000001042 host
          dut: usbsdmux /dev/usb-sd-mux/id-000000001042 dut
          off: usbsdmux /dev/usb-sd-mux/id-000000001042 off
    ```
    """

    def __init__(self, config: MuxStorageConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        self._position: Position | None = None
        self._used = False
        """Whether it was written or read since it was connected to the host."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            if self._position == "host" and self._used:
                with anyio.CancelScope(shield=True):
                    await self.dut()

    async def host(self) -> None:
        try:
            await self._switch("host", self.config.host)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                try:
                    await self.dut()
                except FlowrunnerError as later:
                    error.add_note(f"and the medium could not be given back to the target: {later.what}")
            raise

    async def dut(self) -> None:
        await self._switch("dut", self.config.dut)

    async def off(self) -> None:
        if self.config.off is None:
            raise NotImplementedError("connect its medium to neither: its config has no 'off'")
        await self._switch("off", self.config.off)

    async def flash(self, image: Image, target: str | None = None) -> Written:
        self._use()
        return await flash(self.config, image, target)

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        self._use()
        async with aclosing(dump(self.config, target, length)) as pieces:
            async for piece in pieces:
                yield piece

    async def _switch(self, to: Position, command: Command) -> None:
        self._position, self._used = None, False
        await run(command, timeout=self.config.switch_timeout)
        self._position = to

    def _use(self) -> None:
        if self._position != "host":
            what = f"'{self.config.path}' {WHERE[self._position]}, so it cannot be used by the host"
            raise BenchError(what, blame="config", help="switch it before: storage: host")
        self._used = True
