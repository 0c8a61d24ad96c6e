"""A file or a block device of the host as medium: an SD card in a reader, a USB stick, a disk image."""

from __future__ import annotations

from collections.abc import AsyncIterator

from flowrunner.driver import Driver
from flowrunner.interfaces.storage import Flasher, Image, Written
from flowrunner_drivers.storage._medium import MediumConfig, dump, flash


class FileStorageConfig(MediumConfig):
    """The medium."""


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
        return await flash(self.config, image, target)

    def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        return dump(self.config, target, length)
