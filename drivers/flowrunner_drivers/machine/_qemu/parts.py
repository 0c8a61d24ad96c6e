"""The parts of the machine: power, console, flasher and video."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from io import BytesIO
from pathlib import Path

import anyio
import anyio.to_thread
from PIL import Image as Picture

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.interface import ByteStream
from flowrunner.interfaces.console import Console
from flowrunner.interfaces.power import Power, PowerReading
from flowrunner.interfaces.storage import Flasher, Image, Written
from flowrunner.interfaces.video import Video
from flowrunner.model import Duration
from flowrunner_drivers._rfb.screen import RfbScreen
from flowrunner_drivers.machine._qemu.core import Core


class PartConfig(Config):
    """A part has no config of its own."""


class Part(Driver[PartConfig]):
    """Something that the machine offers."""

    def __init__(self, core: Core) -> None:
        super().__init__(PartConfig())
        self.core = core


class QemuPower(Part, Power):
    """On is QEMU running, off is QEMU gone."""

    async def on(self) -> None:
        await self.core.on()

    async def off(self) -> None:
        await self.core.off()

    def read(self) -> AsyncIterator[PowerReading]:
        raise NotImplementedError


class QemuConsole(Part, Console):
    """The first serial port."""

    def connect(self) -> AbstractAsyncContextManager[ByteStream]:
        return self.core.console.reader()


class QemuFlasher(Part, Flasher):
    """The disk (`root`), and firmware beside it."""

    async def flash(self, image: Image, target: str | None = None) -> Written:
        limit = self.core.config.flash_timeout
        with self.core.disk_in_use("written"), anyio.move_on_after(limit):
            return await self.core.disk.flash(image, target)
        raise BenchError(f"the image was not written within {Duration(limit)}", help="raise flash_timeout")

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        with self.core.disk_in_use("read"):
            async with aclosing(self.core.disk.dump(target, length)) as pieces:
                async for piece in pieces:
                    yield piece


class QemuVideo(Part, Video):
    """The screen."""

    async def snapshot(self) -> bytes:
        handle, name = tempfile.mkstemp(suffix=".ppm", dir=self.core.folder)
        os.close(handle)
        try:
            await self.core.execute("screendump", {"filename": name})
            return await anyio.to_thread.run_sync(_png, Path(name))
        finally:
            await anyio.Path(name).unlink(missing_ok=True)


class QemuScreen(Part, RfbScreen):
    """The screen with keyboard and mouse."""

    @asynccontextmanager
    async def server(self) -> AsyncIterator[ByteStream]:
        stream = await self.core.screen()
        try:
            yield stream
        finally:
            stream.close()


def _png(file: Path) -> bytes:
    """QEMU before 7.1 writes no PNG itself; so it is always made here."""
    out = BytesIO()
    with Picture.open(file) as picture:
        picture.save(out, "PNG")
    return out.getvalue()
