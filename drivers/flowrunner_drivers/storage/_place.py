"""A path at which there is a medium, or will be in a moment."""

from __future__ import annotations

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from flowrunner.errors import BenchError
from flowrunner.image.linux import device_size
from flowrunner.model import Duration
from flowrunner_drivers.storage._mounts import mounts

ABSENT = (errno.ENOENT, errno.ENXIO, errno.ENOMEDIUM, errno.EIO, errno.ENODEV)
"""What the kernel says while a medium is not there yet, or is just coming."""


@dataclass(frozen=True)
class Place:
    """A block device, which is awaited for `timeout` seconds, or a file."""

    path: Path
    timeout: float

    @asynccontextmanager
    async def opened(self, mode: int) -> AsyncIterator[int]:
        """The open medium, for `os.O_RDONLY` or `os.O_RDWR`; a file that is to be written is made.

        Raises:
            BenchError: it is not there, did not appear in time, or is in use.
        """
        handle = await self._wait(mode)
        try:
            yield handle
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(os.close, handle)

    def read(self, handle: int, count: int, at: int) -> bytes:
        """Up to `count` bytes from `at` on; may block.

        Raises:
            BenchError: the medium is gone or broken.
        """
        try:
            return os.pread(handle, count, at)
        except OSError as error:
            raise BenchError(f"'{self.path}' could not be read at byte {at}: {error.strerror}") from error

    def is_device(self) -> bool:
        """Whether it is no file."""
        return self.path.is_block_device()

    async def _wait(self, mode: int) -> int:
        deadline = anyio.current_time() + self.timeout
        while True:
            try:
                return await anyio.to_thread.run_sync(self._open, mode)
            except OSError as error:
                self._refuse(error, mode, late=anyio.current_time() >= deadline)
            await anyio.sleep(min(1.0, max(0.0, deadline - anyio.current_time())))

    def _refuse(self, error: OSError, mode: int, *, late: bool) -> None:
        """Raise what is not worth waiting for."""
        path = self.path
        if error.errno == errno.EBUSY:
            raise _busy(path) from error
        if error.errno not in ABSENT:
            raise BenchError(f"'{path}' could not be opened: {error.strerror}", blame="config") from error
        if not self._under_dev():
            missing = f"there is no '{path}'" + (": nothing was flashed to it" if mode == os.O_RDONLY else "")
            raise BenchError(missing, blame="config") from error
        if late:
            raise BenchError(
                f"'{path}' did not appear within {Duration(self.timeout)}: {error.strerror}",
                help="look at its cable, and whether a medium is in it",
            ) from error

    def _open(self, mode: int) -> int:
        device = self.is_device()
        flags = mode | os.O_CLOEXEC
        if device and mode == os.O_RDWR:
            flags |= os.O_EXCL  # the kernel then refuses a device that is mounted
        elif mode == os.O_RDWR and not self._under_dev():
            flags |= os.O_CREAT
        handle = os.open(self.path, flags, 0o644)
        if device and device_size(handle) == 0:
            os.close(handle)
            raise OSError(errno.ENOMEDIUM, os.strerror(errno.ENOMEDIUM), str(self.path))
        return handle

    def _under_dev(self) -> bool:
        return self.path.is_relative_to("/dev") and not self.path.is_relative_to("/dev/shm")  # plain files are there


def _busy(path: Path) -> BenchError:
    """Somebody on the host uses it: most often a desktop that mounts what is plugged in."""
    found = mounts(path)
    if not found:
        what, help = f"'{path}' is in use on the host", f"see: lsblk {path}, and sudo fuser -v {path}"
        return BenchError(what, blame="infra", help=help)
    where = " and ".join(f"'{folder}'" for folder in found)
    help = "unmount it (sudo umount ...), and tell the desktop to mount nothing by itself"
    return BenchError(f"'{path}' is in use on the host: mounted at {where}", blame="infra", help=help)
