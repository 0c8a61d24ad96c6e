"""A medium with partitions that is only files."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError, near
from flowrunner.image import Medium, write_image
from flowrunner.interfaces.storage import Flasher, Image, Written
from flowrunner.model import Size

CHUNK = 1 << 20
DEFAULT = "default"


class VirtualFlasherConfig(Config):
    """The medium."""

    targets: list[str] | None = None
    """The partitions that can be flashed; null takes any name. Without a target, it is the partition `default`."""

    size: Size | None = None
    """The size of each partition; without one each takes the size of its image."""


class VirtualFlasher(Driver[VirtualFlasherConfig], Flasher):
    """A flasher without hardware, with as many partitions as are flashed: for learning, and for testing pipelines.

    What was never flashed cannot be dumped. The content is gone at the end.

    ```yaml
    export:
      flasher: {type: storage.virtual_flasher, config: {targets: [root, boot], size: 256MiB}}
    ```
    """

    aliases = ("jumpstarter_driver_opendal.driver.MockFlasher",)

    def __init__(self, config: VirtualFlasherConfig, children: Mapping[str, Driver[Any]] | None = None) -> None:
        super().__init__(config, children)
        self._folder = Path()
        self._files: dict[str, Path] = {}

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory(prefix="flow-flasher-") as folder:
            self._folder = Path(folder)
            self._files.clear()
            yield

    async def flash(self, image: Image, target: str | None = None) -> Written:
        name = self._name(target)
        path = self._files.setdefault(name, self._folder / str(len(self._files)))
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            medium = await anyio.to_thread.run_sync(Medium, handle, f"the virtual partition {name}", self.config.size)
            return await write_image(image, medium)
        finally:
            os.close(handle)

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        name = self._name(target)
        if name not in self._files:
            raise BenchError(f"nothing was flashed to the virtual partition '{name}'", blame="config")
        with await anyio.to_thread.run_sync(self._files[name].open, "rb") as file:
            size = os.fstat(file.fileno()).st_size
            end = size if length is None else length
            if end > size:
                raise BenchError(f"the virtual partition '{name}' has only {Size(size)}, {Size(end)} were asked for")
            for at in range(0, end, CHUNK):
                yield await anyio.to_thread.run_sync(file.read, min(CHUNK, end - at))

    def _name(self, target: str | None) -> str:
        known = self.config.targets
        if target is not None and known is not None and target not in known:
            help = near(target, known)
            raise BenchError(f"the virtual flasher has no target '{target}'", blame="config", help=help)
        return target or DEFAULT
