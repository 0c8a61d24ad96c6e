"""The open file or block device that an image is written into."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from flowrunner.errors import BenchError
from flowrunner.image.content import ZEROS, InFile, Piece
from flowrunner.image.linux import device_size, punch_hole, zero_out
from flowrunner.interfaces.storage import Written
from flowrunner.model import Size

SECTOR = 4096
GONE = (errno.EIO, errno.ENXIO, errno.ENODEV, errno.ENOMEDIUM, errno.EREMOTEIO)
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
UNSUPPORTED = (errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY, errno.ENOSYS, errno.EXDEV, errno.EPERM)


class Medium:
    """Somewhere to write an image to. All methods may block: call them in a thread.

    A regular file without a `capacity` takes the size of the image; with one it has that size, and what lies behind the
    image stays. Zeros become holes where the medium knows holes. Nothing is durable before `sync`.
    """

    def __init__(self, handle: int, name: str, capacity: int | None = None) -> None:
        """`handle` is open for writing and stays the caller's; `capacity` is in bytes, a device knows its own."""
        self.handle = handle
        self.name = name
        status = os.fstat(handle)
        self.regular = stat.S_ISREG(status.st_mode)
        self.capacity = capacity if self.regular else device_size(handle)
        self._written = 0
        self._copies = True
        self._blank = False

    def begin(self, image: str, size: int | None) -> None:
        """Get ready for an image of `size` bytes, None while that is not known.

        Raises:
            BenchError: it is larger than the medium.
        """
        self._image = image
        self._check(size or 0)
        with self._named():
            if self.regular and self.capacity is None:
                os.ftruncate(self.handle, 0)
            elif self.regular and self.capacity is not None:
                os.ftruncate(self.handle, self.capacity)
        self._blank = self.regular and os.fstat(self.handle).st_blocks == 0

    def put(self, piece: Piece) -> None:
        """Write one piece; they come in ascending order.

        Raises:
            BenchError: it does not fit, the disk is full, or the device is gone.
        """
        self._check(piece.offset + piece.length)
        with self._named():
            if isinstance(piece, InFile):
                self._copy(piece)
            elif piece.data is None:
                self._zero(piece.offset, piece.length)
            else:
                self._write(piece.data, piece.offset)
        if isinstance(piece, InFile) or piece.data is not None:
            self._written += piece.length

    def end(self, size: int) -> Written:
        """Give the file its final size, in bytes."""
        self._check(size)
        with self._named():
            if self.regular and self.capacity is None:
                os.ftruncate(self.handle, size)
        return Written(written=self._written, size=size)

    def sync(self, handle: int) -> None:
        """Wait until all is on the medium; `handle` is a duplicate of its own.

        An error here is final: the kernel has dropped what it could not write, and another try would only seem to help.
        """
        with self._named():
            os.fsync(handle)

    def _check(self, end: int) -> None:
        if self.capacity is not None and end > self.capacity:
            raise BenchError(
                f"image '{self._image}' is larger than '{self.name}', which has {Size(self.capacity)} "
                f"({int(self.capacity)} bytes)",
                help="use a larger medium, or a smaller image",
            )

    def _write(self, data: bytes | memoryview, offset: int) -> None:
        done = os.pwrite(self.handle, data, offset)
        view = memoryview(data)
        while done < len(view):
            done += os.pwrite(self.handle, view[done:], offset + done)

    def _copy(self, piece: InFile) -> None:
        at, end = piece.offset, piece.offset + piece.length
        while self._copies and at < end:
            try:
                at += os.copy_file_range(piece.handle, self.handle, end - at, at, at)
            except OSError as error:
                if error.errno not in UNSUPPORTED:
                    raise
                self._copies = False
        while at < end:
            data = os.pread(piece.handle, min(1 << 18, end - at), at)
            if not data:
                raise BenchError(f"image '{self._image}' became shorter while it was read", blame="config")
            self._write(data, at)
            at += len(data)

    def _zero(self, offset: int, length: int) -> None:
        """Zeros: nothing to do on a blank file, a hole where holes are known, else written."""
        if self._blank:
            return
        start, end = -(-offset // SECTOR) * SECTOR, (offset + length) // SECTOR * SECTOR
        if start < end:
            try:
                (punch_hole if self.regular else zero_out)(self.handle, start, end - start)
            except OSError as error:
                if error.errno not in UNSUPPORTED:
                    raise
                start = end = offset
        else:
            start = end = offset
        self._blanks(offset, start)
        self._blanks(end, offset + length)

    def _blanks(self, at: int, end: int) -> None:
        while at < end:
            size = min(len(ZEROS), end - at)
            self._write(ZEROS[:size], at)
            at += size

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say whose fault a failure of the system is."""
        try:
            yield
        except OSError as error:
            raise failed(error, self.name, self.regular, self._written) from error


def failed(error: OSError, name: str, regular: bool, done: int) -> BenchError:
    """What went wrong with the file or device `name`, after `done` bytes of data."""
    after = f"after {Size(done)} of data"
    if error.errno in FULL and regular:
        return BenchError(
            f"'{name}' could not grow {after}: {error.strerror}", blame="infra", help="make room on the host's disk"
        )
    if error.errno in FULL:
        return BenchError(f"'{name}' took no more {after}: {error.strerror}")
    if error.errno in GONE and not regular:
        return BenchError(
            f"'{name}' is gone or broken: {error.strerror} {after}", help="look at its cable and its medium"
        )
    return BenchError(
        f"'{name}' could not be written {after}: {error.strerror}", blame="infra" if regular else "device"
    )
