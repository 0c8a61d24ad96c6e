"""What Linux offers for holes and block devices and Python does not."""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from typing import Final

BLKGETSIZE64: Final = 0x80081272
BLKZEROOUT: Final = 0x127F
BLKFLSBUF: Final = 0x1261
"""Requests of `linux/fs.h`."""

_KEEP_SIZE: Final = 0x01
_PUNCH_HOLE: Final = 0x02
"""Modes of `linux/falloc.h`."""

_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = (ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64)


def device_size(handle: int) -> int:
    """Bytes of a block device."""
    answer = fcntl.ioctl(handle, BLKGETSIZE64, bytes(8))
    return int(struct.unpack("Q", answer)[0])


def zero_out(handle: int, offset: int, length: int) -> None:
    """Make a part of a block device read as zeros; both numbers are multiples of its block size.

    Raises:
        OSError: it cannot, or is gone.
    """
    fcntl.ioctl(handle, BLKZEROOUT, struct.pack("QQ", offset, length))


def punch_hole(handle: int, offset: int, length: int) -> None:
    """Make a part of a file a hole; its size stays.

    Raises:
        OSError: the file system knows no holes.
    """
    if _libc.fallocate(handle, _PUNCH_HOLE | _KEEP_SIZE, offset, length) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def forget(handle: int) -> None:
    """Drop what the kernel keeps of a block device, so that a read asks the medium."""
    fcntl.ioctl(handle, BLKFLSBUF, 0)
