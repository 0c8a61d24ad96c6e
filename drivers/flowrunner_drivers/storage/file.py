"""A file or a block device of the host as medium: an SD card in a reader, a USB stick, a disk image."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import anyio
import anyio.to_thread

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError, near
from flowrunner.image import Medium, write_image
from flowrunner.image.linux import forget
from flowrunner.interfaces.storage import Flasher, Image, Written
from flowrunner.model import FilePath, Seconds, Size
from flowrunner_drivers.storage._place import Place

CHUNK = 1 << 20


class FileStorageConfig(Config):
    """The medium."""

    path: FilePath
    """A block device such as `/dev/disk/by-id/usb-...`, or a file, which is made when it is not there."""

    targets: dict[str, FilePath] = {}
    """Further media by name, such as `boot0: /dev/mmcblk0boot0`: what a target of an image stands for."""

    size: Size | None = None
    """The size of a file that stands for a medium; without one the file takes the size of each image."""

    timeout: Seconds = 10.0
    """Seconds that a device may take to appear, and to have a medium in it."""

    fsync_timeout: Seconds = 900.0
    """Seconds that the device may take until all data is on the medium."""

    leeway: Seconds = 6.0
    """Seconds that a device is left alone after it was written, for readers that say they are done too early."""


class FileStorage(Driver[FileStorageConfig], Flasher):
    """Writes images to a block device or a file, and reads them back.

    A device that is mounted is refused. Zeros are not written where the medium can be told of them in one command, a
    file gets holes. A device is awaited, as card readers need a while to see a card.

    ```yaml
    export:
      storage:
        type: storage.file
        config:
          path: /dev/disk/by-id/usb-Generic_STORAGE_DEVICE-0:0
          targets: {root: /dev/disk/by-id/usb-Generic_STORAGE_DEVICE-0:0-part2}
    ```
    """

    async def flash(self, image: Image, target: str | None = None) -> Written:
        place = self._place(target)
        async with place.opened(os.O_RDWR) as handle:
            medium = await anyio.to_thread.run_sync(Medium, handle, str(place.path), self.config.size)
            written = await write_image(image, medium, sync_timeout=self.config.fsync_timeout)
        if place.is_device():
            await anyio.sleep(self.config.leeway)
        return written

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        place = self._place(target)
        async with place.opened(os.O_RDONLY) as handle:
            if place.is_device():
                await anyio.to_thread.run_sync(forget, handle)
            at = 0
            while length is None or at < length:
                count = CHUNK if length is None else min(CHUNK, length - at)
                data = await anyio.to_thread.run_sync(place.read, handle, count, at)
                if not data and length is not None:
                    raise BenchError(f"'{place.path}' has only {at} bytes, {length} were asked for")
                if not data:
                    return
                yield data
                at += len(data)

    def _place(self, target: str | None) -> Place:
        known = self.config.targets
        if target is not None and target not in known:
            what = f"'{self.config.path}' has no target '{target}'"
            raise BenchError(
                what, blame="config", help=near(target, known) if known else "it is one medium: leave target out"
            )
        return Place(self.config.path if target is None else known[target], self.config.timeout)
