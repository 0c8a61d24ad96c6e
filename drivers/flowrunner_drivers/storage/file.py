"""A file or a block device of the host as medium: an SD card in a reader, a USB stick, a disk image."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.to_thread

from flowrunner.driver import Config, Driver
from flowrunner.errors import BenchError
from flowrunner.image import Medium, write_image
from flowrunner.image.linux import device_size, forget
from flowrunner.interfaces.storage import Flasher, Image, Written
from flowrunner.model import Duration, FilePath, Seconds, Size

CHUNK = 1 << 20
ABSENT = (errno.ENOENT, errno.ENXIO, errno.ENOMEDIUM, errno.EIO, errno.ENODEV)
"""What the kernel says while a medium is not there yet, or is just coming."""


class FileStorageConfig(Config):
    """The medium."""

    path: FilePath
    """A block device such as `/dev/disk/by-id/usb-...`, or a file, which is made when it is not there."""

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
        config: {path: /dev/disk/by-id/usb-Generic_STORAGE_DEVICE-0:0}
    ```
    """

    async def flash(self, image: Image, target: str | None = None) -> Written:
        self._check(target)
        async with self._opened(os.O_RDWR) as (handle, device):
            medium = await anyio.to_thread.run_sync(Medium, handle, str(self.config.path), self.config.size)
            written = await write_image(image, medium, sync_timeout=self.config.fsync_timeout)
        if device:
            await anyio.sleep(self.config.leeway)
        return written

    async def dump(self, target: str | None = None, length: int | None = None) -> AsyncIterator[bytes]:
        self._check(target)
        async with self._opened(os.O_RDONLY) as (handle, device):
            if device:
                await anyio.to_thread.run_sync(forget, handle)
            at = 0
            while length is None or at < length:
                count = CHUNK if length is None else min(CHUNK, length - at)
                data = await anyio.to_thread.run_sync(partial(self._read, handle, count, at))
                if not data and length is not None:
                    raise BenchError(f"'{self.config.path}' has only {at} bytes, {length} were asked for")
                if not data:
                    return
                yield data
                at += len(data)

    def _check(self, target: str | None) -> None:
        if target is not None:
            raise BenchError(
                f"'{self.config.path}' has no target '{target}'",
                blame="config",
                help="it is one medium: leave target out",
            )

    def _read(self, handle: int, count: int, at: int) -> bytes:
        try:
            return os.pread(handle, count, at)
        except OSError as error:
            raise BenchError(f"'{self.config.path}' could not be read at byte {at}: {error.strerror}") from error

    @asynccontextmanager
    async def _opened(self, mode: int) -> AsyncIterator[tuple[int, bool]]:
        """The open medium, and whether it is a device."""
        handle = await self._wait(mode)
        try:
            yield handle, self._is_device()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(os.close, handle)

    async def _wait(self, mode: int) -> int:
        """Open the medium; a device is awaited."""
        deadline = anyio.current_time() + self.config.timeout
        while True:
            try:
                return await anyio.to_thread.run_sync(self._open, mode)
            except OSError as error:
                self._refuse(error, mode, late=anyio.current_time() >= deadline)
            await anyio.sleep(min(1.0, max(0.0, deadline - anyio.current_time())))

    def _refuse(self, error: OSError, mode: int, *, late: bool) -> None:
        """Raise what is not worth waiting for."""
        path = self.config.path
        if error.errno == errno.EBUSY:
            raise BenchError(
                f"'{path}' is in use on the host, mounted perhaps", blame="infra", help=f"see: findmnt {path}"
            ) from error
        if error.errno not in ABSENT:
            raise BenchError(f"'{path}' could not be opened: {error.strerror}", blame="config") from error
        if not self._under_dev():
            missing = f"there is no '{path}'" + (": nothing was flashed to it" if mode == os.O_RDONLY else "")
            raise BenchError(missing, blame="config") from error
        if late:
            raise BenchError(
                f"'{path}' did not appear within {Duration(self.config.timeout)}: {error.strerror}",
                help="look at its cable, and whether a medium is in it",
            ) from error

    def _open(self, mode: int) -> int:
        device = self._is_device()
        flags = mode | os.O_CLOEXEC
        if device and mode == os.O_RDWR:
            flags |= os.O_EXCL  # the kernel then refuses a device that is mounted
        elif mode == os.O_RDWR and not self._under_dev():
            flags |= os.O_CREAT
        handle = os.open(self.config.path, flags, 0o644)
        if device and device_size(handle) == 0:
            os.close(handle)
            raise OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM), str(self.config.path))
        return handle

    def _is_device(self) -> bool:
        return self.config.path.is_block_device()

    def _under_dev(self) -> bool:
        path = self.config.path
        return path.is_relative_to("/dev") and not path.is_relative_to("/dev/shm")  # that one holds plain files
