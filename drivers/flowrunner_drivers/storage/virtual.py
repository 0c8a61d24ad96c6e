"""A card behind a mux, without a card and without a mux."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Literal

import anyio.to_thread

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.image import Medium, write_image
from flowrunner.interfaces.storage import Image, StorageMuxFlasher, Written
from flowrunner.model import Size

CHUNK = 1 << 20


class VirtualStorageConfig(Config):
    """The card."""

    size: Size = Size(64 << 20)
    """Its size; an image that is larger is refused."""


class VirtualStorage(Driver[VirtualStorageConfig], StorageMuxFlasher):
    """A card behind a mux, both virtual: for learning, and for testing pipelines. The content is gone at the end.

    It begins at the target, and is written and read only while it is connected to the host, as a real one.

    ```yaml
    export:
      storage: {type: storage.virtual, config: {size: 256MiB}}
    ```
    """

    aliases = (
        "jumpstarter_driver_opendal.driver.MockStorageMux",
        "jumpstarter_driver_opendal.driver.MockStorageMuxFlasher",
    )

    def __init__(self, config: VirtualStorageConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        self.position: Literal["host", "dut", "off"] = "dut"
        self._card = -1

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        with tempfile.TemporaryFile() as card:
            os.truncate(card.fileno(), self.config.size)
            self._card = card.fileno()
            yield

    async def host(self) -> None:
        self.position = "host"

    async def dut(self) -> None:
        self.position = "dut"

    async def off(self) -> None:
        self.position = "off"

    async def flash(self, image: Image, target: str | None = None) -> Written:
        self._check(target)
        medium = await anyio.to_thread.run_sync(Medium, self._card, "the virtual card", self.config.size)
        return await write_image(image, medium)

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        self._check(target)
        end = self.config.size if length is None else length
        if end > self.config.size:
            raise BenchError(f"the virtual card has only {self.config.size}, {Size(end)} were asked for")
        for at in range(0, end, CHUNK):
            yield await anyio.to_thread.run_sync(os.pread, self._card, min(CHUNK, end - at), at)

    def _check(self, target: str | None) -> None:
        if target is not None:
            raise BenchError(f"the virtual card has no target '{target}'", blame="config", help="leave target out")
        if self.position != "host":
            where = "nowhere" if self.position == "off" else "connected to the target"
            what = f"the virtual card is {where}, not to the host"
            raise BenchError(what, blame="config", help="switch it: storage: host")
